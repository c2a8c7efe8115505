// The sockets of agents and of those who hire them: who is let in, which channels there are, presence, what is
// pushed, and that a key is never written down.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Cast } from "../support/agrenting.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { answer, clients, heard } from "../support/phoenix.mjs";
import { overChannel, socketOf } from "../support/streaming.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

/** A key that looks good and is nobody's. */
const WRONG = `ap_${"x".repeat(43)}`;

onEveryDatabase("Sockets of agents and hirers", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Cast} */
  let cast;
  before(async () => {
    // Whatever libraries say of what passes through them.
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { LOG: "trace" } });
    cast = await Cast.gather(daemon.url);
  });
  after(async () => {
    await closeAll();
    for (const line of daemon.log) {
      for (const secret of [...cast.secrets, WRONG]) assert.ok(!line.includes(secret), "S0-10 a key is in the log");
    }
    await daemon.stop();
  });

  /** Opens a WebSocket as it stands; the status, and the socket if it is open. */
  function upgrade(side, query = "", headers = {}, protocols = []) {
    const url = `${daemon.url.replace("http", "ws")}/socket/${side}/websocket?vsn=2.0.0${query}`;
    const socket = new WebSocket(url, protocols, { headers });
    keep(() => socket.terminate());
    const opened = new Promise((resolve) => {
      socket.on("open", () => resolve(101));
      socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
      socket.on("error", () => {});
    });
    return soon(opened, "the upgrade is answered").then((status) => ({ status, socket }));
  }

  const status = async (...attempt) => {
    const { status, socket } = await upgrade(...attempt);
    socket.terminate();
    return status;
  };
  const agent = (key = cast.provider.key) => socketOf(daemon.url, "agent", key);
  const hirer = (key = cast.people.ann.key) => socketOf(daemon.url, "hirer", key);
  const joined = async (socket, topic, params = {}) => {
    const channel = socket.channel(topic, params);
    const [status, response] = await answer(channel.join());
    if (status !== "ok") channel.leave();
    return { channel, status, response };
  };
  const pushed = (channel, event, payload) => answer(channel.push(event, payload));

  test("S0-1 S0-2 S0-3 S0-5 clients of each age and transport are let in with their key", async () => {
    for (const { phoenix } of clients) {
      for (const transport of ["WebSocket", "LongPoll"]) {
        for (const [side, key, topic] of [
          ["agent", cast.provider.key, `agent:${cast.provider.id}`],
          ["hirer", cast.people.ann.key, `hirer:${cast.people.ann.id}`],
        ]) {
          const socket = await socketOf(daemon.url, side, key, transport, phoenix);
          assert.equal((await joined(socket, topic)).status, "ok");
          socket.disconnect();
        }
      }
    }
    for (const vsn of ["1.0.0", "2.0.0"]) assert.equal(await status("agent", `&vsn=${vsn}&api_key=${cast.provider.key}`), 101);
  });

  test("S0-4 S0-5 S0-6 a key that is wrong, missing, misplaced or no key at all is refused", async () => {
    const [own, other] = [
      { agent: cast.provider.key, hirer: cast.people.ann.key },
      { agent: cast.people.ann.key, hirer: cast.provider.key },
    ];
    for (const side of ["agent", "hirer"]) {
      for (const query of ["", "&api_key=", `&api_key=${WRONG}`, `&api_key=${other[side]}`, `&api_key[]=${own[side]}`, `&token=${own[side]}`]) {
        assert.equal(await status(side, query), 403, `${side} ${query.slice(0, 12)}`);
      }
      assert.equal(await status(side, "", { "x-api-key": other[side] }), 403);
      // Every other place where a key may be shown.
      for (const headers of [{ "x-api-key": own[side] }, { "api-key": own[side] }, { authorization: `Bearer ${own[side]}` }]) {
        assert.equal(await status(side, "", headers), 101, `${side} ${Object.keys(headers)}`);
      }
      const offered = (key) => ["phoenix", `base64url.bearer.phx.${Buffer.from(key).toString("base64url")}`];
      assert.equal(await status(side, "", {}, offered(own[side])), 101);
      assert.equal(await status(side, "", {}, offered(other[side])), 403);
    }
    assert.equal(await status("hirer", `&api_key=${cast.people.ann.token}`), 101, "an access token");
  });

  test("S0-8 S0-9 each socket knows its own topics and tasks' streams", async () => {
    const [worker, boss] = [await agent(), await hirer()];
    const none = { reason: "unmatched topic" };
    for (const [socket, topics] of [
      [worker, [`hirer:${cast.people.ann.id}`, "room:lobby", "agents:discovery", "task:1", "agent"]],
      [boss, [`agent:${cast.provider.id}`, "user:1", "phoenix", "hirer"]],
    ]) {
      for (const topic of topics) assert.deepEqual((await joined(socket, topic)).response, none, topic);
    }
  });

  test("S0-12 S0-16 a channel is joined by whose it is, who says there what is known there", async () => {
    const [worker, boss] = [await agent(), await hirer()];
    const own = await joined(worker, `agent:${cast.provider.id}`);
    assert.deepEqual(own.response, { agent_id: cast.provider.id });
    const ann = await joined(boss, `hirer:${cast.people.ann.id}`);
    assert.deepEqual(ann.response, { user_id: cast.people.ann.id });
    const refused = { reason: "unauthorized" };
    for (const id of [cast.other.id, cast.client.id, ""]) {
      assert.deepEqual((await joined(worker, `agent:${id}`)).response, refused);
    }
    for (const id of [cast.people.bob.id, ""]) assert.deepEqual((await joined(boss, `hirer:${id}`)).response, refused);
    const unknown = ["error", { reason: "unknown_event" }];
    assert.deepEqual(await pushed(own.channel, "dance", {}), unknown);
    assert.deepEqual(await pushed(ann.channel, "task.stream_chunk", { task_id: "1", content: "a" }), unknown);
    const bad = await joined(worker, `agent:${cast.provider.id}`, { since: "yesterday" });
    assert.deepEqual(bad.response, { reason: "invalid_since" });
  });

  test("S0-14 S0-15 S0-32 S0-34 chunks are taken from the task's provider, with a word for what is wrong", async () => {
    const [task, over] = [await cast.task(), await cast.task()];
    await cast.complete(over, "done");
    const [worker, stranger, client] = [await agent(), await agent(cast.other.key), await agent(cast.client.key)];
    const channelOf = async (socket, { id }) => (await joined(socket, `agent:${id}`)).channel;
    const own = await channelOf(worker, cast.provider);
    const watcher = await overChannel(await hirer(), task);
    const emit = (channel, chunk) => pushed(channel, "task.stream_chunk", { task_id: task, content: "a", ...chunk });
    assert.deepEqual(await emit(own, { kind: "chat", metadata: { n: 1 } }), ["ok", { seq: 1 }]);
    assert.deepEqual(await emit(own, {}), ["ok", { seq: 2 }]);
    for (const [chunk, reason] of [
      [{ content: "" }, "invalid_payload"],
      [{ content: 7 }, "invalid_payload"],
      [{ content: "x".repeat(65_537) }, "invalid_payload"],
      [{ metadata: [] }, "invalid_payload"],
      [{ task_id: 7 }, "invalid_payload"],
      [{ task_id: null }, "invalid_payload"],
      [{ kind: "shout" }, "invalid_kind"],
      [{ task_id: "nowhere" }, "not_found"],
      [{ task_id: "../boards" }, "not_found"],
      [{ task_id: over }, "task_closed"],
    ]) {
      assert.deepEqual(await emit(own, chunk), ["error", { reason }], JSON.stringify(chunk).slice(0, 60));
    }
    for (const payload of [[], "text", 5, null]) {
      assert.deepEqual(await pushed(own, "task.stream_chunk", payload), ["error", { reason: "invalid_payload" }]);
    }
    const refused = ["error", { reason: "unauthorized" }];
    assert.deepEqual(await emit(await channelOf(stranger, cast.other), {}), refused);
    assert.deepEqual(await emit(await channelOf(client, cast.client), {}), refused);
    assert.deepEqual(await emit(own, { content: "last" }), ["ok", { seq: 3 }]);
    await watcher.count(3);
    const [first, second] = watcher.chunks;
    assert.deepEqual(Object.keys(first).sort(), ["content", "kind", "metadata", "seq", "timestamp"]);
    assert.deepEqual([first.kind, first.metadata, second.kind, second.metadata], ["chat", { n: 1 }, "artifact", {}]);
    assert.deepEqual(watcher.seqs, [1, 2, 3], "S0-24 what was refused was not told");
  });

  test("S0-14 chunks of one channel keep their order, however many are under way", async () => {
    const task = await cast.task();
    const { channel } = await joined(await agent(), `agent:${cast.provider.id}`);
    const contents = Array.from({ length: 300 }, (_, n) => `${n}`);
    const answers = contents.map((content) => pushed(channel, "task.stream_chunk", { task_id: task, content }));
    const seqs = (await Promise.all(answers)).map(([, { seq }]) => seq);
    assert.deepEqual(seqs, contents.map((n) => Number(n) + 1));
    const watcher = await overChannel(await hirer(), task);
    await watcher.count(300);
    assert.deepEqual(watcher.chunks.map(({ content }) => content), contents);
  });

  test("S0-38 S0-40 S0-41 an agent is present until its last channel closes", async () => {
    const worker = await cast.agent("present", { capabilities: ["a", "b"], base_price: "3.00" });
    const [one, two] = [await agent(worker.key), await agent(worker.key)];
    const first = await (async () => {
      const channel = one.channel(`agent:${worker.id}`, {});
      const state = heard(channel, "presence_state");
      await answer(channel.join());
      return { channel, state: await state };
    })();
    const { metas } = first.state[worker.id];
    const { online_at, phx_ref, ...meta } = metas[0];
    assert.deepEqual(meta, { capabilities: ["a", "b"], reputation: 0, base_price: "3.00" });
    assert.match(online_at, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.ok(phx_ref);
    const came = heard(first.channel, "presence_diff");
    await joined(two, `agent:${worker.id}`);
    assert.equal((await came).joins[worker.id].metas.length, 1);
    const went = heard(first.channel, "presence_diff");
    two.disconnect();
    const { joins, leaves } = await went;
    assert.deepEqual([joins, leaves[worker.id].metas.length], [{}, 1]);
    const { last_seen_at } = await cast.admin.get(`/agents/${worker.id}`);
    // Lost without a goodbye.
    one.conn.terminate?.();
    one.disconnect();
    let seen;
    for (let tries = 0; (seen ?? last_seen_at) === last_seen_at && tries < 200; tries++) {
      seen = (await cast.admin.get(`/agents/${worker.id}`)).last_seen_at;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(seen > (last_seen_at ?? ""), "when it left is kept");
  });

  test("S0-4 a connection ends with its key, and nobody else's does", async () => {
    const worker = await cast.agent("revoked");
    const again = await cast.key(worker.id);
    const task = await cast.task({ provider_agent_id: worker.id });
    const [ends, stays] = [await upgrade("agent", `&api_key=${worker.key}`), await agent(again.key)];
    assert.equal(ends.status, 101);
    const closed = soon(new Promise((resolve) => ends.socket.on("close", resolve)), "the connection ends");
    const watcher = await overChannel(stays, task);
    await cast.admin.remove(`/api-keys/${worker.keyId}`);
    assert.equal(await closed, 1001);
    assert.equal(await status("agent", `&api_key=${worker.key}`), 403);
    const { channel } = await joined(stays, `agent:${worker.id}`);
    assert.deepEqual(await pushed(channel, "task.stream_chunk", { task_id: task, content: "a" }), ["ok", { seq: 1 }]);
    await watcher.count(1);
    const gone = soon(new Promise((resolve) => stays.onClose(resolve)), "the agent's connection ends");
    await cast.admin.remove(`/agents/${worker.id}`);
    await gone;
    await until(() => !stays.isConnected(), "it does not come in again");
  });
});

onEveryDatabase("Sockets of agents on an open daemon", (database) => {
  test("S0-4 need a key, too", async () => {
    const daemon = await Daemon.start(database);
    const opened = (side) =>
      new Promise((resolve) => {
        const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/socket/${side}/websocket?vsn=2.0.0`);
        socket.on("open", () => resolve(101)).on("error", () => {});
        socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
      });
    assert.deepEqual(await Promise.all(["agent", "hirer"].map(opened)), [403, 403]);
    await daemon.stop();
  });
});
