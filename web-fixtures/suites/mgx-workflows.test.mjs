// MGX's workflows: what is told of them on every stream, and how steps go.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket as NodeSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { task, watch, workflows } from "../support/workflows.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const WORKFLOW = /^workflow_|^step_/;
const ENDS = ["workflow_completed", "workflow_failed", "workflow_cancelled"];

onEveryDatabase("MGX's workflows", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = workflows(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** Executes a workflow once all its streams are watched; what each was told of it. */
  async function watched(steps, more = {}, data = {}, meanwhile = async () => {}) {
    const workflow = await of.make(steps, more);
    const [own, all, everything, ...ofSteps] = await Promise.all(
      [`workflows/${workflow.id}`, "workflows/stream", "stream", ...workflow.steps.map(({ id }) => `workflows/steps/${id}`)].map((path) =>
        watch(daemon.url, path),
      ),
    );
    const execution = await of.execute(workflow.id, data);
    // Told from the log's start: it began meanwhile.
    const one = await watch(daemon.url, `workflows/executions/${execution}?since=0`);
    await meanwhile(execution);
    const done = await of.over(execution);
    const isLast = ({ event_type, workflow_execution_id }) => workflow_execution_id === execution && ENDS.includes(event_type);
    for (const stream of [own, all, everything, one]) await until(() => stream.events.some(isLast), "the end is told everywhere");
    const mine = ({ events }) =>
      events
        .filter(({ event_type, workflow_execution_id }) => workflow_execution_id === execution && WORKFLOW.test(event_type))
        .map(({ seq, ...event }) => event);
    return { workflow, execution, done, own, all, everything, one, ofSteps, mine };
  }

  test("S3-9 S3-10 S3-11 S3-12 S3-18 S3-19 S3-22 S3-23 S3-30 S3-31 S3-32 S3-37 an execution is told on every stream it concerns, once", async () => {
    const steps = [task("plan", "Plan {{what}}"), task("build", "Build by {{steps.plan.output}}", { depends_on_steps: ["plan"] })];
    const variables = [{ name: "what", data_type: "string", is_required: true }];
    const told = await watched(steps, { variables }, { input_variables: { what: "a roost" } });
    const { workflow, execution, own, all, everything, one, ofSteps, mine } = told;
    const events = mine(own);
    assert.deepEqual(
      events.map(({ event_type }) => event_type),
      ["workflow_started", "step_started", "step_completed", "step_started", "step_completed", "workflow_completed"],
    );
    for (const stream of [all, everything, one]) assert.deepEqual(mine(stream), events);
    const [first] = events;
    assert.deepEqual(
      [first.workflow_id, first.workflow_execution_id, first.workflow_step_id, first.message],
      [workflow.id, execution, null, "Workflow 'My Workflow' started execution"],
    );
    assert.deepEqual(first.data, { workflow_name: "My Workflow", input_variables: { what: "a roost" }, step_count: 2 });
    for (const [index, stream] of ofSteps.entries()) {
      const step = workflow.steps[index];
      const ownEvents = events.filter(({ workflow_step_id }) => workflow_step_id === step.id);
      assert.deepEqual(mine(stream), ownEvents);
      const [started, completed] = ownEvents;
      assert.deepEqual(started.data, { step_name: step.name, step_type: "task", step_order: index + 1, config: step.config });
      assert.equal(started.message, `Step '${step.name}' started execution`);
      assert.ok(completed.data.duration >= 0 && completed.data.output_data.output.includes("You wrote"), JSON.stringify(completed.data));
      for (const event of ownEvents) {
        assert.deepEqual([event.workflow_id, event.workspace_id], [workflow.id, workflow.workspace_id]);
        assert.ok(event.task_id && event.run_id, "a step's run is a run");
      }
    }
    const { results } = events.at(-1).data;
    assert.match(results.step_outputs.plan.output, /You wrote: Plan a roost/);
    assert.match(results.step_outputs.build.output, /Build by You wrote: Plan a roost/);
    assert.deepEqual(results.step_statuses, { plan: "completed", build: "completed" });
    // Its runs are MGX's runs and Roost's tasks.
    const run = everything.events.find(({ event_type, run_id }) => event_type === "completion" && run_id === events[2].run_id);
    assert.equal(run?.task_id, events[2].task_id);
    const story = everything.events.filter(({ run_id }) => run_id === events[2].run_id).map(({ event_type }) => event_type);
    assert.deepEqual(story.filter((type) => type !== "agent_message"), ["step_started", "analysis_start", "completion", "step_completed"]);
  });

  test("S3-20 S3-24 S3-25 a step that fails is tried again, then fails the execution and skips what waits for it", async () => {
    const steps = [
      task("bad", "/fail no luck", { max_retries: 2 }),
      task("after", "x", { depends_on_steps: ["bad"] }),
      task("later", "x", { depends_on_steps: ["after"] }),
      task("other"),
    ];
    const { workflow, done, own, all, everything, one, ofSteps, mine } = await watched(steps);
    assert.deepEqual(of.statuses(done), { bad: "failed", after: "skipped", later: "skipped", other: "completed" });
    assert.deepEqual([done.status, done.error_message], ["failed", "Step 'bad' failed: no luck"]);
    const bad = done.step_executions[0];
    assert.equal(bad.retry_count, 2);
    const { data: tasks } = await (await fetch(`${daemon.url}/tasks?session_id=${bad.session_id}`)).json();
    assert.deepEqual(tasks.map(({ status }) => status), ["failed", "failed", "failed"], "three attempts, one after the other");
    const events = mine(own);
    for (const stream of [all, everything, one]) assert.deepEqual(mine(stream), events);
    const failed = events.filter(({ event_type }) => event_type === "step_failed");
    assert.deepEqual(failed.map(({ data, workflow_step_id }) => [data.error_message, workflow_step_id]), [["no luck", workflow.steps[0].id]]);
    const skipped = events.filter(({ event_type }) => event_type === "step_skipped");
    assert.deepEqual(skipped.map(({ data }) => data.reason), ["Step 'bad' failed", "Step 'after' was skipped"]);
    assert.deepEqual(ofSteps[0].types().filter((type) => WORKFLOW.test(type)), ["step_started", "step_failed"]);
    assert.deepEqual(ofSteps[1].types(), ["step_skipped"]);
    const end = events.at(-1);
    assert.equal(end.event_type, "workflow_failed");
    assert.deepEqual([end.data.error_message, end.data.error_type], [done.error_message, "step_failed"]);
  });

  test("what somebody stops or takes away is not begun again", async () => {
    const retries = { max_retries: 9 };
    const workflow = await of.make([task("stopped", "/hang", retries), task("cancelled", "/hang", retries), task("removed", "/hang", retries)]);
    const execution = await of.execute(workflow.id);
    const [stopped, cancelled, removed] = await Promise.all(["stopped", "cancelled", "removed"].map((name) => of.step(execution, name, "running")));
    await sendJson(daemon.url, "POST", `/sessions/${stopped.session_id}/stop`, {});
    await sendJson(daemon.url, "POST", `/tasks/${cancelled.task_id}/cancel`, { reason: "Enough" });
    await sendJson(daemon.url, "DELETE", `/sessions/${removed.session_id}`);
    const done = await of.over(execution);
    const ends = done.step_executions.map(({ status, error_message, retry_count }) => [status, error_message, retry_count]);
    assert.deepEqual(ends, [["failed", "it was stopped", 0], ["failed", "Enough", 0], ["failed", "its task was removed", 0]]);
  });

  test("S3-21 a cancelled execution stops what it runs, and is told so once, however often it is cancelled", async () => {
    const steps = [task("long", "/hang"), task("after", "x", { depends_on_steps: ["long"] })];
    let answers;
    const cancel = async (id) => {
      await of.step(id, "long", "running");
      answers = await Promise.all([1, 2, 3].map(() => of.good("POST", `/workflows/executions/${id}/cancel`)));
    };
    const { execution, workflow, done, own, all, everything, one, mine } = await watched(steps, {}, {}, cancel);
    const answer = { status: "cancelled", execution_id: execution, workflow_id: workflow.id, message: "Workflow execution was cancelled" };
    assert.deepEqual(answers, [answer, answer, answer]);
    assert.deepEqual([done.status, of.statuses(done)], ["cancelled", { long: "cancelled", after: "skipped" }]);
    const events = mine(own);
    for (const stream of [all, everything, one]) assert.deepEqual(mine(stream), events);
    assert.deepEqual(
      events.map(({ event_type }) => event_type),
      ["workflow_started", "step_started", "step_skipped", "step_failed", "workflow_cancelled"],
    );
    const end = events.at(-1);
    assert.deepEqual([end.data, end.message], [{}, "Workflow execution was cancelled"]);
    const stopped = await of.step(execution, "long", "cancelled");
    const record = await (await fetch(`${daemon.url}/tasks/${stopped.task_id}`)).json();
    assert.equal(record.status, "stopped");
    await until(() => everything.of("cancelled").some(({ run_id }) => run_id === stopped.task_id), "its run is cancelled, too");
    const again = await of.run([task("done")]);
    const [status, json] = await of.send("POST", `/workflows/executions/${again.done.id}/cancel`).then(({ status, json }) => [status, json]);
    assert.deepEqual([status, json], [409, { detail: "The execution is completed already" }]);
  });

  test("S3-26 S3-27 S3-29 agents that steps name are busy, then idle or in trouble", async () => {
    const agents = await watch(daemon.url, "agents/stream?agent_id=agent-1,agent-2");
    const one = await watch(daemon.url, "agents/agent-1");
    const agent = (name, prompt, agent_instance_id, more) => ({ ...task(name, prompt, more), step_type: "agent", agent_instance_id });
    const { workflow, done } = await of.run([
      agent("good", "Hello", "agent-1"),
      agent("bad", "/fail nothing", "agent-2", { max_retries: 1, depends_on_steps: ["good"] }),
    ]);
    await until(() => agents.of("agent_activity").length === 5, "all activities are told");
    const changes = agents.of("agent_status_changed");
    assert.deepEqual(
      changes.map(({ agent_id, data }) => [agent_id, data.previous_status, data.status, data.error]),
      [
        ["agent-1", "idle", "busy", null],
        ["agent-1", "busy", "idle", null],
        ["agent-2", "idle", "busy", null],
        ["agent-2", "busy", "error", "nothing"],
      ],
    );
    assert.deepEqual(
      agents.of("agent_activity").map(({ agent_id, data }) => [agent_id, data.action, data.step_name]),
      [
        ["agent-1", "step_started", "good"],
        ["agent-1", "step_completed", "good"],
        ["agent-2", "step_started", "bad"],
        ["agent-2", "retrying", "bad"],
        ["agent-2", "step_failed", "bad"],
      ],
    );
    for (const event of changes) {
      assert.deepEqual([event.workflow_id, event.workflow_execution_id, event.workspace_id], [workflow.id, done.id, workflow.workspace_id]);
    }
    assert.ok(one.events.every(({ agent_id }) => agent_id === "agent-1") && one.events.length > 0);
  });

  test("conditions say which steps are skipped", async () => {
    const steps = [
      task("first", "seven"),
      { name: "gate", step_type: "condition", condition_expression: "fast and not (n < 3) and 'seven' in steps.first.output", depends_on_steps: ["first"] },
      { name: "other gate", step_type: "condition", condition_expression: "${slow}", depends_on_steps: ["first"], config: { description: "Slowly" } },
      { name: "works", step_type: "condition", condition_expression: "${fast}", config: { prompt: "Quickly" } },
      task("yes", "x", { depends_on_steps: ["gate"] }),
      task("no", "x", { depends_on_steps: ["other gate"] }),
    ];
    const variables = [
      { name: "fast", data_type: "bool", default_value: true },
      { name: "slow", data_type: "bool", default_value: false },
      { name: "n", data_type: "int", default_value: 3 },
    ];
    const { done } = await of.run(steps, { variables });
    assert.deepEqual(of.statuses(done), {
      ...{ first: "completed", gate: "completed", "other gate": "skipped", works: "completed", yes: "completed", no: "skipped" },
    });
    assert.equal(done.status, "completed");
    const output = (name) => done.step_executions.find(({ step_name }) => step_name === name).output_data;
    assert.deepEqual(output("gate"), { output: true, result: true });
    assert.match(output("works").output, /You wrote: Quickly/);
    const other = await of.run([{ name: "gate", step_type: "condition", condition_expression: "'a' < 3" }]);
    assert.match(other.done.error_message, /cannot be said/);
  });

  test("a parallel group runs its steps at once, a sequence one after the other", async () => {
    const inner = (prefix) => [1, 2, 3].map((n) => task(`${prefix}${n}`, "/hang", { step_order: n }));
    const workflow = await of.make([
      { name: "at once", step_type: "parallel", config: { steps: inner("p") } },
      { name: "in order", step_type: "sequential", config: { steps: inner("s").reverse() }, depends_on_steps: ["at once"] },
      task("after", "x", { depends_on_steps: ["in order"] }),
    ]);
    const [p, s] = [["p1", "p2", "p3"], ["s1", "s2", "s3"]];
    const execution = await of.execute(workflow.id);
    const complete = ({ task_id }) => sendJson(daemon.url, "POST", `/tasks/${task_id}/complete`, { output: "done" });
    // None of them ends by itself: they run at once.
    for (const step of await Promise.all(p.map((name) => of.step(execution, name, "running")))) await complete(step);
    for (const [index, name] of s.entries()) {
      const step = await of.step(execution, name, "running");
      const { step_executions } = await of.execution(execution);
      const pending = step_executions.filter(({ step_name, status }) => s.includes(step_name) && status === "pending");
      assert.deepEqual(pending.map(({ step_name }) => step_name).sort(), s.slice(index + 1));
      await complete(step);
    }
    const done = await of.over(execution);
    assert.equal(done.status, "completed", done.error_message);
    const at = Object.fromEntries(done.step_executions.map((step) => [step.step_name, step]));
    for (const [before, next] of [["at once", "in order"], ["in order", "after"]]) {
      assert.ok(at[before].completed_at <= at[next].started_at, `${before} before ${next}`);
    }
    assert.deepEqual(at["at once"].output_data.output, { p1: "done", p2: "done", p3: "done" });
    assert.deepEqual(workflow.steps.map(({ name, steps }) => [name, steps?.map(({ name }) => name)]), [
      ["at once", p],
      ["in order", ["s3", "s2", "s1"]],
      ["after", undefined],
    ]);
    const failing = await of.run([
      { name: "group", step_type: "parallel", config: { steps: [task("ok"), task("bad", "/fail x", { max_retries: 0 })] } },
      task("after", "x", { depends_on_steps: ["group"] }),
    ]);
    assert.deepEqual(of.statuses(failing.done), { group: "failed", ok: "completed", bad: "failed", after: "skipped" });
  });

  test("steps, groups and executions that take too long are ended", async () => {
    const step = await of.run([task("slow", "/hang", { timeout_seconds: 1, max_retries: 1 })]);
    assert.deepEqual([step.done.status, step.done.step_executions[0].retry_count], ["failed", 1]);
    assert.equal(step.done.error_message, "Step 'slow' failed: timed out after 1 s");
    const inner = { steps: [task("hangs", "/hang"), task("waits", "x", { depends_on_steps: ["hangs"] })] };
    const group = await of.run([{ name: "group", step_type: "parallel", timeout_seconds: 1, config: inner }, task("other", "/sleep 1500")]);
    assert.deepEqual(of.statuses(group.done), { group: "failed", hangs: "failed", waits: "skipped", other: "completed" });
    const whole = await of.run([task("hangs", "/hang"), task("after", "x", { depends_on_steps: ["hangs"] })], { timeout_seconds: 1 });
    assert.deepEqual([whole.done.status, whole.done.error_message], ["timeout", "The workflow timed out after 1 s"]);
    assert.deepEqual(of.statuses(whole.done), { hangs: "failed", after: "skipped" });
    for (const { task_id } of [...group.done.step_executions, ...whole.done.step_executions].filter(({ task_id }) => task_id)) {
      const { status } = await (await fetch(`${daemon.url}/tasks/${task_id}`)).json();
      assert.ok(["failed", "completed"].includes(status), `nothing runs on: ${status}`);
    }
  });

  test("S3-33 the browser's snippet hears of a workflow", async () => {
    const workflow = await of.make([task("a")]);
    const workflowId = workflow.id;
    const told = [];
    const { WebSocket, console } = {
      WebSocket: class extends (globalThis.WebSocket ?? NodeSocket) {
        constructor(address) {
          super(address.replace("localhost:8000", `127.0.0.1:${daemon.port}`));
        }
      },
      console: { log: (...said) => told.push(said) },
    };

    const ws = new WebSocket(`ws://localhost:8000/ws/workflows/${workflowId}`);

    ws.onmessage = (evt) => {
      const msg = JSON.parse(evt.data);
      console.log("event", msg.event_type, msg);
    };

    keep(() => ws.close());
    await soon(new Promise((resolve) => ws.addEventListener("open", resolve)), "it opens");
    await of.over(await of.execute(workflowId));
    await until(() => told.some(([, type]) => type === "workflow_completed"), "the end is logged");
    assert.deepEqual(told[0].slice(0, 2), ["event", "workflow_started"]);
  });
});
