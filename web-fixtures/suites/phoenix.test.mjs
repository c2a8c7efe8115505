// Unmodified Phoenix clients of three ages find a Phoenix server, over WebSocket and long polling.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { answer, clients, heard, open, transports, until } from "../support/phoenix.mjs";
import { closeAll, leave } from "../support/wait.mjs";

const options = { binary: CONFORMANCE, forgives: /a channel panicked/ };

/** @type {Daemon} */
let daemon;
before(async () => (daemon = await Daemon.start(sqlite, options)));
after(async () => {
  await closeAll();
  await daemon.stop();
  leave();
});

const control = async (path) => assert.ok((await fetch(`${daemon.url}/ctl/${path}`)).ok);

for (const { version, phoenix } of clients) {
  for (const transport of Object.keys(transports)) {
    const connect = (options) => open(phoenix, transport, `${daemon.url.replace("http", "ws")}/socket`, options);
    const name = `${version}-${transport}`;

    describe(`phoenix ${version} over ${transport}`, () => {
      test("joins, or is told why not", async () => {
        const socket = await connect();
        const joined = await answer(socket.channel(`room:np-${name}`).join());
        assert.deepEqual(joined, ["ok", { joined: `room:np-${name}` }]);
        // A refused join is repeated until the channel is left.
        const refused = await connect({ rejoinAfterMs: () => 60_000 });
        for (const [topic, reason] of [
          ["room:denied", "unauthorized"],
          ["nope:1", "unmatched topic"],
          ["room:joincrash", "join crashed"],
        ]) {
          const channel = refused.channel(topic);
          assert.deepEqual(await answer(channel.join()), ["error", { reason }]);
          channel.leave();
        }
      });

      test("pushes and is answered", async () => {
        const channel = (await connect()).channel(`room:np-${name}`);
        await answer(channel.join());
        assert.deepEqual(await answer(channel.push("echo", { a: ["é☃", null] })), ["ok", { a: ["é☃", null] }]);
        assert.deepEqual(await answer(channel.push("fail", {})), ["error", { reason: "bad" }]);
        assert.deepEqual(await answer(channel.push("late", {})), ["ok", { late: true }]);
        assert.deepEqual(await answer(channel.push("noreply", {}, 100)), ["timeout"]);
        const many = Array.from({ length: 250 }, (_, n) => answer(channel.push("echo", { n })));
        assert.deepEqual((await Promise.all(many)).map(([, { n }]) => n), [...many.keys()]);
      });

      test("broadcasts reach everybody, or everybody else", async () => {
        const channels = [(await connect()).channel(`room:np-all-${name}`), (await connect()).channel(`room:np-all-${name}`)];
        for (const channel of channels) await answer(channel.join());
        const both = channels.map((channel) => heard(channel, "msg"));
        channels[0].push("broadcast", { hi: 1 });
        assert.deepEqual(await Promise.all(both), [{ hi: 1 }, { hi: 1 }]);
        const own = [];
        channels[0].on("msg", (payload) => own.push(payload));
        const other = heard(channels[1], "msg");
        await answer(channels[0].push("broadcast_from", { hi: 2 }));
        assert.deepEqual(await other, { hi: 2 });
        const seen = channels.map((channel) => heard(channel, "intercepted"));
        channels[1].push("intercept", { hi: 3 });
        assert.deepEqual((await Promise.all(seen)).map((payload) => payload.seen_by), ["handle_out", "handle_out"]);
        const outside = heard(channels[1], "srv");
        await control(`broadcast/room:np-all-${name}/srv?k=v`);
        assert.deepEqual(await outside, { k: "v" });
        assert.deepEqual(own, []);
      });

      test("a crashed channel errs and joins again, its socket lives", async () => {
        const socket = await connect();
        const [channel, other] = [socket.channel(`room:np-${name}`), socket.channel("exact")];
        await Promise.all([answer(channel.join()), answer(other.join())]);
        const crashed = new Promise((resolve) => channel.onError(resolve));
        channel.push("crash", {});
        await crashed;
        await until(() => channel.state === "joined", "the channel joins again");
        assert.deepEqual(await answer(channel.push("echo", { again: 1 })), ["ok", { again: 1 }]);
        assert.deepEqual(await answer(other.push("echo", {})), ["ok", {}]);
      });

      test("a closed channel stays closed", async () => {
        const socket = await connect();
        const channel = socket.channel(`room:np-${name}`);
        await answer(channel.join());
        const closed = new Promise((resolve) => channel.onClose(resolve));
        assert.deepEqual(await answer(channel.push("stop_reply", {})), ["ok", { bye: 1 }]);
        await closed;
        assert.equal(channel.state, "closed");
        const again = socket.channel(`room:np-${name}`);
        await answer(again.join());
        assert.equal((await answer(again.leave()))[0], "ok");
      });

      test("presence comes, changes and goes", async () => {
        const topic = `room:presence-${name}`;
        const sockets = [await connect(), await connect()];
        const presences = sockets.map((socket, index) => {
          const channel = socket.channel(topic, { name: ["alice", "bob"][index] });
          const presence = new phoenix.Presence(channel);
          channel.join();
          return { channel, presence };
        });
        const names = ({ presence }) => presence.list((name) => name).sort().join();
        await until(() => presences.every((each) => names(each) === "alice,bob"), "both see both");
        await answer(presences[1].channel.push("meta", { name: "bob", status: "away" }));
        const status = () => presences[0].presence.state.bob.metas.map((meta) => meta.status).join();
        await until(() => status() === "away", "alice sees what bob changed");
        await answer(presences[1].channel.leave());
        await until(() => names(presences[0]) === "alice", "bob is gone");
      });

      test("a disconnected client comes back and joins again", async () => {
        const socket = await connect({ params: { user: name } });
        const channel = socket.channel(`room:np-${name}`);
        await answer(channel.join());
        const reopened = new Promise((resolve) => socket.onOpen(resolve));
        await control(`disconnect/${name}`);
        await reopened;
        await until(() => channel.state === "joined", "the channel joins again");
        assert.deepEqual(await answer(channel.push("echo", { back: 1 })), ["ok", { back: 1 }]);
      });

      test("what it connects with stands in no log", async () => {
        const socket = await connect({ params: { api_key: `par~~~${name}` } });
        const channel = socket.channel(`room:np-${name}`, { secret: `join~~~${name}` });
        await answer(channel.join());
        assert.deepEqual(await answer(channel.push("whoami", {})), ["ok", { auth_token: null, user: null }]);
        assert.ok(!daemon.log.join("\n").includes("~~~"), "no param in the log");
      });

      if (transport === "WebSocket") {
        test("bytes go and come", async () => {
          const channel = (await connect()).channel(`room:np-${name}`);
          await answer(channel.join());
          const [status, bytes] = await answer(channel.push("echo", Uint8Array.of(1, 2, 0, 255).buffer));
          assert.deepEqual([status, ...new Uint8Array(bytes)], ["ok", 1, 2, 0, 255]);
          const [, reply] = await answer(channel.push("bin_reply", {}));
          assert.deepEqual([...new Uint8Array(reply)], [0, 1, 2, 254, 255]);
          const pushed = heard(channel, "bin");
          channel.push("bin_push", {});
          assert.deepEqual([...new Uint8Array(await pushed)], [1, 2, 3]);
        });

        test("a heartbeat is answered", async () => {
          const socket = await connect();
          await new Promise((resolve) => assert.ok(socket.ping(resolve)));
        });
      }

      if (version !== "1.7.23") {
        test("an authToken reaches the server", async () => {
          const url = `${daemon.url.replace("http", "ws")}/auth`;
          const socket = await open(phoenix, transport, url, { authToken: "tok~~~" });
          const channel = socket.channel("room:np1");
          await answer(channel.join());
          assert.deepEqual(await answer(channel.push("whoami", {})), ["ok", { auth_token: "tok~~~", user: null }]);
          assert.ok(!daemon.log.join("\n").includes("tok~~~"), "no token in the log");
        });
      }
    });
  }
}
