// MGX's workflows and kill -9: executions go on, nothing is lost and nothing is told twice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { eventually } from "../support/swarms.mjs";
import { task, watch, workflows } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

onEveryDatabase("MGX's workflows and kill -9", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = workflows(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  /** How often each thing was told of an execution, once it is over. */
  async function told(execution) {
    const one = await watch(daemon.url, `workflows/executions/${execution}?since=0`);
    await until(() => one.types().some((type) => ["workflow_completed", "workflow_failed", "workflow_cancelled"].includes(type)), "the end is told");
    const counts = {};
    for (const { event_type, workflow_step_id } of one.events) {
      if (!/^(workflow|step)_/.test(event_type)) continue;
      const what = `${event_type} ${workflow_step_id ?? ""}`;
      counts[what] = (counts[what] ?? 0) + 1;
    }
    return { counts, types: one.types(), one };
  }

  test("a chain goes on wherever it is killed; each step is told to begin and to end once", async () => {
    const names = Array.from({ length: 12 }, (_, n) => `s${n}`);
    const steps = names.map((name, n) => task(name, `/sleep 40 ${name}`, { max_retries: 50, depends_on_steps: n > 0 ? [names[n - 1]] : [] }));
    const workflow = await of.make(steps);
    const executions = await Promise.all(Array.from({ length: 4 }, () => of.execute(workflow.id)));
    for (const at of [1, 4, 7]) {
      // A step may be over before one looks.
      const has = ({ step_executions }) => step_executions.some(({ step_name, status }) => step_name === `s${at}` && status !== "pending");
      await eventually(() => of.execution(executions[0]), has, `s${at} begins`);
      await daemon.restart("SIGKILL");
    }
    for (const execution of executions) {
      const done = await of.over(execution);
      assert.equal(done.status, "completed", done.error_message);
      const { counts } = await told(execution);
      assert.equal(Object.keys(counts).length, 2 + 2 * names.length);
      assert.deepEqual(new Set(Object.values(counts)), new Set([1]), JSON.stringify(counts));
    }
  });

  test("what ran counts as an attempt; where none is left, it fails", async () => {
    const workflow = await of.make([task("once", "/hang", { max_retries: 0 }), task("twice", "/hang", { max_retries: 1 })]);
    const execution = await of.execute(workflow.id);
    for (const name of ["once", "twice"]) await of.step(execution, name, "running");
    await daemon.restart("SIGKILL");
    const failed = await of.step(execution, "once", "failed");
    assert.equal(failed.error_message, "interrupted by a restart");
    const tried = ({ step_executions }) => step_executions.find(({ step_name }) => step_name === "twice").retry_count;
    const again = await eventually(() => of.execution(execution), (now) => tried(now) === 1, "it is tried again");
    assert.equal(again.status, "running");
    await of.good("POST", `/workflows/executions/${execution}/cancel`);
    const { types } = await told(execution);
    assert.deepEqual(types.filter((type) => type === "step_started").length, 2);
    assert.deepEqual(types.at(-1), "workflow_cancelled");
  });

  test("groups and time go on", async () => {
    const inner = [task("quick"), task("hangs", "/hang", { max_retries: 9, timeout_seconds: 1, step_order: 2 })];
    const steps = [{ name: "group", step_type: "sequential", config: { steps: inner } }, task("after", "x", { depends_on_steps: ["group"] })];
    const workflow = await of.make(steps, { timeout_seconds: 4 });
    const execution = await of.execute(workflow.id);
    await of.step(execution, "hangs", "running");
    await daemon.restart("SIGKILL");
    const done = await of.over(execution);
    assert.deepEqual([done.status, of.statuses(done)], ["timeout", { group: "failed", quick: "completed", hangs: "failed", after: "skipped" }]);
    const { counts } = await told(execution);
    assert.deepEqual(new Set(Object.values(counts)), new Set([1]), JSON.stringify(counts));
    assert.ok(done.duration < 30, "the time before the kill counts");
  });

  test("what was away past its time is over: no agent begins again", async () => {
    const inner = [task("inside", "/hang", { max_retries: 9 })];
    const late = await of.make([task("hangs", "/hang", { max_retries: 9 })], { timeout_seconds: 2 });
    const group = await of.make([{ name: "group", step_type: "parallel", timeout_seconds: 2, config: { steps: inner } }]);
    const executions = [await of.execute(late.id), await of.execute(group.id)];
    const runs = [await of.step(executions[0], "hangs", "running"), await of.step(executions[1], "inside", "running")];
    await daemon.kill("SIGKILL");
    await sleep(2_100);
    await daemon.restart();
    const [timedOut, failed] = await Promise.all(executions.map(of.over));
    assert.deepEqual([timedOut.status, failed.status], ["timeout", "failed"]);
    assert.deepEqual(of.statuses(failed), { group: "failed", inside: "failed" });
    for (const { session_id } of runs) {
      const { data } = (await sendJson(daemon.url, "GET", `/tasks?session_id=${session_id}`)).json;
      assert.deepEqual(data.map(({ status }) => status), ["failed"], "it was asked once");
    }
    for (const execution of executions) {
      const { counts } = await told(execution);
      assert.deepEqual(new Set(Object.values(counts)), new Set([1]), JSON.stringify(counts));
    }
  });

  test("a good end keeps what runs for the next start", async () => {
    const workflow = await of.make([task("a", "/sleep 300", { max_retries: 5 }), task("b", "x", { depends_on_steps: ["a"] })]);
    const execution = await of.execute(workflow.id);
    await of.step(execution, "a", "running");
    await daemon.restart("SIGTERM");
    assert.equal((await of.over(execution)).status, "completed");
    const { counts } = await told(execution);
    assert.deepEqual(new Set(Object.values(counts)), new Set([1]), JSON.stringify(counts));
  });
});
