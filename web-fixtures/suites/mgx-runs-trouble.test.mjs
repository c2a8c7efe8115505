// MGX's runs in trouble: kill -9, plans that nobody approves, agents that plan their own way, and who may.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { runs } from "../support/runs.mjs";
import { watch } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** What is told of a session from the log's start, once this is among it. */
async function story(url, id, end) {
  const events = await watch(url, `tasks/${id}?since=0`);
  await until(() => events.types().includes(end), `${end} is told`);
  return events.types().filter((type) => type !== "agent_message");
}

onEveryDatabase("MGX's runs and kill -9", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = runs(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("a plan waits over kill -9, is approved after it, and told once", async () => {
    const [{ id }, { id: other }] = [await of.task(), await of.task()];
    const [run, rejected] = [await of.begin(id), await of.begin(other)];
    const waiting = await of.begin(id);
    const { plan } = await of.asks(run.id);
    await of.asks(rejected.id);
    for (let round = 0; round < 2; round += 1) await daemon.restart("SIGKILL");
    const now = await of.asks(run.id);
    assert.deepEqual([now.plan, now.status, (await of.run(waiting.id)).status], [plan, "running", "pending"]);
    assert.equal((await of.approve(run.id, { approved: true, feedback: "After it" })).approval.status, "approved");
    const done = await of.over(run.id);
    assert.deepEqual([done.status, done.plan], ["completed", plan]);
    assert.match(done.results.output, /You wrote: Count my words.*approved.*After it/s);
    await of.approve(rejected.id, { approved: false });
    assert.equal((await of.over(rejected.id)).error_message, "Plan rejected by user");
    await of.asks(waiting.id);
    await of.good("PATCH", `/runs/${waiting.id}?status=cancelled`, {});
    assert.deepEqual(await story(daemon.url, id, "cancelled"), [
      ...["analysis_start", "plan_ready", "approval_required", "approved", "completion"],
      ...["analysis_start", "plan_ready", "approval_required", "cancelled"],
    ]);
    assert.deepEqual(await story(daemon.url, other, "failure"), [
      ...["analysis_start", "plan_ready", "approval_required", "rejected", "failure"],
    ]);
  });

  test("what was killed while its agent asked has broken off: nobody rejected it", async () => {
    const { id } = await of.task({ description: "/ask", config: { auto_approve: true } });
    const run = await of.begin(id);
    const events = await watch(daemon.url, `tasks/${id}`);
    await until(async () => (await sendJson(daemon.url, "GET", `/tasks/${run.id}`)).json.status === "awaiting_permission", "it asks");
    events.socket.terminate();
    await daemon.restart("SIGKILL");
    assert.equal((await of.over(run.id)).error_message, "interrupted by a restart");
    assert.deepEqual(await story(daemon.url, id, "failure"), ["analysis_start", "plan_ready", "approval_required", "failure"]);
  });
});

onEveryDatabase("plans that nobody approves", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--approval-secs", "1"] });
    of = runs(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("S3-37 a plan that nobody approves in time is rejected, and has failed", async () => {
    const { id } = await of.task();
    const [first, second] = [await of.begin(id), await of.begin(id)];
    for (const run of [first, second]) {
      const done = await of.over(run.id);
      assert.deepEqual([done.status, done.error_message, done.approval.status], ["failed", "The plan was not approved within 1 seconds", "expired"]);
    }
    const once = ["analysis_start", "plan_ready", "approval_required", "rejected", "failure"];
    const events = await watch(daemon.url, `tasks/${id}?since=0`);
    await until(() => events.of("failure").length === 2, "both are told");
    assert.deepEqual(events.types().filter((type) => type !== "agent_message"), [...once, ...once]);
    assert.equal((await sendJson(daemon.url, "GET", `/sessions/${id}`)).json.status, "idle");
  });
});

/** An agent that asks for its plan's approval by itself, as Claude Code does, and works on. */
const PLANNER = String.raw`
import sys, json
prompt = json.loads(sys.stdin.readline())
say = lambda **what: print(json.dumps(what), flush=True)
if prompt.get("permission_mode") == "plan" and "myself" in prompt["text"]:
    say(type="permission", id="own", tool="ExitPlanMode", input={"plan": "# Plan\n- look\n- leap"})
    decision = json.loads(sys.stdin.readline())
    say(type="message", content="done" if decision["allow"] else "I think again")
elif prompt.get("permission_mode") == "plan" and "broken" in prompt["text"]:
    sys.exit("I cannot plan")
elif prompt.get("permission_mode") == "plan":
    say(type="message", content="I look.\nThen I leap.")
else:
    say(type="message", content="leapt: " + prompt["text"].splitlines()[-1])
`;

