// S3-37: MGX's tasks and runs over its REST, and what is told of them: plans, approvals, ends.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { runs } from "../support/runs.mjs";
import { api, eventually } from "../support/swarms.mjs";
import { watch } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

const UUID = "00000000-0000-4000-8000-000000000000";

const TASK = [
  ...["id", "workspace_id", "project_id", "name", "description", "config", "status", "workspace", "project", "max_rounds"],
  ...["max_revision_rounds", "memory_size", "run_branch_prefix", "commit_template", "total_runs", "successful_runs"],
  ...["failed_runs", "success_rate", "last_run_at", "last_run_duration", "last_error", "created_at", "updated_at"],
];
const RUN = [
  ...["id", "workspace_id", "project_id", "task_id", "run_number", "status", "workspace", "project", "plan", "approval", "results"],
  ...["started_at", "completed_at", "duration", "error_message", "error_details", "memory_used", "round_count", "branch_name"],
  ...["commit_sha", "pr_url", "git_status", "created_at", "updated_at"],
];

onEveryDatabase("S3-37 MGX's tasks and runs", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = runs(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const refused = async (method, path, data, headers) => {
    const { status, json } = await api(daemon.url, headers).send(method, path, data);
    return [status, json.detail];
  };
  const wrong = async (path, data, method = "POST") => {
    const { status, json } = await of.send(method, path, data);
    assert.equal(status, 422, JSON.stringify(json));
    return json.detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`);
  };

  test("S3-37 a task is made, found, changed and removed, in its workspace; nobody is told of it", async () => {
    const all = await watch(daemon.url, "stream");
    const made = await of.task({ config: { a: 1 }, max_rounds: 7, project_id: "p" });
    assert.deepEqual(Object.keys(made), TASK);
    assert.deepEqual(
      [made.status, made.max_rounds, made.max_revision_rounds, made.memory_size, made.config, made.total_runs, made.success_rate],
      ["pending", 7, 2, 50, { a: 1 }, 0, 0],
    );
    assert.deepEqual([made.workspace.slug, made.workspace.id, made.project], ["default", made.workspace_id, null]);
    assert.deepEqual(await of.get(`/tasks/${made.id}/`), made);
    const session = (await sendJson(daemon.url, "GET", `/sessions/${made.id}`)).json;
    assert.deepEqual([session.title, session.description], ["Count", "Count my words"], "it is a session like any other");
    const changed = await of.good("PATCH", `/tasks/${made.id}`, { name: "Count again", memory_size: 9 });
    assert.deepEqual([changed.name, changed.memory_size, changed.max_rounds, changed.description], ["Count again", 9, 7, "Count my words"]);
    assert.equal((await of.good("PUT", `/tasks/${made.id}`, { description: null })).description, null);

    const { id: elsewhere } = await of.good("POST", "/workspaces", { name: "Elsewhere", slug: "elsewhere" }, 201);
    const inside = runs(daemon.url, { "x-workspace-slug": "elsewhere" });
    const other = await inside.task({ name: "Other" });
    assert.equal(other.workspace_id, elsewhere);
    assert.deepEqual((await inside.get("/tasks")).items.map(({ id }) => id), [other.id]);
    assert.deepEqual(await refused("GET", `/tasks/${other.id}`), [404, "Task not found"], "it is in another workspace");
    assert.deepEqual(await refused("POST", "/runs", { task_id: other.id }), [404, "Task not found"]);
    assert.equal((await inside.good("PATCH", `/tasks/${other.id}`, { max_rounds: 3 })).workspace_id, elsewhere, "it stays there");

    // What was made by others is in the default one.
    const { session_id } = (await sendJson(daemon.url, "POST", "/sessions", { title: "From Feathers" })).json;
    const found = (await of.get("/tasks?limit=2")).items;
    assert.deepEqual(found.map(({ id }) => id), [session_id, made.id]);
    assert.deepEqual([found[0].name, found[0].max_rounds, found[0].workspace.slug], ["From Feathers", 5, "default"]);
    assert.deepEqual(await of.good("DELETE", `/tasks/${made.id}`), { status: "deleted", task_id: made.id });
    assert.deepEqual(await refused("GET", `/tasks/${made.id}`), [404, "Task not found"]);
    assert.equal((await sendJson(daemon.url, "GET", `/sessions/${made.id}`)).status, 404);
    await of.begin(session_id, { auto_approve: true });
    await until(() => all.types().includes("completion"), "the marker is told");
    assert.equal(all.events[0].event_type, "analysis_start", "nothing was told of tasks being made, changed or removed");
  });

  test("S3-37 a run is planned, waits, is approved with a word, and done: told as its transitions happen", async () => {
    const { id } = await of.task();
    const [events, elsewhere] = await Promise.all([watch(daemon.url, `tasks/${id}`), watch(daemon.url, `tasks/${UUID}`)]);
    const begun = await of.begin(id);
    assert.deepEqual(Object.keys(begun), RUN);
    assert.deepEqual([begun.task_id, begun.run_number, begun.status, begun.plan, begun.completed_at], [id, 1, "running", null, null]);
    const waits = await of.asks(begun.id);
    assert.deepEqual(waits.plan.steps, ["Count the words", "Do as the prompt says", "Repeat it"]);
    assert.deepEqual([waits.plan.estimated_time, waits.plan.resources, waits.status], [null, [], "running"]);
    const session = (await sendJson(daemon.url, "GET", `/sessions/${id}`)).json;
    assert.equal(session.status, "awaiting_permission");
    const approved = await of.approve(begun.id, { approved: true, feedback: "Be quick" });
    assert.deepEqual([approved.approval.status, approved.approval.feedback], ["approved", "Be quick"]);
    const done = await of.over(begun.id);
    assert.deepEqual([done.status, done.error_message, done.approval.status, done.plan], ["completed", null, "approved", waits.plan]);
    assert.match(done.results.output, /You wrote: Count my words\n\nThis plan for it is approved:\n1\. Count the words.*Be quick/s);
    assert.ok(done.duration > 0 && done.started_at <= done.completed_at, JSON.stringify(done));

    await until(() => events.types().includes("completion"), "the end is told");
    const steps = events.types().filter((type) => type !== "agent_message");
    assert.deepEqual(steps, ["analysis_start", "plan_ready", "approval_required", "approved", "completion"]);
    for (const event of events.events) assert.deepEqual([event.task_id, event.run_id], [id, begun.id]);
    const data = (type) => events.of(type)[0].data;
    assert.deepEqual([data("plan_ready"), data("approval_required")], [{ plan: waits.plan }, { plan: waits.plan }]);
    assert.deepEqual(data("approved"), { feedback: "Be quick" });
    const messages = events.of("agent_message").map(({ data }) => data.message);
    assert.ok(messages.some(({ type, content }) => type === "permission_request" && content.tool_name === "approve_plan"));
    assert.ok(messages.some(({ role, content }) => role === "user" && content === "The plan is approved. Carry it out now.\n\nBe quick"));
    assert.deepEqual(elsewhere.events, []);

    const task = await of.get(`/tasks/${id}`);
    assert.deepEqual([task.status, task.total_runs, task.successful_runs, task.failed_runs, task.success_rate], ["completed", 1, 1, 0, 1]);
    assert.deepEqual([task.last_run_at, task.last_error], [done.created_at, null]);
    const logs = await of.get(`/runs/${begun.id}/logs?limit=3`);
    assert.deepEqual([logs.run_id, logs.items.length, logs.items[0].message], [begun.id, 3, "Count my words"]);
    assert.equal(logs.total, messages.length);
  });

  test("S3-37 a rejected plan is rejected, then a failure, whoever says so and by whatever door", async () => {
    const { id } = await of.task();
    const events = await watch(daemon.url, `tasks/${id}`);
    const first = await of.begin(id);
    await of.asks(first.id);
    // Two answers at once: one counts.
    const answers = await Promise.all(
      [true, false].map((approved) => of.send("POST", `/runs/${first.id}/approve`, { approved, feedback: "Too dear" })),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    await of.over(first.id);
    const second = await of.begin(id);
    await of.asks(second.id);
    const rejected = await of.approve(second.id, { approved: false, feedback: "Too dear" });
    assert.deepEqual([rejected.status, rejected.error_message], ["failed", "Plan rejected by user: Too dear"]);
    assert.deepEqual([rejected.approval.status, rejected.run_number], ["denied", 2]);
    assert.deepEqual(await refused("POST", `/runs/${second.id}/approve`, { approved: true }), [409, "The task does not wait for approval (status: failed)"]);
    // As Agor's clients decide.
    const third = await of.begin(id);
    await of.asks(third.id);
    await eventually(() => of.get(`/tasks/${id}`), ({ last_error }) => last_error === null, "the second is over");
    const { permission_request } = (await sendJson(daemon.url, "GET", `/tasks/${third.id}`)).json;
    const decision = { requestId: permission_request.request_id, taskId: third.id, allow: false, reason: "No" };
    assert.deepEqual((await sendJson(daemon.url, "POST", `/sessions/${id}/permission-decision`, decision)).json, { success: true });
    assert.equal((await of.over(third.id)).error_message, "Plan rejected by user: No");
    // As any of Feathers' clients lets it go on.
    const fourth = await of.begin(id);
    await of.asks(fourth.id);
    await sendJson(daemon.url, "PATCH", `/tasks/${fourth.id}`, { status: "running" });
    assert.equal((await of.over(fourth.id)).status, "completed");

    await until(() => events.of("failure").length >= 2 && events.types().at(-1) === "completion", "all is told");
    const ends = events.types().filter((type) => ["rejected", "failure", "completion", "approved"].includes(type));
    assert.deepEqual(ends.slice(2), [...["rejected", "failure"], ...["rejected", "failure"], ...["approved", "completion"]]);
    assert.deepEqual(events.of("rejected").at(-2).data, { feedback: "Too dear" });
    assert.equal(events.of("failure").at(-2).data.error, "Plan rejected by user: Too dear");
    const task = await of.get(`/tasks/${id}`);
    assert.deepEqual([task.total_runs, task.successful_runs + task.failed_runs], [4, 4]);
    assert.deepEqual((await of.get(`/runs?task_id=${id}&status=failed`)).items.map(({ run_number }) => run_number).slice(0, 2), [3, 2]);
  });

  test("S3-37 an agent's own question is approved and rejected by the same door", async () => {
    const { id } = await of.task({ description: "/ask", config: { auto_approve: true } });
    const events = await watch(daemon.url, `tasks/${id}`);
    for (const approved of [true, false]) {
      const { id: run } = await of.begin(id);
      await eventually(() => sendJson(daemon.url, "GET", `/tasks/${run}`), ({ json }) => json.status === "awaiting_permission", "it asks");
      await of.approve(run, { approved, feedback: "Well" });
      assert.match((await of.over(run)).results.output, approved ? /I may go on: Well/ : /I may not go on: Well/);
    }
    await until(() => events.of("completion").length === 2, "both are over");
    const told = events.types().filter((type) => type !== "agent_message");
    const story = (word) => ["analysis_start", "plan_ready", "approval_required", word, "completion"];
    assert.deepEqual(told, [...story("approved"), ...story("rejected")]);
    assert.deepEqual(events.of("rejected")[0].data, { feedback: "Well" });
  });

  test("S3-37 runs wait their turn, and are cancelled, ended and removed", async () => {
    const { id } = await of.task();
    const events = await watch(daemon.url, `tasks/${id}`);
    const first = await of.begin(id);
    await of.asks(first.id);
    const second = await of.begin(id);
    assert.deepEqual([second.status, second.started_at, second.run_number], ["pending", null, 2]);
    assert.equal((await of.get("/tasks?status=pending")).items[0].id, id, "a task is as its last run is");
    assert.deepEqual(await refused("POST", `/runs/${second.id}/approve`, { approved: true }), [409, "The task does not wait for approval (status: created)"]);
    assert.equal((await of.good("PATCH", `/runs/${first.id}?status=cancelled`, {})).status, "cancelled");
    await of.asks(second.id);
    assert.deepEqual(await refused("PATCH", `/runs/${second.id}?status=pending`, {}), [409, "A run that is running cannot become pending"]);
    assert.equal((await of.good("PATCH", `/runs/${second.id}`, { status: "failed", error_message: "Enough" })).error_message, "Enough");
    assert.deepEqual(await refused("PATCH", `/runs/${second.id}?status=completed`, {}), [409, "The run is failed already"]);
    assert.deepEqual(await refused("PATCH", `/runs/${second.id}?status=what`, {}), [400, "Invalid status: what"]);
    assert.deepEqual(await wrong(`/runs/${second.id}`, {}, "PATCH"), ["query.status: Field required"]);
    const third = await of.begin(id);
    await of.asks(third.id);
    assert.deepEqual(await of.good("DELETE", `/runs/${third.id}`), { status: "deleted", run_id: third.id });
    assert.deepEqual(await refused("GET", `/runs/${third.id}`), [404, "Run not found"]);
    const fourth = await of.begin(id);
    await of.asks(fourth.id);
    await sendJson(daemon.url, "POST", `/sessions/${id}/stop`, {});
    assert.equal((await of.over(fourth.id)).status, "cancelled");
    await until(() => events.of("cancelled").length === 3, "all three are told");
    const ends = events.types().filter((type) => ["rejected", "failure", "cancelled"].includes(type));
    assert.deepEqual(ends, ["cancelled", "rejected", "failure", "cancelled", "cancelled"]);
  });

  test("S3-37 what cannot be read is 422, what is not there is 404", async () => {
    assert.deepEqual(await wrong("/tasks", {}), ["body.name: Field required"]);
    assert.equal((await wrong("/tasks", { name: "", max_rounds: 101, config: [], memory_size: "x", description: 3 })).length, 5);
    assert.deepEqual(await wrong("/tasks", { name: "x", config: { auto_approve: "yes" } }), ["body.config: `auto_approve` should be true or false"]);
    assert.deepEqual(await wrong("/runs", {}), ["body.task_id: Field required"]);
    assert.deepEqual(await wrong("/runs", { task_id: 3 }), ["body.task_id: Input should be a valid string"]);
    assert.deepEqual(await refused("POST", "/runs", { task_id: UUID }), [404, "Task not found"]);
    assert.deepEqual(await refused("POST", `/runs/${UUID}/approve`, { approved: true }), [404, "Run not found"]);
    assert.deepEqual(await refused("GET", "/tasks?status=odd"), [400, "Invalid status: odd"]);
    assert.deepEqual(await refused("GET", "/runs?status=odd"), [400, "Invalid status: odd"]);
    assert.deepEqual(await refused("GET", "/tasks/a/b/c"), [404, "Not Found"]);
    assert.deepEqual(await refused("PUT", "/runs", {}), [405, "Method Not Allowed"]);
    assert.equal((await of.send("POST", "/tasks", "{")).status, 422);
    for (const id of ["%00", "x".repeat(3_000), "..%2f"]) assert.equal((await of.send("GET", `/tasks/${id}`)).status, 404);
    const { id } = await of.task();
    const { id: run } = await of.begin(id);
    await of.asks(run);
    assert.deepEqual(await wrong(`/runs/${run}/approve`, {}), ["body.approved: Field required"]);
    assert.deepEqual(await wrong(`/runs/${run}/approve`, { approved: "yes", feedback: 1 }), ["body.approved: Input should be true or false", "body.feedback: Input should be a valid string"]);
    const nameless = (await sendJson(daemon.url, "POST", "/sessions", {})).json.session_id;
    assert.deepEqual(await refused("POST", "/runs", { task_id: nameless }), [400, "The task has neither a description nor a name to go by"]);
    assert.equal((await of.get(`/tasks/${nameless}`)).name, "");
    assert.equal((await of.good("PATCH", `/tasks/${nameless}`, { max_rounds: 1 })).max_rounds, 1, "a nameless one is changed, too");
  });

  test("S3-37 pages of ten thousand runs", async () => {
    const { id } = await of.task({ name: "Many" });
    for (let round = 0; round < 10; round += 1) {
      const tasks = Array.from({ length: 1_000 }, () => ({ session_id: id, status: "completed", output: { round } }));
      assert.equal((await sendJson(daemon.url, "POST", "/tasks/bulk", tasks)).status, 201);
    }
    const page = await of.get(`/runs?task_id=${id}&status=completed&skip=9990&limit=100`);
    assert.deepEqual([page.total, page.skip, page.limit], [10_000, 9_990, 100]);
    assert.deepEqual(page.items.map(({ run_number }) => run_number), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(page.items[0].results, { round: 0 });
    const task = await of.get(`/tasks/${id}`);
    assert.deepEqual([task.total_runs, task.successful_runs, task.status], [10_000, 10_000, "completed"]);
    assert.equal((await of.get("/tasks?status=completed&limit=1")).items[0].id, id);
  });
});
