// MGX's streams: a run of any door, seen by whoever watches its task, its run or everything.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const KEYS = [
  ...["event_type", "timestamp", "workspace_id", "agent_id", "task_id", "run_id"],
  ...["workflow_id", "workflow_execution_id", "workflow_step_id", "data", "message"],
];

onEveryDatabase("MGX's streams", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database, { args: ["--heartbeat-secs", "1"] })));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const post = async (path, data = {}) => (await sendJson(daemon.url, "POST", path, data)).json;

  /** Opens a stream; what it is told, without heartbeats. */
  async function watch(path, url = daemon.url) {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/${path}`);
    keep(() => socket.terminate());
    const [events, heartbeats] = [[], []];
    socket.on("message", (data, isBinary) => {
      assert.equal(isBinary, false);
      const frame = JSON.parse(data);
      (frame.type === "heartbeat" ? heartbeats : events).push(frame);
    });
    await soon(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)), `${path} opens`);
    return { socket, events, heartbeats, types: () => events.map(({ event_type }) => event_type) };
  }

  test("S3-1 S3-2 S3-3 S3-13 S3-14 S3-15 S3-32 a prompt is a run: who watches it, its task or everything is told once", async () => {
    const { session_id } = await post("/sessions");
    const other = (await post("/sessions")).session_id;
    const [task, all, elsewhere] = await Promise.all([watch(`tasks/${session_id}`), watch("stream"), watch(`tasks/${other}`)]);
    const { taskId } = await post(`/sessions/${session_id}/prompt`, { prompt: "Hello there" });
    const late = await watch(`runs/${taskId}?since=0`);
    await until(() => task.types().includes("completion"), "the run is over");
    await until(() => late.types().includes("completion"), "for who came late, too");
    const types = task.types();
    assert.deepEqual([types[0], types.at(-1)], ["analysis_start", "completion"]);
    assert.ok(types.slice(1, -1).length > 1 && types.slice(1, -1).every((type) => type === "agent_message"), String(types));
    for (const event of task.events) {
      assert.deepEqual(Object.keys(event), KEYS);
      assert.deepEqual([event.task_id, event.run_id], [session_id, taskId]);
      assert.match(event.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.ok(event.data && typeof event.data === "object" && !Array.isArray(event.data));
      assert.ok(event.message === null || typeof event.message === "string");
    }
    const plain = late.events.map(({ seq, ...event }) => (assert.ok(seq), event));
    assert.deepEqual(plain, task.events);
    await post(`/sessions/${other}/prompt`, { prompt: "Elsewhere" });
    await until(() => elsewhere.types().includes("completion"), "the other is over");
    await until(() => all.types().filter((type) => type === "completion").length === 2, "everything is told of both");
    assert.deepEqual(all.events, [...task.events, ...elsewhere.events]);
  });

  test("what becomes of a run through any door is told in its words", async () => {
    const { session_id } = await post("/sessions");
    const { events, types } = await watch(`tasks/${session_id}`);
    const make = async (status = "running") => (await post("/tasks", { session_id, status })).task_id;
    const patch = (id, data) => sendJson(daemon.url, "PATCH", `/tasks/${id}`, data);

    const failed = await make();
    await patch(failed, { progress_percent: 40, progress_message: "Reading" });
    await patch(failed, { status: "failed", error: "No words" });
    const asked = await make("created");
    await patch(asked, { status: "running" });
    await patch(asked, { status: "awaiting_permission", permission_request: { plan: { steps: ["one"] } } });
    await patch(asked, { status: "running" });
    await patch(asked, { status: "completed", report: { path: "r.md" } });
    const refused = await make();
    await patch(refused, { status: "awaiting_permission" });
    await patch(refused, { status: "failed", error: "Plan rejected by user" });
    const stopped = await make();
    await patch(stopped, { status: "stopped" });
    // The same again, or something else, is no news.
    await patch(stopped, { description: "It was stopped" });
    const removed = await make();
    await sendJson(daemon.url, "DELETE", `/tasks/${removed}`);

    await until(() => types().filter((type) => type === "cancelled").length === 2, "the last is told");
    assert.deepEqual(types(), [
      ...["analysis_start", "progress", "failure"],
      ...["analysis_start", "plan_ready", "approval_required", "approved", "completion"],
      ...["analysis_start", "plan_ready", "approval_required", "rejected", "failure"],
      ...["analysis_start", "cancelled"],
      ...["analysis_start", "cancelled"],
    ]);
    const data = (type) => events.find(({ event_type }) => event_type === type).data;
    assert.deepEqual([data("progress").progress_percent, data("progress").current_phase], [40, "Reading"]);
    assert.deepEqual([data("failure"), data("completion")], [{ error: "No words" }, { result: { path: "r.md" } }]);
    assert.deepEqual(data("plan_ready"), { plan: { steps: ["one"] } });
  });

  test("the stamp is with the last of an event's words: who comes back with it misses none", async () => {
    const { session_id } = await post("/sessions");
    const { events } = await watch(`tasks/${session_id}?since=now`);
    const { task_id } = await post("/tasks", { session_id, status: "running" });
    await sendJson(daemon.url, "PATCH", `/tasks/${task_id}`, { status: "awaiting_permission" });
    await until(() => events.length === 3, "all are told");
    assert.deepEqual(events.map(({ seq }) => seq !== undefined), [true, false, true]);
    const again = await watch(`tasks/${session_id}?since=${events[0].seq}`);
    await until(() => again.events.length === 2, "the rest is told again");
    assert.deepEqual(again.events, events.slice(1));
  });

  test("S3-35 without `since` nothing is told again: neither what came before, nor after a restart", async () => {
    const own = await Daemon.start(database);
    try {
      const send = async (path, data = {}) => (await sendJson(own.url, "POST", path, data)).json;
      const { session_id } = await send("/sessions");
      const say = (content) => send("/messages", { session_id, content });
      const said = ({ events }) => events.map(({ data }) => data.message.content);
      const open = () => Promise.all([`tasks/${session_id}`, "stream"].map((path) => watch(path, own.url)));
      await say("before");
      const first = await open();
      await say("one");
      for (const stream of first) await until(() => said(stream).length > 0, "the first comes");
      for (const signal of ["SIGTERM", "SIGKILL"]) {
        await own.restart(signal);
        const later = await open();
        await say(`after ${signal}`);
        for (const stream of later) {
          await until(() => said(stream).length > 0, "what comes is told");
          assert.deepEqual(said(stream), [`after ${signal}`]);
        }
      }
      for (const stream of first) assert.deepEqual(said(stream), ["one"]);
    } finally {
      await own.stop();
    }
  });

  test("S3-16 S3-17 heartbeats come while nothing happens, and say what is watched", async () => {
    const { session_id } = await post("/sessions");
    const streams = await Promise.all(
      [`tasks/${session_id}`, "stream", "agents/a1", "workflows/w1", "workflows/executions/x1", "workflows/steps/s1", "workflows/stream"].map((path) => watch(path)),
    );
    const agents = await watch("agents/stream?workspace_id=w&agent_id=a1,a2");
    for (const stream of [...streams, agents]) await until(() => stream.heartbeats.length > 0, "a heartbeat comes");
    const said = streams.map(({ heartbeats: [{ type, timestamp, ...more }] }) => (assert.equal(typeof timestamp, "number"), more));
    assert.deepEqual(said, [
      ...[{}, {}, { agent_id: "a1" }, { workflow_id: "w1" }],
      ...[{ workflow_execution_id: "x1" }, { workflow_step_id: "s1" }, { stream: "workflows" }],
    ]);
    assert.deepEqual(agents.heartbeats[0].channels, ["agent:a1", "agent:a2", "workspace:w"]);
  });

  test("S3-36 what clients say is ignored, ids need not be known, and other paths are 403", async () => {
    const stream = await watch("tasks/nobody-knows-it");
    for (const frame of ['{"type":"ping"}', "rubbish", Buffer.from([0, 1, 2])]) stream.socket.send(frame);
    await until(() => stream.heartbeats.length > 0, "it stays open");
    assert.deepEqual(stream.events, []);
    for (const path of ["", "nope", "tasks/", "tasks/a/b", "workflows/executions", "workflows/steps", "agents"]) {
      await assert.rejects(watch(path), /403/, path);
      assert.equal((await fetch(`${daemon.url}/ws/${path}`)).status, 404, path);
    }
  });

  test("what others write on a private board is not told, and pushes nothing out of a viewer's queue", async () => {
    const guarded = await Daemon.start(database, { args: ["--auth", "required"] });
    try {
      const { ann, bob } = await register(guarded.url, ["admin", "ann", "bob"]);
      const by = (person) => async (path, data) => {
        const headers = { authorization: `Bearer ${person.token}`, "content-type": "application/json" };
        const answer = await fetch(guarded.url + path, { method: "POST", headers, body: JSON.stringify(data) });
        assert.equal(answer.status, 201, await answer.clone().text());
        return answer.json();
      };
      const [hers, his] = [by(ann), by(bob)];
      const { board_id } = await hers("/boards", { name: "secret", visibility: "private" });
      const secret = (await hers("/sessions", { board_id })).session_id;
      const open = (await his("/sessions", {})).session_id;
      const socket = new WebSocket(`${guarded.url.replace("http", "ws")}/ws/stream?token=${bob.token}`);
      keep(() => socket.terminate());
      const said = [];
      socket.on("message", (data) => said.push(JSON.parse(data).data.message.content));
      await soon(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)), "it opens");
      socket.pause();
      const content = "x".repeat(8_000);
      // More than sockets hold: the queue is full, and its oldest gave way.
      for (let n = 0; n < 20; n++) await his("/messages/bulk", Array.from({ length: 250 }, () => ({ session_id: open, content })));
      await his("/messages/bulk", Array.from({ length: 100 }, (_, n) => ({ session_id: open, content: `own ${n}` })));
      await hers("/messages/bulk", Array.from({ length: 250 }, () => ({ session_id: secret, content: "secret" })));
      socket.resume();
      await until(() => said.includes("own 99"), "the newest come");
      const own = said.filter((content) => content.startsWith("own"));
      assert.deepEqual(own, Array.from({ length: 100 }, (_, n) => `own ${n}`));
      assert.ok(!said.includes("secret"));
    } finally {
      await guarded.stop();
    }
  });

  test("S3-36 of many events for a client that does not read, the newest hundred are kept; others' take no room", async () => {
    const [busy, quiet] = [(await post("/sessions")).session_id, (await post("/sessions")).session_id];
    const stream = await watch(`tasks/${busy}`);
    stream.socket.pause();
    const content = "x".repeat(8_000);
    const messages = (session_id, n) => Array.from({ length: n }, (_, index) => ({ session_id, index, content }));
    // More than sockets hold.
    for (let n = 0; n < 20; n++) await post("/messages/bulk", messages(busy, 250));
    const last = await post("/messages/bulk", Array.from({ length: 100 }, (_, n) => ({ session_id: busy, content: `last ${n}` })));
    for (let n = 0; n < 2; n++) await post("/messages/bulk", messages(quiet, 250));
    assert.equal(last.length, 100);
    stream.socket.resume();
    const said = () => stream.events.map(({ data }) => data.message.content).filter((content) => content.startsWith("last"));
    await until(() => said().length === 100, "the newest come");
    assert.deepEqual(said(), Array.from({ length: 100 }, (_, n) => `last ${n}`));
    assert.ok(stream.events.length < 5_100, "the oldest gave way");
  });
});
