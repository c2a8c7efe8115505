// What Hive's clients are told: runs of any door, and what agents elsewhere tell.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, tell } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { Tab } from "../support/people.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

onEveryDatabase("Hive's events", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const send = async (...request) => (await sendJson(daemon.url, ...request)).json;
  const session = async () => (await send("POST", "/sessions", {})).session_id;
  const make = async (session_id, more = {}) => (await send("POST", "/tasks", { session_id, status: "running", ...more })).task_id;
  const patch = (id, data) => send("PATCH", `/tasks/${id}`, data);

  test("S4-10 S4-12 S4-13 S4-17 S4-18 S4-20 a run is told from its start to its end, in order, in its session's stream", async () => {
    const stream_id = await session();
    const watcher = await Watcher.of(daemon.url, { stream_id });
    const execution_id = await make(stream_id, { full_prompt: "Count" });
    await patch(execution_id, { progress_percent: 40, progress_message: "Reading" });
    await patch(execution_id, { progress_percent: 100 });
    await patch(execution_id, { status: "completed", output: { answer: 42 } });
    const events = await watcher.has(4);
    assert.deepEqual(watcher.types, ["execution_started", "goal_progress", "goal_progress", "execution_completed"]);
    assert.ok(events.every((event) => event.stream_id === stream_id && event.execution_id === execution_id));
    const ids = { stream_id, execution_id };
    assert.deepEqual(events.map(({ data }) => data), [
      { input_data: { prompt: "Count" }, input: { prompt: "Count" }, ...ids },
      { progress: 0.4, criteria_status: { message: "Reading" }, ...ids },
      { progress: 1, criteria_status: { message: "Reading" }, ...ids },
      { output: { answer: 42 }, ...ids },
    ]);
  });

  test("a prompt is told as it is worked on, its words as custom events", async () => {
    const stream_id = await session();
    const watcher = await Watcher.of(daemon.url, { stream_id });
    const { taskId } = await send("POST", `/sessions/${stream_id}/prompt`, { prompt: "Hello there" });
    await until(() => watcher.types.includes("execution_completed"), "the run is over");
    const [first, ...rest] = watcher.events;
    assert.deepEqual([first.type, first.execution_id, first.data.input_data], ["execution_started", taskId, { prompt: "Hello there" }]);
    const said = rest.slice(0, -1);
    assert.ok(said.length > 1 && said.every(({ type, data }) => type === "custom" && data.message.session_id === stream_id));
    const late = await Watcher.of(daemon.url, { execution_id: taskId, since: "0" });
    await until(() => late.types.includes("execution_completed"), "who comes late is told, too");
    assert.deepEqual(late.events, watcher.events.filter(({ execution_id }) => execution_id === taskId));
  });

  test("S4-15 S4-19 S4-23 S4-24 a run that waits, is refused, fails or is cancelled", async () => {
    const stream_id = await session();
    const watcher = await Watcher.of(daemon.url, { stream_id });
    const asked = await make(stream_id);
    await patch(asked, { status: "awaiting_permission", permission_request: { tool_name: "Bash" } });
    await patch(asked, { status: "running" });
    await patch(asked, { status: "awaiting_permission" });
    await patch(asked, { status: "failed", error: "Plan rejected by user" });
    const stopped = await make(stream_id);
    await patch(stopped, { status: "stopped" });
    const removed = await make(stream_id);
    await send("DELETE", `/tasks/${removed}`);
    const bare = await make(stream_id);
    await patch(bare, { status: "failed" });
    const events = await watcher.has(12);
    assert.deepEqual(watcher.types, [
      ...["execution_started", "execution_paused", "execution_resumed", "execution_paused", "execution_resumed", "execution_failed"],
      ...["execution_started", "execution_failed", "execution_started", "execution_failed", "execution_started", "execution_failed"],
    ]);
    const ids = { stream_id, execution_id: asked };
    const { request, ...paused } = events[1].data;
    assert.deepEqual([paused, request], [{ node_id: asked, reason: "Bash", ...ids }, { tool_name: "Bash" }]);
    const decision = (event) => [event.data.node_id, event.data.decision];
    assert.deepEqual([events[2], events[4]].map(decision), [[asked, "approved"], [asked, "rejected"]]);
    const errors = [5, 7, 9, 11].map((at) => [events[at].execution_id, events[at].data.error]);
    const expected = ["Plan rejected by user", "cancelled", "cancelled", "The task has failed"];
    assert.deepEqual(errors, [asked, stopped, removed, bare].map((id, at) => [id, expected[at]]));
    assert.deepEqual(events[5].data, { error: "Plan rejected by user", ...ids });
  });

  test("the stamp is with the last of an event's words", async () => {
    const stream_id = await session();
    const watcher = await Watcher.of(daemon.url, { stream_id, since: "now" });
    const task = await make(stream_id);
    await patch(task, { status: "awaiting_permission" });
    await patch(task, { status: "failed", error: "no" });
    await watcher.has(4);
    const told = watcher.frames.filter(({ type }) => type === "event");
    assert.deepEqual(told.map(({ seq }) => seq !== undefined), [true, true, false, true]);
    const again = await Watcher.of(daemon.url, { stream_id, since: told[1].seq });
    assert.deepEqual((await again.has(2)), watcher.events.slice(2));
    // Of an event whose last word is not wanted, the last that is has it.
    const some = await Watcher.of(daemon.url, { stream_id, since: told[1].seq, event_types: ["execution_resumed"] });
    await some.has(1);
    assert.equal(some.frames.at(-1).seq, told[3].seq);
  });

  test("S4-11 S4-14 S4-16 S4-21 S4-22 S4-25 what agents elsewhere tell comes as it was told, once", async () => {
    const [stream_id, execution_id] = ["data-collector", "e-1"];
    const watcher = await Watcher.of(daemon.url, { stream_id });
    const told = Object.entries({
      execution_started: { input_data: { a: 1 }, stream_id, execution_id },
      node_executed: { node_id: "n1" },
      state_changed: { key: "k", old_value: null, new_value: [1] },
      state_conflict: { key: "k" },
      constraint_violation: { constraint_id: "c1", description: "Too dear" },
      goal_progress: { progress: 0.5, criteria_status: {} },
      goal_achieved: { final_status: "done" },
      execution_paused: { node_id: "n2", reason: "asks" },
      execution_resumed: { node_id: "n2", decision: "go" },
      execution_completed: { output: { "kéy": "ünicode 🐝", nested: { z: 1, a: 2 } }, execution_id },
      execution_failed: { error: "late", execution_id },
      stream_started: {},
      stream_stopped: {},
      custom: { anything: true },
    }).map(([type, data]) => ({ type: type.toUpperCase(), stream_id, execution_id, data }));
    const published = await tell(daemon.url, ...told);
    const events = await watcher.has(14);
    assert.deepEqual(events, published);
    assert.deepEqual(events.map(({ data }) => JSON.stringify(data)), told.map(({ data }) => JSON.stringify(data)));
    assert.deepEqual(events.map(({ type }) => type.toUpperCase()), told.map(({ type }) => type));
    // What came can be told again, as a bridge does.
    assert.deepEqual(await tell(daemon.url, events[9]), events[9]);
    assert.deepEqual((await watcher.has(15))[14], events[9]);
    assert.equal(watcher.types.filter((type) => type === "node_executed").length, 1);
  });

  test("what agents elsewhere tell is on the log, and seen through the other doors", async () => {
    const execution_id = `e-${crypto.randomUUID()}`;
    const tab = await Tab.open(daemon.url);
    const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/workflows/executions/${execution_id}`);
    keep(() => socket.terminate());
    const seen = [];
    socket.on("message", (data) => seen.push(JSON.parse(data)));
    await soon(new Promise((resolve) => socket.on("open", resolve)), "MGX's stream opens");
    const of = (type, data = {}) => ({ type, stream_id: "doors", execution_id, data });
    const told = [of("execution_started", { a: 1 }), of("custom"), of("node_executed"), of("goal_progress", { progress: 0.5 }), of("execution_failed", { error: "no" })];
    const published = await tell(daemon.url, ...told);
    await until(() => seen.length === 4, "MGX is told what it has words for");
    const words = ["workflow_started", "step_completed", "progress", "workflow_failed"];
    assert.deepEqual(seen.map(({ event_type, workflow_execution_id }) => [event_type, workflow_execution_id]), words.map((word) => [word, execution_id]));
    assert.deepEqual(seen.map(({ data }) => data), [{ a: 1 }, {}, { progress: 0.5 }, { error: "no" }]);
    assert.deepEqual(await tab.hears("hive execution_failed"), published[4]);
    const found = await send("GET", `/events?source=hive&$limit=1000&$sort[seq]=1`);
    const own = found.data.filter(({ data }) => data.execution_id === execution_id);
    assert.deepEqual(own.map(({ name, data, topics, level }) => [name, data, topics, level]), published.map((event) => [
      event.type, event, [`stream:doors`, `execution:${execution_id}`], event.type === "execution_failed" ? "error" : "info",
    ]));
    const response = await fetch(`${daemon.url}/events?since=0`, { headers: { accept: "text/event-stream" } });
    let text = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    keep(() => reader.cancel());
    while (!text.includes(execution_id)) text += (await soon(reader.read(), "the event stream tells it")).value;
    // Over a socket, too.
    const made = await tab.call("create", "hive/events", of("goal_achieved", { final_status: "x" }), {});
    assert.equal(made.type, "goal_achieved");
  });

  test("a swarm is a stream: that it starts and stops, and how its agents are", async () => {
    const name = `hive-${crypto.randomUUID().slice(0, 8)}`;
    const watcher = await Watcher.of(daemon.url, { stream_id: name });
    const agents = [{ name: "writer", backend: "echo" }];
    const { status, json } = await sendJson(daemon.url, "POST", "/swarms", { config: { name, agents, topology: [] } });
    assert.ok(status < 300, JSON.stringify(json));
    await sendJson(daemon.url, "POST", `/swarms/${name}/start`, {});
    await until(() => watcher.events.some(({ data }) => data.status === "idle"), "the agent is ready");
    await sendJson(daemon.url, "POST", `/swarms/${name}/stop`, {});
    await until(() => watcher.events.some(({ type, data }) => type === "stream_stopped" && !data.agent), "the swarm stopped");
    const [first] = watcher.events;
    assert.deepEqual([first.type, first.stream_id], ["stream_started", name]);
    const changed = watcher.events.find(({ type }) => type === "state_changed");
    assert.deepEqual([changed.data.key, changed.data.new_value, changed.data.agent], ["status", "idle", "writer"]);
  });

  test("what is no event is refused, with the field and the place, and nothing of it is told", async () => {
    const watcher = await Watcher.of(daemon.url, { stream_id: "refused" });
    const good = { type: "custom", stream_id: "refused" };
    for (const [told, words, data] of [
      [{ stream_id: "refused" }, /`type` must be one of/, { field: "type" }],
      [{ ...good, type: "nope" }, /`type` must be one of/, { field: "type" }],
      [{ type: "custom" }, /`stream_id` must be/, { field: "stream_id" }],
      [{ ...good, data: [1] }, /`data` must be an object/, { field: "data" }],
      [{ ...good, timestamp: "2026-11-21T00:38:19.511830" }, /with its zone/, { field: "timestamp" }],
      [[good, { ...good, execution_id: 7 }], /^Event 1: `execution_id`/, { field: "execution_id", index: 1 }],
      [Array.from({ length: 1001 }, () => good), /At most 1000/, undefined],
      ["text", /must be an object/, undefined],
    ]) {
      const { status, json } = await sendJson(daemon.url, "POST", "/hive/events", told);
      assert.deepEqual([status, json.className, json.data], [400, "bad-request", data], JSON.stringify(json));
      assert.match(json.message, words);
    }
    const { status } = await sendJson(daemon.url, "POST", "/hive/events", { ...good, data: { big: "x".repeat(11 << 20) } });
    assert.equal(status, 413);
    await tell(daemon.url, { ...good, data: { last: true } });
    assert.deepEqual((await watcher.has(1))[0].data, { last: true });
  });
});
