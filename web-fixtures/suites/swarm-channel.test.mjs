// Genswarms' channel over npm's phoenix: who is let in, what is asked and answered, what is pushed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { clients } from "../support/phoenix.mjs";
import { echo, external, overChannel, swarms, swarmSocket } from "../support/swarm-viewers.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const LOG_ENTRY = ["agent", "event_type", "id", "level", "message", "metadata", "timestamp"];
const EVENT = [...LOG_ENTRY, "category", "swarm"].sort();
const refused = (reason) => ["error", { reason }];

onEveryDatabase("Genswarms' channel", (database) => {
  /** @type {Daemon} */
  let daemon;
  let all;
  let socket;
  before(async () => {
    daemon = await Daemon.start(database);
    all = swarms(daemon.url);
    socket = await swarmSocket(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  const join = (name, params) => overChannel(socket, name, params);
  const reason = (joining) => joining.then(() => assert.fail("let in"), (error) => error.message);

  test("S1-1 S1-3 S1-4 clients of each age join a swarm at /swarm without credentials", async () => {
    const name = await all.start();
    for (const { phoenix } of clients) {
      const own = await swarmSocket(daemon.url, {}, phoenix);
      assert.deepEqual((await overChannel(own, name)).joined, { swarm: name });
      own.disconnect();
    }
    const params = await swarmSocket(daemon.url, { params: { token: "nonsense" } });
    assert.deepEqual((await overChannel(params, name)).joined, { swarm: name });
    params.disconnect();
  });

  test("S1-2 there is no long polling", async () => {
    for (const method of ["GET", "POST"]) {
      const response = await fetch(`${daemon.url}/swarm/longpoll?vsn=2.0.0`, { method });
      assert.equal(response.status, 404);
    }
  });

  test("S1-5 a swarm that there is not is refused, and joined once it is there", async () => {
    for (const name of ["nowhere", "", "a/b", "..", "x".repeat(5_000), "Ünïcode"]) {
      assert.equal(await reason(join(name)), "swarm_not_found", name.slice(0, 20));
    }
    for (const topic of ["swarm", "swarms:a", "room:lobby"]) {
      const channel = socket.channel(topic, {});
      const answered = new Promise((resolve) => channel.join().receive("error", resolve));
      assert.deepEqual(await soon(answered, "the join is refused"), { reason: "unmatched topic" });
      channel.leave();
    }
    // The client tries again by itself.
    const channel = socket.channel("swarm:later", {});
    const joining = channel.join();
    const [refusal, joined] = ["error", "ok"].map((status) => new Promise((resolve) => joining.receive(status, resolve)));
    assert.deepEqual(await soon(refusal, "the join is refused"), { reason: "swarm_not_found" });
    await all.start([echo("a")], [], { name: "later" });
    assert.deepEqual(await soon(joined, "the client is let in"), { swarm: "later" });
    channel.leave();
  });

  test("S1-6 a swarm that is known and stopped is joined, and is told when it starts", async () => {
    const name = await all.start();
    await all.remove(`/swarms/${name}`);
    const viewer = await join(name);
    assert.equal((await viewer.ok("get_status", {})).status, "stopped");
    assert.deepEqual(await viewer.ask("send_task", { agent: "a", task: "hello" }), refused(":agent_stopped"));
    await all.steer(name, "start");
    assert.deepEqual(await viewer.until("swarm_started"), { status: "running" });
    viewer.close();
  });

  test("S1-7 S1-8 S1-24 S1-27 pushes come without being asked for, logs and events when they are", async () => {
    const viewer = await join(await all.start());
    assert.equal(await viewer.done("a", "hello"), "hello");
    await until(() => viewer.of("agent_status").length >= 2, "the agent rests");
    assert.deepEqual(viewer.of("agent_output"), [{ agent: "a", content: "hello" }]);
    const states = ["working", "idle"].map((state) => ({ agent: "a", state }));
    assert.deepEqual(viewer.of("agent_status"), states);
    assert.deepEqual([viewer.of("log_entry"), viewer.of("event")], [[], []]);
    await viewer.ok("subscribe_logs", {});
    await viewer.done("a", "again");
    await viewer.until("log_entry");
    assert.deepEqual(viewer.of("event"), []);
    viewer.close();
  });

  test("S1-9 a task that is sent reaches its agent", async () => {
    const name = await all.start([echo("a"), external("e")], []);
    const [viewer, worker] = [await join(name), await overChannel(await swarmSocket(daemon.url), name)];
    await worker.ok("agent_attach", { agent: "e" });
    assert.deepEqual(await viewer.ask("send_task", { agent: "e", task: "work" }), ["ok", { status: "sent" }]);
    const { id, ...turn } = await worker.until("agent_task");
    assert.deepEqual(turn, { agent: "e", type: "task", from: "orchestrator", content: "work" });
    assert.equal((await worker.ok("agent_result", { id, content: "done" })).status, "stored");
    assert.deepEqual(await viewer.until("agent_output"), { agent: "e", content: "done" });
    assert.deepEqual(worker.of("agent_output"), [{ agent: "e", content: "done" }]);
  });

  test("S1-10 S1-12 what cannot be done is refused with a word, and nothing crashes", async () => {
    const name = await all.start([echo("a"), external("e")], []);
    const viewer = await join(name);
    const ended = [];
    viewer.client.onError((why) => ended.push(why));
    for (const [event, payload, why] of [
      ["send_task", { agent: "nobody", task: "work" }, ":not_found"],
      ["send_task", { agent: "../a", task: "work" }, ":not_found"],
      ["send_task", { agent: "a" }, ":bad_request"],
      ["send_task", { task: "work" }, ":bad_request"],
      ["send_task", { agent: "a", task: "" }, ":bad_request"],
      ["send_task", { agent: "a", task: "\0" }, ":bad_request"],
      ["send_task", { agent: 7, task: [] }, ":bad_request"],
      ...[[], "text", 5, null].map((payload) => ["send_task", payload, ":bad_request"]),
      ["subscribe_logs", { agent: 7 }, ":bad_request"],
      ["unsubscribe_logs", { agent: {} }, ":bad_request"],
      ["subscribe_logs", [], ":bad_request"],
      ["subscribe_events", { filters: "error" }, ":bad_request"],
      ...[[], "error", 5].map((payload) => ["subscribe_events", payload, ":bad_request"]),
      ["subscribe_events", { filters: { level: 5 } }, ":bad_request"],
      ["agent_attach", {}, ":bad_request"],
      ["agent_attach", { agent: "nobody" }, ":not_found"],
      ["agent_attach", { agent: "a" }, ":not_external"],
      ["agent_result", { id: "1", content: "x" }, ":not_found"],
      ["dance", {}, ":unknown_event"],
      ["phx_dance", {}, ":unknown_event"],
    ]) {
      assert.deepEqual(await viewer.ask(event, payload), refused(why), `${event} ${JSON.stringify(payload)}`);
    }
    // Nobody takes the turns of `e`.
    const send = () => viewer.ask("send_task", { agent: "e", task: "work" });
    for (let n = 0; n < 10; n++) {
      const sent = await Promise.all(Array.from({ length: 100 }, send));
      assert.ok(sent.every(([status]) => status === "ok"));
    }
    assert.deepEqual([await send(), await send()], [refused(":inbox_full"), refused(":inbox_full")]);
    assert.equal(await viewer.done("a", "hello"), "hello");
    assert.deepEqual(ended, []);
    viewer.close();
  });

  test("S1-11 S1-40 the status is the map that REST answers", async () => {
    const name = await all.start();
    const viewer = await join(name);
    const status = await viewer.ok("get_status", { whatever: [1] });
    assert.deepEqual(status, await all.get(`/swarms/${name}`));
    assert.deepEqual([status.name, status.status, status.objects], [name, "running", []]);
    assert.deepEqual(status.config, { agent_count: 2, object_count: 0, topology_edges: 1 });
    assert.deepEqual(status.agents.map(({ name, state }) => [name, state]), [["a", "idle"], ["b", "idle"]]);
    assert.deepEqual(status.agent_counts, { idle: 2 });
    assert.match(status.started_at, ISO);
    viewer.close();
  });

  test("S1-25 S1-26 messages that are routed and broadcast are pushed", async () => {
    const agents = [echo("a"), echo("b"), echo("c")];
    const name = await all.start(agents, [["a", "b"], ["a", "c"]]);
    const viewer = await join(name);
    await viewer.ok("send_task", { agent: "a", task: `@b: ${"é".repeat(150)}` });
    const { timestamp, ...routed } = await viewer.until("message_routed");
    const sent = { swarm: name, from: "a", content_preview: "é".repeat(100) };
    assert.deepEqual(routed, { ...sent, to: "b", type: "direct" });
    assert.match(timestamp, ISO);
    await viewer.ok("send_task", { agent: "a", task: "@all: hi" });
    const { timestamp: at, ...broadcast } = await viewer.until("message_broadcast");
    assert.deepEqual(broadcast, { ...sent, content_preview: "hi", to: ["b", "c"], type: "broadcast" });
    assert.match(at, ISO);
    viewer.close();
  });

  test("S1-28 S1-29 the channel stays when its swarm stops, and goes on when it starts", async () => {
    const name = await all.start();
    const viewer = await join(name);
    await all.steer(name, "stop");
    assert.deepEqual(await viewer.until("swarm_stopped"), {});
    await all.steer(name, "start");
    assert.deepEqual(await viewer.until("swarm_started"), { status: "running" });
    assert.equal(await viewer.done("b", "back"), "back");
    viewer.close();
  });

  test("S1-30 S1-31 S1-32 agents that come and go, and edges, are pushed", async () => {
    const name = await all.start();
    const viewer = await join(name);
    const more = { skills: ["s.md"], model: "m", endpoint: "http://127.0.0.1:1", presets: ["p"], config: { a: 1 } };
    await all.post(`/swarms/${name}/agents`, { name: "c", backend: "local", command: "cat", ...more, connections: ["a"] });
    const { name: added, spec } = await viewer.until("agent_added");
    assert.deepEqual([added, spec], ["c", { name: "c", backend: "local", ...more }], "and not its command");
    assert.deepEqual(await viewer.until("topology_changed"), {});
    await all.remove(`/swarms/${name}/agents/c`);
    assert.deepEqual(await viewer.until("agent_removed"), { name: "c" });
    await all.patch(`/swarms/${name}/topology`, { add: [["b", "a"]], remove: [] });
    await until(() => viewer.of("topology_changed").length === 3, "each change is told");
    const names = viewer.told.map(({ event }) => event).filter((event) => /^(agent_added|topology)/.test(event));
    assert.deepEqual(names.slice(0, 2), ["agent_added", "topology_changed"]);
    viewer.close();
  });

  test("S1-13 S1-14 S1-15 S1-16 S1-33 logs are told of one agent or all, with what was", async () => {
    const name = await all.start();
    const viewer = await join(name);
    for (let n = 0; n < 30; n++) await viewer.done(n % 2 ? "a" : "b", `${n}`);
    const stored = (await all.events(name)).reverse();
    const of = (agent) => stored.filter((event) => !agent || event.agent === agent).slice(-50).map(({ id }) => id);
    const every = await viewer.ok("subscribe_logs", {});
    assert.deepEqual([every.subscribed, every.agent], [true, null]);
    assert.deepEqual(every.recent_logs.map(({ id }) => id), of());
    assert.equal(every.recent_logs.length, 50);
    assert.deepEqual(await viewer.ok("unsubscribe_logs", {}), { unsubscribed: true, agent: null });
    const one = await viewer.ok("subscribe_logs", { agent: "a" });
    assert.deepEqual([one.subscribed, one.agent], [true, "a"]);
    assert.deepEqual(one.recent_logs.map(({ id }) => id), of("a"));
    await viewer.done("b", "unheard");
    await viewer.done("a", "heard");
    await viewer.until("log_entry", ({ event_type }) => event_type === "stdout");
    assert.ok(viewer.of("log_entry").every(({ agent }) => agent === "a"));
    assert.deepEqual(await viewer.ok("unsubscribe_logs", { agent: "a" }), { unsubscribed: true, agent: "a" });
    viewer.close();
  });

  test("S1-17 S1-18 subscriptions to logs are independent, and an entry comes once", async () => {
    const name = await all.start();
    const viewer = await join(name);
    assert.deepEqual(await viewer.ok("unsubscribe_logs", { agent: "z" }), { unsubscribed: true, agent: "z" });
    assert.deepEqual(await viewer.ok("unsubscribe_events", {}), { unsubscribed: true });
    await viewer.ok("subscribe_logs", { agent: "a" });
    await viewer.ok("subscribe_logs", {});
    await viewer.ok("subscribe_logs", {});
    await viewer.done("a", "1");
    await viewer.done("b", "2");
    const outputs = () => viewer.of("log_entry").filter(({ event_type }) => event_type === "stdout");
    await until(() => outputs().length >= 2, "both are logged");
    const ids = viewer.of("log_entry").map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "each once");
    await viewer.ok("unsubscribe_logs", {});
    await viewer.done("b", "3");
    await viewer.done("a", "4");
    await until(() => outputs().length >= 3, "the agent's own are still told");
    assert.deepEqual(outputs().map(({ agent, metadata }) => [agent, metadata.output]), [["a", "1"], ["b", "2"], ["a", "4"]]);
    viewer.close();
  });

  test("S1-19 S1-20 S1-34 events are told that fit a filter, with what was", async () => {
    const name = await all.start();
    const viewer = await join(name);
    for (let n = 0; n < 60; n++) await viewer.done("a", `@nobody: ${n}`);
    const stored = async () => (await all.events(name)).reverse();
    const filters = { level: "warning", category: "routing", event_type: "target_not_found", mood: 7 };
    const some = await viewer.ok("subscribe_events", { filters });
    assert.deepEqual([some.subscribed, some.filters], [true, filters]);
    const warnings = (await stored()).filter(({ event_type }) => event_type === "target_not_found");
    assert.equal(warnings.length, 60);
    assert.deepEqual(some.recent_events, warnings.slice(-50));
    // Each field alone fits something that comes, and nothing fits both.
    const both = await viewer.ok("subscribe_events", { filters: { level: "warning", event_type: "stdout" } });
    assert.deepEqual(both.recent_events, []);
    await viewer.done("a", "@nobody: a\n@nobody: b");
    await until(() => viewer.of("event").length === 2, "what fits is told");
    assert.ok(viewer.of("event").every((event) => event.event_type === "target_not_found"));
    const everything = await stored();
    for (const payload of [{}, { filters: {} }, { filters: null }]) {
      const every = await viewer.ok("subscribe_events", payload);
      assert.deepEqual(every.filters, {});
      assert.equal(every.recent_events.length, 50);
      assert.ok(every.recent_events.at(-1).id >= everything.at(-1).id);
    }
    viewer.close();
  });

  test("S1-21 S1-22 subscriptions to events add up, come once, and end apart from logs", async () => {
    const name = await all.start();
    const viewer = await join(name);
    await viewer.ok("subscribe_events", { filters: { event_type: "stdout" } });
    await viewer.ok("subscribe_events", { filters: { category: "agent" } });
    await viewer.ok("subscribe_events", { filters: { level: "warning" } });
    await viewer.ok("subscribe_logs", {});
    await viewer.done("a", "@nobody: 1");
    await viewer.until("event", ({ event_type }) => event_type === "target_not_found");
    const types = viewer.of("event").map(({ event_type }) => event_type);
    assert.equal(types.filter((type) => type === "stdout").length, 1);
    assert.ok(types.includes("task_sent"));
    assert.deepEqual(await viewer.ok("unsubscribe_events", {}), { unsubscribed: true });
    const [before, logs] = [viewer.of("event").length, viewer.of("log_entry").length];
    await viewer.done("a", "2");
    await until(() => viewer.of("log_entry").length >= logs + 2, "logs are still told");
    assert.equal(viewer.of("event").length, before);
    viewer.close();
  });

  test("S1-35 S1-36 S1-37 S1-38 entries and events have their shape, live and stored", async () => {
    const name = await all.start();
    const viewer = await join(name);
    await viewer.done("a", "1");
    const { recent_logs } = await viewer.ok("subscribe_logs", {});
    const { recent_events } = await viewer.ok("subscribe_events", {});
    await viewer.done("a", "2");
    await viewer.until("event", ({ event_type }) => event_type === "stdout");
    const [entries, events] = [[...recent_logs, ...viewer.of("log_entry")], [...recent_events, ...viewer.of("event")]];
    for (const entry of entries) assert.deepEqual(Object.keys(entry).sort(), LOG_ENTRY);
    for (const event of events) {
      assert.deepEqual(Object.keys(event).sort(), EVENT);
      assert.match(event.timestamp, ISO);
      assert.equal(typeof event.id, "string");
      assert.equal(event.swarm, name);
      const { category, swarm, ...entry } = event;
      assert.deepEqual(entries.find(({ id }) => id === entry.id), entry);
    }
    assert.deepEqual(events, (await all.events(name)).reverse().slice(-events.length));
    viewer.close();
  });

  test("a swarm that is purged ends its channels, which are joined again once it is there again", async () => {
    const name = await all.start();
    const viewer = await join(name);
    const errors = [];
    viewer.client.onError(() => errors.push("phx_error"));
    await all.remove(`/swarms/${name}?purge=true`);
    await until(() => errors.length > 0, "the channel ends");
    assert.deepEqual(viewer.of("swarm_stopped"), [{}]);
    await all.start([echo("a")], [], { name });
    await until(() => viewer.client.state === "joined", "the client is in again by itself");
    assert.equal(await viewer.done("a", "new"), "new");
    viewer.close();
  });

  test("a heartbeat comes every five seconds, also to who is told nothing else", async () => {
    const viewer = await join(await all.start());
    await until(() => viewer.of("heartbeat").length === 2, "two heartbeats come");
    const [first, second] = viewer.of("heartbeat").map(({ at }) => at);
    assert.ok(Math.abs(Date.now() - second) < 5_000, "it is the time in milliseconds");
    assert.ok(second - first >= 4_900, `${second - first}`);
    viewer.close();
  });
});
