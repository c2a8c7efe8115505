// Hive's streams of what runs here: workflows' executions with the stream that was named, what somebody refuses, and
// kill -9.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, tell } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { task, workflows } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

onEveryDatabase("Hive's streams of what runs", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = workflows(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const post = async (path, data) => {
    const { status, json } = await sendJson(daemon.url, "POST", path, data);
    assert.equal(status, 201, JSON.stringify(json));
    return json;
  };
  /** What came last, once it is of a type. */
  const last = async (watcher, type) => {
    await until(() => watcher.types.at(-1) === type, `${type} is told after ${watcher.types}`);
    return watcher.events.at(-1);
  };
  /** That nothing follows in a stream: what is told now comes next. */
  const ends = async (watcher, stream_id) => {
    const before = watcher.events.length;
    await tell(daemon.url, { type: "custom", stream_id, data: { marker: true } });
    await watcher.has(before + 1);
    assert.deepEqual(watcher.events.slice(before).map(({ data }) => data), [{ marker: true }]);
    return watcher.events.slice(0, before);
  };

  test("S4-10 S4-11 S4-12 S4-17 S4-19 a workflow is told in the stream that was named, each node once, with what it gave", async () => {
    const stream_id = "webhook";
    const steps = [
      task("plan", "Plan {{what}}"),
      task("build", "/fail no luck", { depends_on_steps: ["plan"], max_retries: 2 }),
      task("ship", "x", { depends_on_steps: ["build"] }),
    ];
    const workflow = await of.make(steps, { variables: [{ name: "what", data_type: "string" }] });
    const watchers = await Promise.all([{ stream_id }, { stream_id, since: "now" }].map((filters) => Watcher.of(daemon.url, filters)));
    const other = await Watcher.of(daemon.url, { stream_id: workflow.id });
    const execution_id = await of.execute(workflow.id, { stream_id, input_variables: { what: "a roost" } });
    for (const watcher of watchers) await last(watcher, "execution_failed");
    const events = await ends(watchers[0], stream_id);
    assert.deepEqual(watchers[1].events.slice(0, events.length), events);
    assert.deepEqual(other.events, [], "it is told in one stream");

    assert.deepEqual(events.map(({ type }) => type), ["execution_started", "node_executed", "node_executed", "execution_failed"]);
    const ids = { stream_id, execution_id };
    for (const event of events) {
      assert.deepEqual([event.stream_id, event.execution_id], [stream_id, execution_id]);
      assert.deepEqual([event.data.stream_id, event.data.execution_id], [stream_id, execution_id]);
    }
    const [started, plan, build, failed] = events.map(({ data }) => data);
    assert.deepEqual([started.input_data, started.input], [{ what: "a roost" }, { what: "a roost" }]);
    const [planId, buildId] = workflow.steps.map(({ id }) => id);
    assert.deepEqual([plan.node_id, plan.status, "error" in plan], [planId, "completed", false]);
    assert.match(plan.output.output, /You wrote: Plan a roost/);
    assert.deepEqual([build.node_id, build.status, build.error, "output" in build], [buildId, "failed", "no luck", false]);
    assert.equal(failed.error, "Step 'build' failed: no luck");
    assert.ok([plan, build].every(({ duration }) => duration >= 0), "each says how long it took");

    const late = await Watcher.of(daemon.url, { ...ids, since: "0" });
    assert.deepEqual(await late.has(4), events);
  });

  test("S4-11 S4-18 a workflow that is done says what its steps gave; without a name its stream is itself", async () => {
    const workflow = await of.make([task("one", "First"), task("two", "Second", { depends_on_steps: ["one"] })]);
    const watcher = await Watcher.of(daemon.url, { stream_id: workflow.id });
    const execution_id = await of.execute(workflow.id);
    const { data } = await last(watcher, "execution_completed");
    const events = await ends(watcher, workflow.id);
    assert.deepEqual(events.map(({ type }) => type), ["execution_started", "node_executed", "node_executed", "execution_completed"]);
    assert.deepEqual(new Set(events.map((event) => event.execution_id)), new Set([execution_id]));
    const [, one, two] = events.map(({ data }) => data);
    assert.deepEqual(data.output.step_outputs, { one: one.output, two: two.output });
    assert.deepEqual(data.output.step_statuses, { one: "completed", two: "completed" });
  });

  test("S4-24 whoever refuses what an agent asks is told as rejected, with the reason", async () => {
    for (const [allow, decision] of [[true, "approved"], [false, "rejected"]]) {
      const { session_id } = await post("/sessions", {});
      const watcher = await Watcher.of(daemon.url, { stream_id: session_id, event_types: ["EXECUTION_PAUSED", "EXECUTION_RESUMED", "EXECUTION_COMPLETED"] });
      const { taskId } = await post(`/sessions/${session_id}/prompt`, { prompt: "/ask" });
      const paused = await last(watcher, "execution_paused");
      const requestId = paused.data.request.request_id;
      assert.ok(requestId && paused.data.node_id === taskId, JSON.stringify(paused));
      const reason = `${decision}, since it is so`;
      await post(`/sessions/${session_id}/permission-decision`, { requestId, taskId, allow, reason });
      await last(watcher, "execution_completed");
      const [, resumed] = watcher.events;
      const ids = { stream_id: session_id, execution_id: taskId };
      assert.deepEqual([resumed.type, resumed.data], ["execution_resumed", { node_id: taskId, decision, feedback: reason, ...ids }]);
      assert.equal(watcher.events.length, 3);
    }
  });

  test("after a kill -9 who comes back is told what failed by it, and what goes on, once", async () => {
    const [{ session_id }, workflow] = [await post("/sessions", {}), await of.make([task("hangs", "/hang", { max_retries: 0 }), task("other")])];
    const [session, stream] = [session_id, "killed"];
    const watchers = await Promise.all([session, stream].map((stream_id) => Watcher.of(daemon.url, { stream_id, since: "now" })));
    const { taskId } = await post(`/sessions/${session}/prompt`, { prompt: "/hang" });
    const execution = await of.execute(workflow.id, { stream_id: stream });
    await until(() => watchers[0].types.includes("execution_started"), "the prompt begins");
    await until(() => watchers[1].types.includes("node_executed"), "a step is over");
    await of.step(execution, "hangs", "running");
    await daemon.restart("SIGKILL");
    const stamps = watchers.map(({ frames }) => frames.findLast(({ seq }) => seq).seq);
    const [told, rest] = await Promise.all([session, stream].map((stream_id, at) => Watcher.of(daemon.url, { stream_id, since: stamps[at] })));
    const failed = await last(told, "execution_failed");
    assert.deepEqual([failed.execution_id, failed.data.error], [taskId, "interrupted by a restart"]);
    await last(rest, "execution_failed");
    const events = [...watchers[1].events, ...(await ends(rest, stream))];
    assert.deepEqual(events.map(({ type }) => type), ["execution_started", "node_executed", "node_executed", "execution_failed"]);
    assert.ok(events.every(({ execution_id }) => execution_id === execution));
    assert.equal(new Set(events.slice(1, 3).map(({ data }) => data.node_id)).size, 2, "each node once");
    assert.equal(events.at(-1).data.error, "Step 'hangs' failed: interrupted by a restart");
  });
});
