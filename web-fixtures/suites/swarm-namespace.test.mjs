// A swarm over socket.io-client: its namespace has the channel's events, with acknowledgements.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Manager } from "socket.io-client";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Proxy } from "../support/proxy.mjs";
import { echo, external, overChannel, overNamespace, swarms, swarmSocket } from "../support/swarm-viewers.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const refused = (reason) => ["error", { reason }];

onEveryDatabase("Swarms in namespaces", (database) => {
  /** @type {Daemon} */
  let daemon;
  let all;
  before(async () => {
    daemon = await Daemon.start(database);
    all = swarms(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  const watch = (name, auth, options) => overNamespace(daemon.url, name, auth, options);
  const outputs = (viewer) => viewer.of("agent_output").map(({ content }) => content);

  test("S1-4 S1-5 connecting is joining, over every transport", async () => {
    const name = await all.start();
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
      const viewer = await watch(name, {}, { transports });
      assert.deepEqual(viewer.joined, { swarm: name });
      assert.equal(await viewer.done("a", "hello"), "hello");
      viewer.close();
    }
    for (const name of ["nowhere", "x".repeat(5_000)]) {
      await assert.rejects(watch(name), { message: "swarm_not_found" });
    }
  });

  test("S1-9 to S1-22 what is asked is answered as in the channel", async () => {
    const name = await all.start([echo("a"), echo("b"), external("e")]);
    const [viewer, other] = [await watch(name), await overChannel(await swarmSocket(daemon.url), name)];
    assert.equal(await viewer.done("a", "1"), "1");
    for (const [event, payload] of [
      ["get_status", {}],
      ["subscribe_logs", { agent: "a" }],
      ["subscribe_logs", {}],
      ["unsubscribe_logs", { agent: "a" }],
      ["unsubscribe_logs", {}],
      ["subscribe_events", { filters: { level: "error" } }],
      ["subscribe_events", {}],
      ["unsubscribe_events", {}],
      ["send_task", { agent: "nobody", task: "work" }],
      ["send_task", {}],
      ["send_task", "text"],
      ["subscribe_logs", { agent: 7 }],
      ["subscribe_events", { filters: [] }],
      ["agent_attach", { agent: "a" }],
      ["agent_result", { id: "1", content: "x" }],
      ["dance", {}],
    ]) {
      const [own, others] = [await viewer.ask(event, payload), await other.ask(event, payload)];
      assert.deepEqual(own, others, `${event} ${JSON.stringify(payload)}`);
    }
    assert.deepEqual(await viewer.ask("send_task"), refused(":bad_request"));
    assert.deepEqual(await viewer.ask("send_task", Buffer.from("bytes")), refused(":bad_request"));
    assert.deepEqual((await viewer.ask("get_status"))[0], "ok");
    // Without an acknowledgement, too.
    viewer.client.emit("send_task", { agent: "b", task: "unanswered" });
    await viewer.until("agent_output", ({ content }) => content === "unanswered");
    viewer.close();
  });

  test("S1-24 to S1-36 what is told is what the channel tells, in the same order", async () => {
    const name = await all.start([echo("a"), echo("b"), external("e")], [["a", "b"]]);
    const viewers = [await watch(name), await overChannel(await swarmSocket(daemon.url), name)];
    const [viewer] = viewers;
    for (const each of viewers) {
      await each.ok("subscribe_logs", { agent: "a" });
      await each.ok("subscribe_logs", {});
      await each.ok("subscribe_events", { filters: { category: "routing" } });
    }
    await viewer.done("a", "@b: hi");
    await viewer.done("a", "@all: hi");
    await all.post(`/swarms/${name}/agents`, echo("c"));
    await all.remove(`/swarms/${name}/agents/c`);
    await all.steer(name, "stop");
    await all.steer(name, "start");
    await viewer.done("b", "the last");
    const told = (each) => each.told.filter(({ event }) => event !== "heartbeat");
    const ended = (each) => told(each).at(-1)?.payload.state === "idle" && outputs(each).includes("the last");
    await until(() => viewers.every(ended), "all is told");
    assert.deepEqual(...viewers.map(told));
    const names = new Set(told(viewer).map(({ event }) => event));
    assert.equal(names.size, 11, [...names].join());
    await viewer.until("heartbeat");
    viewer.close();
  });

  test("who resumes with a stamp misses nothing", async () => {
    const name = await all.start();
    const first = await watch(name, { since: "now" });
    await first.done("a", "one");
    const { seq } = await first.until("agent_output");
    first.close();
    await all.steer(name, "agents/a/task", { task: "two" });
    const second = await watch(name, { since: seq });
    await until(() => outputs(second).length === 1, "what was missed is told");
    assert.deepEqual(outputs(second), ["two"]);
    second.close();
  });

  test("an agent may be somebody in a namespace, whose place is free when the connection is lost", async () => {
    const name = await all.start([external("e")], []);
    const proxy = await Proxy.open(daemon.port);
    const first = await overNamespace(proxy.url, name, {}, { reconnection: false });
    await first.ok("agent_attach", { agent: "e" });
    const viewer = await watch(name);
    await viewer.ok("send_task", { agent: "e", task: "work" });
    const turn = await first.until("agent_task");
    proxy.cut();
    const second = await watch(name);
    await second.ok("agent_attach", { agent: "e" });
    assert.deepEqual(await second.until("agent_task"), turn);
    await second.ok("agent_result", { id: turn.id, content: "done" });
    assert.deepEqual(await viewer.until("agent_output"), { agent: "e", content: "done" });
    second.close();
    await viewer.until("agent_status", ({ state }) => state === "initializing");
    viewer.close();
  });

  test("a purged swarm's namespace ends, and can be entered when there is one again", async () => {
    const name = await all.start();
    const viewer = await watch(name);
    const ended = new Promise((resolve) => viewer.client.once("disconnect", resolve));
    await all.remove(`/swarms/${name}?purge=true`);
    assert.equal(await soon(ended, "the namespace ends"), "io server disconnect");
    assert.deepEqual(viewer.of("swarm_stopped"), [{}]);
    await assert.rejects(watch(name), { message: "swarm_not_found" });
    await all.start([echo("a")], [], { name });
    const again = await watch(name);
    assert.equal(await again.done("a", "new"), "new");
    again.close();
  });

  test("swarms, tasks and services share a connection, and a slow reader is told everything", async () => {
    const names = [await all.start(), await all.start()];
    const proxy = await Proxy.open(daemon.port);
    const manager = new Manager(proxy.url, { transports: ["websocket"] });
    const root = manager.socket("/");
    const sockets = names.map((name) => manager.socket(`/swarm/${name}`));
    keep(() => [root, ...sockets].forEach((socket) => socket.close()));
    const heard = sockets.map((socket) => {
      const contents = [];
      socket.on("agent_output", ({ content }) => contents.push(content));
      return contents;
    });
    const joined = sockets.map((socket) => new Promise((resolve) => socket.once("joined", resolve)));
    await soon(Promise.all(joined), "both are joined");
    assert.equal((await call(root, "find", "swarms", {})).length >= 2, true);
    proxy.hold();
    const viewers = await Promise.all(names.map((name) => watch(name)));
    const text = "x".repeat(20_000);
    for (let n = 0; n < 40; n++) await Promise.all(viewers.map((viewer) => viewer.done("a", `${n} ${text}`)));
    proxy.go();
    await until(() => heard.every((contents) => contents.length >= 40), "all is told");
    assert.deepEqual(heard, viewers.map(outputs));
  });
});