onEveryDatabase("agents that plan", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    const command = `python3 -c "$PLANNER"`;
    daemon = await Daemon.start(database, { args: ["--agent-command", command, "--agent-input", "lines"], env: { AGENT: "command", PLANNER } });
    of = runs(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("a command is asked to plan with the mode `plan`, then to carry it out with its own", async () => {
    const { id } = await of.task();
    const run = await of.begin(id);
    assert.deepEqual((await of.asks(run.id)).plan.steps, ["I look.", "Then I leap."]);
    await of.approve(run.id, { approved: true });
    assert.equal((await of.over(run.id)).results.output, "leapt: The plan is approved. Carry it out now.");
  });

  test("an agent that asks for its plan's approval by itself is not asked for another", async () => {
    const { id } = await of.task({ description: "Plan it myself" });
    for (const approved of [true, false]) {
      const run = await of.begin(id);
      assert.deepEqual((await of.asks(run.id)).plan.steps, ["look", "leap"]);
      await of.approve(run.id, { approved });
      const done = await of.over(run.id);
      if (approved) assert.deepEqual([done.status, done.results.output], ["completed", "done"]);
      else assert.deepEqual([done.status, done.error_message], ["failed", "Plan rejected by user"]);
    }
    const once = (...end) => ["analysis_start", "plan_ready", "approval_required", ...end];
    assert.deepEqual(await story(daemon.url, id, "failure"), [...once("approved", "completion"), ...once("rejected", "failure")]);
  });

  test("an agent that cannot plan has failed; nobody is asked", async () => {
    const { id } = await of.task({ description: "broken" });
    const run = await of.begin(id);
    const done = await of.over(run.id);
    assert.deepEqual([done.status, done.plan], ["failed", null]);
    assert.match(done.error_message, /I cannot plan/);
    assert.deepEqual(await story(daemon.url, id, "failure"), ["analysis_start", "failure"]);
  });
});

onEveryDatabase("who may run MGX's tasks", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database, { env: { AUTH: "required" } })));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("S3-37 viewers read, members write, and what is on a board of others is not there", async () => {
    const people = await register(daemon.url, ["admin", "ann", "bob", "vic"]);
    const bearer = (name) => ({ authorization: `Bearer ${people[name].token}` });
    const json = { "content-type": "application/json" };
    await http(daemon.url, `/users/${people.vic.id}`, { method: "PATCH", headers: { ...json, ...bearer("admin") }, body: '{"role":"viewer"}' });
    const [ann, bob, vic, nobody] = [bearer("ann"), bearer("bob"), bearer("vic"), {}].map((headers) => runs(daemon.url, headers));
    const { id } = await ann.task();
    const hers = (path, data) => http(daemon.url, path, { method: "POST", headers: { ...json, ...bearer("ann") }, body: JSON.stringify(data) });
    const open = await ann.task({ name: "Open" });
    const { board_id } = (await hers("/boards", { name: "secret", visibility: "private", sessions: [id] })).json;
    assert.ok(board_id);
    const run = await ann.begin(id);
    await ann.asks(run.id);
    for (const other of [bob, vic]) {
      assert.deepEqual((await other.get("/tasks")).items.map((task) => task.id), [open.id]);
      assert.deepEqual([(await other.get("/runs")).total, (await other.get(`/runs?task_id=${id}`)).total], [0, 0]);
      for (const path of [`/tasks/${id}`, `/runs/${run.id}`, `/runs/${run.id}/logs`]) assert.equal((await other.send("GET", path)).status, 404, path);
    }
    for (const [method, path, data] of [
      ["POST", "/runs", { task_id: id }],
      ["POST", `/runs/${run.id}/approve`, { approved: true }],
      ["PATCH", `/runs/${run.id}?status=cancelled`, {}],
      ["DELETE", `/runs/${run.id}`],
      ["PATCH", `/tasks/${id}`, { name: "Mine" }],
      ["DELETE", `/tasks/${id}`],
    ]) {
      assert.equal((await bob.send(method, path, data)).status, 404, `${method} ${path}`);
      assert.equal((await nobody.send(method, path, data)).status, 401, `${method} ${path}`);
    }
    assert.equal((await vic.get(`/tasks/${open.id}`)).name, "Open");
    const publicRun = await ann.begin(open.id);
    await ann.asks(publicRun.id);
    for (const [method, path, data] of [
      ["POST", "/tasks", { name: "x" }],
      ["POST", "/runs", { task_id: open.id }],
      ["POST", `/runs/${publicRun.id}/approve`, { approved: true }],
      ["DELETE", `/tasks/${open.id}`],
    ]) {
      assert.equal((await vic.send(method, path, data)).status, 403, `${method} ${path}`);
    }
    const approved = await bob.approve(publicRun.id, { approved: true });
    assert.equal(approved.approval.decided_by, people.bob.id, "who decided is kept");
    await ann.over(publicRun.id);
    assert.equal((await ann.run(run.id)).approval.status, "pending");
  });
});
