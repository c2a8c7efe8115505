// S3-37: workspaces and workflows over MGX's REST: forms, refusals, and who may.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { task, watch, workflows } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

const UUID = "00000000-0000-4000-8000-000000000000";

onEveryDatabase("S3-37 MGX's REST of workflows", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = workflows(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** What is wrong with what was sent: `place: message`. */
  const wrong = async (path, data, method = "POST") => {
    const { status, json } = await of.send(method, path, data);
    assert.equal(status, 422, JSON.stringify(json));
    return json.detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`);
  };
  const refused = async (method, path, data, headers) => {
    const { status, json } = await workflows(daemon.url, headers).send(method, path, data);
    return [status, json.detail];
  };

  test("S3-37 workspaces: the default one is there when it is first needed, others are made", async () => {
    const first = await of.get("/workspaces");
    assert.deepEqual([first.total, first.skip, first.limit, first.items[0].slug], [1, 0, 10, "default"]);
    const made = await of.good("POST", "/workspaces/", { name: "My Team", metadata: { a: 1 } }, 201);
    assert.deepEqual(Object.keys(made), ["id", "name", "slug", "metadata", "created_at", "updated_at"]);
    assert.deepEqual([made.name, made.slug, made.metadata], ["My Team", "my-team", { a: 1 }]);
    assert.deepEqual(await of.get(`/workspaces/${made.id}`), made);
    assert.deepEqual(await of.get(`/workspaces/${made.id}/`), made);
    assert.deepEqual((await of.get("/workspaces/?skip=1&limit=1")).items, [made]);
    assert.deepEqual(await refused("POST", "/workspaces", { name: "x", slug: "my-team" }), [409, "There is a workspace with the slug my-team already"]);
    assert.notEqual((await of.good("POST", "/workspaces", { name: "My team!" }, 201)).slug, "my-team");
    assert.deepEqual(await refused("GET", `/workspaces/${UUID}`), [404, "Workspace not found"]);
    assert.deepEqual(await wrong("/workspaces", {}), ["body.name: Field required"]);
    assert.deepEqual(await wrong("/workspaces", { name: "x".repeat(256) }), ["body.name: String should have at most 255 characters"]);
    assert.equal((await wrong("/workspaces", { name: "x", slug: "A b", metadata: 3 })).length, 2);
    assert.deepEqual(await wrong("/workspaces?limit=101", undefined, "GET"), ["query.limit: Input should be a whole number from 1 to 100"]);
  });

  test("S3-37 workflows are made, found, changed and removed, in their workspace", async () => {
    const { id: workspace } = await of.good("POST", "/workspaces", { name: "Elsewhere", slug: "elsewhere" }, 201);
    const inside = workflows(daemon.url, { "x-workspace-slug": "elsewhere" });
    const made = await inside.make([task("a"), task("b", "x", { depends_on_steps: ["a"] })], { description: "Two steps", config: { k: [1] } });
    assert.deepEqual(
      [made.workspace_id, made.timeout_seconds, made.max_retries, made.is_active, made.version, made.step_count],
      [workspace, 3600, 3, true, 1, 2],
    );
    assert.deepEqual([made.steps[1].depends_on_steps, made.config, made.description], [["a"], { k: [1] }, "Two steps"]);
    for (const where of [{ "x-workspace-id": workspace }, { "x-workspace-slug": "elsewhere" }]) {
      assert.deepEqual(await workflows(daemon.url, where).get(`/workflows/${made.id}`), made);
    }
    assert.deepEqual(await of.get(`/workflows/${made.id}/?workspace_id=${workspace}`), made);
    assert.equal((await of.get("/workflows?workspace_slug=elsewhere")).total, 1);
    assert.deepEqual(await refused("GET", `/workflows/${made.id}`), [404, "Workflow not found"], "it is in another");
    assert.deepEqual(await refused("POST", `/workflows/${made.id}/execute`, {}), [404, "Workflow not found"]);
    assert.deepEqual(await refused("GET", "/workflows", undefined, { "x-workspace-id": UUID }), [404, "Workspace not found"]);
    assert.deepEqual(await refused("GET", "/workflows?workspace_slug=nobodys"), [404, "Workspace not found"]);

    const path = `/workflows/${made.id}`;
    const renamed = await inside.good("PATCH", path, { name: "Renamed", is_active: false });
    assert.deepEqual([renamed.name, renamed.is_active, renamed.version, renamed.steps], ["Renamed", false, 2, made.steps]);
    assert.deepEqual(await refused("POST", `${path}/execute`, {}, { "x-workspace-id": workspace }), [400, "Cannot execute inactive workflow"]);
    const changed = await inside.good("PATCH", path, { is_active: true, steps: [...made.steps, task("c", "x", { depends_on_steps: [made.steps[1].id] })] });
    assert.deepEqual(changed.steps.slice(0, 2).map(({ id }) => id), made.steps.map(({ id }) => id), "known steps keep their ids");
    assert.deepEqual(changed.steps[2].depends_on_steps, ["b"]);

    const execution = await inside.execute(made.id);
    assert.equal((await inside.over(execution)).status, "completed");
    const list = await inside.get(`${path}/executions?status=completed`);
    assert.deepEqual([list.total, list.items[0].id, list.items[0].execution_number], [1, execution, 1]);
    assert.equal((await inside.get(`${path}/executions/?status=failed`)).total, 0);
    assert.deepEqual(await refused("GET", `${path}/executions?status=lost`, undefined, { "x-workspace-id": workspace }), [400, "Invalid status: lost"]);
    const status = await inside.get(`/workflows/executions/${execution}/status`);
    assert.deepEqual([status.status, status.step_count, status.completed_step_count, status.current_steps], ["completed", 3, 3, []]);
    const timeline = await inside.get(`/workflows/executions/${execution}/timeline`);
    assert.deepEqual(timeline.step_timeline.map(({ step_name, status, retry_count }) => [step_name, status, retry_count]), [
      ...[["a", "completed", 0], ["b", "completed", 0], ["c", "completed", 0]],
    ]);
    assert.ok(timeline.total_duration_seconds >= timeline.step_timeline[0].duration_seconds);
    assert.deepEqual(await refused("GET", `/workflows/executions/${execution}`), [404, "Workflow execution not found"]);
    assert.deepEqual(await inside.good("DELETE", path), { status: "deleted", workflow_id: made.id });
    for (const gone of [path, `/workflows/executions/${execution}`]) {
      assert.equal((await inside.send("GET", gone)).status, 404);
    }
  });

  test("a workflow that is executed is not removed; an execution keeps what it began with", async () => {
    const workflow = await of.make([task("hold", "/hang"), task("after", "old", { depends_on_steps: ["hold"] })]);
    const execution = await of.execute(workflow.id);
    const held = await of.step(execution, "hold", "running");
    const [status, text] = await refused("DELETE", `/workflows/${workflow.id}`);
    assert.deepEqual([status, text], [409, "Cannot delete workflow with 1 running executions; cancel them first"]);
    await of.good("PATCH", `/workflows/${workflow.id}`, { steps: [task("other")] });
    await http(daemon.url, `/tasks/${held.task_id}/complete`, { method: "POST", headers: { "content-type": "application/json" }, body: '{"output":"by hand"}' });
    const done = await of.over(execution);
    assert.deepEqual(of.statuses(done), { hold: "completed", after: "completed" });
    assert.equal(done.results.step_outputs.hold.output, "by hand");
    await of.good("DELETE", `/workflows/${workflow.id}`);
  });

  test("variables have types and defaults; prompts that name none fail", async () => {
    const variables = [
      { name: "who", data_type: "string", is_required: true },
      { name: "n", data_type: "int", default_value: 2 },
    ];
    const workflow = await of.make([task("a", "{{who}} {{n}}")], { variables, max_retries: 0 });
    const path = `/workflows/${workflow.id}/execute`;
    assert.deepEqual(await wrong(path, {}), ["body.input_variables.who: Field required"]);
    assert.deepEqual(await wrong(path, { input_variables: { who: 1, n: "x" } }), [
      "body.input_variables.who: Input should be a valid string",
      "body.input_variables.n: Input should be a valid integer",
    ]);
    assert.deepEqual(await wrong(path, { input_variables: [] }), [
      "body.input_variables: Input should be an object",
      "body.input_variables.who: Field required",
    ]);
    const done = await of.over(await of.execute(workflow.id, { input_variables: { who: "ann {{n}}", more: true } }));
    assert.deepEqual(done.step_executions[0].input_data, { prompt: "ann {{n}} 2" }, "what is filled in is not filled in again");
    assert.deepEqual(done.input_variables, { who: "ann {{n}}", more: true });
    const lost = await of.run([task("a", "{{nobody}}")], { max_retries: 5 });
    assert.equal(lost.done.error_message, "Step 'a' failed: There is no variable 'nobody'");
    assert.equal(lost.done.step_executions[0].retry_count, 0);
  });

  test("what cannot be a workflow is refused with the places of all that is wrong", async () => {
    assert.deepEqual(await wrong("/workflows", { steps: [{ step_order: 0 }, 7] }), [
      "body.steps.0.step_type: Field required",
      "body.steps.0.name: Field required",
      "body.steps.0.step_order: Input should be a whole number from 1 to 2147483647",
      "body.steps.1: Input should be an object",
      "body.name: Field required",
    ]);
    const circle = [task("a", "x", { depends_on_steps: ["b"] }), task("b", "x", { depends_on_steps: ["a"] })];
    assert.deepEqual(await wrong("/workflows", { name: "w", steps: circle }), ["body.steps: Steps wait for each other: a, b"]);
    const gate = [{ name: "g", step_type: "condition", condition_expression: "__import__('os')" }];
    assert.match((await wrong("/workflows", { name: "w", steps: gate }))[0], /^body.steps.0.condition_expression: The expression cannot be read/);
    assert.deepEqual(await of.good("POST", "/workflows/validate", { name: "w", steps: [task("a")] }, 200), { is_valid: true, errors: [], warnings: [] });
    const examined = await of.good("POST", "/workflows/validate", { name: "w", steps: circle });
    assert.deepEqual([examined.is_valid, examined.errors.length], [false, 1]);
    const many = Array.from({ length: 501 }, (_, n) => task(`s${n}`));
    assert.deepEqual(await wrong("/workflows", { name: "w", steps: many }), ["body.steps: List should have at most 500 items"]);
    const big = await of.send("POST", "/workflows", { name: "w", config: { text: "x".repeat(1 << 20) } });
    assert.ok([413].includes(big.status) && big.json.detail, JSON.stringify(big.json));
    let deep = [task("leaf")];
    for (let n = 0; n < 20; n++) deep = [{ name: `g${n}`, step_type: "parallel", config: { steps: deep } }];
    assert.match((await wrong("/workflows", { name: "w", steps: deep }))[0], /at most 8 groups/);
    for (const body of ["{", "[]", '"x"', "nul"]) {
      const { status, json } = await of.send("POST", "/workflows", body);
      assert.deepEqual([status, json.detail[0].type, json.detail[0].loc], [422, "json_invalid", ["body"]], body);
    }
    for (const id of ["nobody", "%00", "..%2f", UUID, "executions", "stream"]) {
      assert.equal((await of.send("GET", `/workflows/${id}`)).status, 404, id);
      assert.equal((await of.send("POST", `/workflows/executions/${id}/cancel`, {})).status, 404, id);
    }
    assert.deepEqual(await refused("POST", `/workflows/${UUID}/nothing`, {}), [404, "Not Found"]);
    assert.deepEqual(await refused("DELETE", "/workflows"), [405, "Method Not Allowed"]);
    const empty = await of.run([]);
    assert.deepEqual([empty.done.status, empty.done.step_executions], ["completed", []]);
  });

  test("an execution in a stream says so, and many steps run, a few at once", async () => {
    const steps = Array.from({ length: 120 }, (_, n) => ({ name: `s${n}`, step_type: "condition", condition_expression: "true" }));
    const workflow = await of.make(steps);
    const own = await watch(daemon.url, `workflows/${workflow.id}?since=0`);
    const execution = await of.execute(workflow.id, { stream_id: "s-1" });
    assert.equal((await of.over(execution)).stream_id, "s-1");
    await until(() => own.types().includes("workflow_completed"), "the end is told");
    assert.equal(own.of("step_completed").length, 120);
  });
});

onEveryDatabase("S3-37 who may use workflows", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { CALLS_PER_SEC: "0" } })));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("with AUTH=required members write, viewers read, others and agents' keys are refused", async () => {
    const people = await register(daemon.url, ["admin", "ann", "vic"]);
    const json = { "content-type": "application/json" };
    const admin = { ...json, authorization: `Bearer ${people.admin.token}` };
    await http(daemon.url, `/users/${people.vic.id}`, { method: "PATCH", headers: admin, body: '{"role":"viewer"}' });
    const agent = await http(daemon.url, "/agents/register", { method: "POST", headers: admin, body: JSON.stringify({ name: "worker", capabilities: ["work"] }) });
    const key = JSON.stringify(agent.json).match(/"(?:api_)?key":"([^"]+)"/)?.[1];
    assert.ok(key, JSON.stringify(agent.json));
    const as = (headers) => workflows(daemon.url, headers);
    const ann = as({ "x-dashboard-token": people.ann.token });
    const workflow = await ann.make([task("a", "/hang")]);
    const execution = await ann.execute(workflow.id);
    const looks = ["/workspaces", "/workflows", `/workflows/${workflow.id}`, `/workflows/${workflow.id}/executions`,
      ...["", "/status", "/timeline"].map((what) => `/workflows/executions/${execution}${what}`)];
    const changes = [["POST", "/workspaces", { name: "x" }], ["POST", "/workflows", { name: "x", steps: [] }], ["PATCH", `/workflows/${workflow.id}`, {}],
      ["DELETE", `/workflows/${workflow.id}`], ["POST", `/workflows/${workflow.id}/execute`, {}], ["POST", `/workflows/executions/${execution}/cancel`, {}]];
    const vic = as({ authorization: `Bearer ${people.vic.token}` });
    for (const path of looks) assert.equal((await vic.send("GET", path)).status, 200, path);
    for (const [method, path, data] of changes) assert.equal((await vic.send(method, path, data)).status, 403, path);
    for (const headers of [{}, { authorization: "Bearer wrong" }, { "x-dashboard-token": "wrong" }]) {
      for (const [method, path, data] of [...looks.map((path) => ["GET", path]), ...changes]) {
        const { status, json, headers: answered } = await as(headers).send(method, path, data);
        assert.deepEqual([status, json, answered["www-authenticate"]], [401, { detail: "Not authenticated" }, "Bearer"], path);
      }
    }
    const worker = as({ authorization: `Bearer ${key}` });
    for (const [method, path, data] of [...looks.map((path) => ["GET", path]), ...changes]) {
      assert.equal((await worker.send(method, path, data)).status, 403, path);
    }
    const token = `?token=${people.ann.token}`;
    assert.equal((await as({}).send("POST", `/workflows/executions/${execution}/cancel${token}`, {})).status, 200);
    assert.equal((await ann.over(execution)).status, "cancelled");
  });
});
