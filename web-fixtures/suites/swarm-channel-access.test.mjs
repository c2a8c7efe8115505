// Who may watch and steer swarms where people log in: over the channel and the namespace.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { register } from "../support/people.mjs";
import { echo, external, overChannel, overNamespace, swarms, swarmSocket } from "../support/swarm-viewers.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const WRONG = `ap_${"x".repeat(43)}`;

onEveryDatabase("Swarms where people log in", (database) => {
  /** @type {Daemon} */
  let daemon;
  let people;
  let admin;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { LOG: "trace" } });
    people = await register(daemon.url, ["admin", "ann", "bob", "eve"]);
    admin = swarms(daemon.url, people.admin.token);
    for (const [name, scopes] of [["ann", ["write"]], ["eve", ["read"]]]) {
      const made = await admin.post("/api-keys", { name, user_id: people[name].id, scopes });
      Object.assign(people[name], { key: made.key, keyId: made.id });
    }
  });
  after(async () => {
    await closeAll();
    for (const line of daemon.log) {
      for (const secret of [...Object.values(people).flatMap(({ token, key }) => [token, key]), WRONG].filter(Boolean)) {
        assert.ok(!line.includes(secret), "a key is in the log");
      }
    }
    await daemon.stop();
  });

  /** The status of an upgrade. */
  function upgrade(query = "", headers = {}, protocols = []) {
    const url = `${daemon.url.replace("http", "ws")}/swarm/websocket?vsn=2.0.0${query}`;
    const socket = new WebSocket(url, protocols, { headers });
    keep(() => socket.terminate());
    const opened = new Promise((resolve) => {
      socket.on("open", () => resolve(101));
      socket.on("unexpected-response", (_, { statusCode }) => resolve(statusCode));
      socket.on("error", () => {});
    });
    return soon(opened, "the upgrade is answered").finally(() => socket.terminate());
  }

  const channel = async (token, name) => overChannel(await swarmSocket(daemon.url, { params: { token } }), name);
  const namespace = (token, name) => overNamespace(daemon.url, name, { token });
  const ways = { channel, namespace };
  const reason = (joining) => joining.then(() => assert.fail("let in"), (error) => error.message);

  test("S1-3 a token or key is needed: as parameter, header or authToken", async () => {
    const { token } = people.ann;
    for (const shown of [token, people.ann.key]) {
      const offered = ["phoenix", `base64url.bearer.phx.${Buffer.from(shown).toString("base64url")}`];
      assert.equal(await upgrade(`&token=${shown}`), 101);
      assert.equal(await upgrade("", { authorization: `Bearer ${shown}` }), 101);
      assert.equal(await upgrade("", { "x-dashboard-token": shown }), 101);
      assert.equal(await upgrade("", {}, offered), 101);
    }
    assert.equal(await upgrade("", { "x-api-key": people.ann.key }), 101);
    for (const shown of ["", "nonsense", WRONG]) {
      assert.equal(await upgrade(`&token=${shown}`), 403);
      if (shown) assert.equal(await upgrade("", { authorization: `Bearer ${shown}` }), 403);
      if (shown) assert.equal(await upgrade("", { "x-dashboard-token": shown }), 403);
    }
    assert.equal(await upgrade(), 403);
    assert.equal(await upgrade(`&token[]=${token}`), 403);
  });

  test("a namespace is refused with a word to who shows nothing good", async () => {
    const name = await admin.start();
    for (const auth of [{ token: people.ann.token }, { token: people.ann.key }, { api_key: people.ann.key }]) {
      const viewer = await overNamespace(daemon.url, name, auth);
      assert.deepEqual(viewer.joined, { swarm: name });
      viewer.close();
    }
    for (const auth of [{ token: "nonsense" }, { api_key: WRONG }, { token: 7 }, {}]) {
      assert.equal(await reason(overNamespace(daemon.url, name, auth)), "unauthorized", JSON.stringify(Object.keys(auth)));
    }
    assert.equal(await reason(overNamespace(daemon.url, "nowhere", { token: people.ann.token })), "swarm_not_found");
    const since = overNamespace(daemon.url, name, { token: people.ann.token, since: "yesterday" });
    assert.equal(await reason(since), "invalid_since");
  });

  test("an agent that is hired sees no swarms", async () => {
    const name = await admin.start();
    const agent = await admin.post("/agents", { name: "hired" });
    const { key } = await admin.post("/api-keys", { name: "an agent's", agent_id: agent.id });
    for (const watch of Object.values(ways)) {
      for (const each of [name, "nowhere"]) assert.equal(await reason(watch(key, each)), "unauthorized");
    }
  });

  for (const [way, watch] of Object.entries(ways)) {
    test(`S1-5 over the ${way}: a swarm on a private board is not there for who is no member, and goes with the membership`, async () => {
      const ann = swarms(daemon.url, people.ann.token);
      const { board_id } = await ann.post("/boards", { name: "secret", visibility: "private" });
      const name = await ann.start([echo("a"), external("e")], [], { name: `hidden-${way}`, board_id });
      const strange = await watch(people.bob.token, name).catch((error) => error.message);
      assert.equal(strange, "swarm_not_found");
      const { member_id } = await ann.post("/board-members", { board_id, user_id: people.bob.id });
      const [own, bob] = [await watch(people.ann.token, name), await watch(people.bob.token, name)];
      assert.equal(await bob.done("a", "hello"), "hello");
      await bob.ok("agent_attach", { agent: "e" });
      await own.until("agent_status", ({ agent, state }) => agent === "e" && state === "idle");
      const ended = new Promise((resolve) => {
        if (bob.client.onError) bob.client.onError(resolve);
        else bob.client.on("disconnect", resolve);
      });
      await ann.remove(`/board-members/${member_id}`);
      await soon(ended, "the stranger is let go");
      await own.until("agent_status", ({ agent, state }) => agent === "e" && state === "initializing");
      assert.equal(await own.done("a", "secret"), "secret");
      assert.ok(!JSON.stringify(bob.told).includes("secret"));
      assert.equal(await reason(watch(people.bob.token, name)), "swarm_not_found");
      own.close();
      bob.close();
    });

    test(`over the ${way}: who may only look is told everything and steers nothing`, async () => {
      const name = await admin.start([echo("a"), external("e")], []);
      const [viewer, member] = [await watch(people.eve.key, name), await watch(people.ann.token, name)];
      await viewer.ok("subscribe_logs", {});
      await viewer.ok("get_status", {});
      for (const [event, payload] of [
        ["send_task", { agent: "a", task: "work" }],
        ["agent_attach", { agent: "e" }],
      ]) {
        assert.deepEqual(await viewer.ask(event, payload), ["error", { reason: ":unauthorized" }]);
      }
      await member.done("a", "hello");
      await viewer.until("agent_output");
      await viewer.until("log_entry");
      viewer.close();
      member.close();
    });

    test(`over the ${way}: who loses a role loses what it opened at once`, async () => {
      const { board_id } = await admin.post("/boards", { name: "theirs", visibility: "private" });
      const [open, hidden] = [await admin.start([echo("a"), external("e")], []), await admin.start([echo("a")], [], { name: `theirs-${way}`, board_id })];
      const email = `${way}@example.com`;
      const made = await admin.post("/users", { email, password: "correct horse", role: "admin" });
      const { accessToken } = await admin.post("/authentication", { strategy: "local", email, password: "correct horse" });
      const [own, other] = [await watch(accessToken, open), await watch(accessToken, hidden)];
      const viewer = await watch(people.ann.token, open);
      await own.ok("agent_attach", { agent: "e" });
      await viewer.until("agent_status", ({ agent, state }) => agent === "e" && state === "idle");
      const ended = new Promise((resolve) => {
        if (other.client.onError) other.client.onError(resolve);
        else other.client.on("disconnect", resolve);
      });
      await admin.patch(`/users/${made.user_id}`, { role: "viewer" });
      await soon(ended, "what is private is not told any more");
      await viewer.until("agent_status", ({ agent, state }) => agent === "e" && state === "initializing");
      for (const [event, payload] of [["send_task", { agent: "a", task: "work" }], ["agent_attach", { agent: "e" }]]) {
        assert.deepEqual(await own.ask(event, payload), ["error", { reason: ":unauthorized" }]);
      }
      await own.ok("get_status", {});
      assert.equal(await reason(watch(accessToken, hidden)), "swarm_not_found");
      for (const one of [own, other, viewer]) one.close();
    });

    test(`over the ${way}: what was opened with a key ends with it`, async () => {
      const name = await admin.start();
      const { key, id } = await admin.post("/api-keys", { name: "short", user_id: people.ann.id, scopes: ["write"] });
      const viewer = await watch(key, name);
      const closed = new Promise((resolve) => {
        if (viewer.client.socket) viewer.client.socket.onClose(resolve);
        else viewer.client.on("disconnect", resolve);
      });
      await admin.remove(`/api-keys/${id}`);
      await soon(closed, "the connection ends");
      await until(() => upgrade(`&token=${key}`).then((status) => status === 403), "the key opens nothing");
      viewer.close();
      viewer.client.socket?.disconnect();
    });
  }
});
