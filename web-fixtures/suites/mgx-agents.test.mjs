// MGX's agents: what is told of them on every stream, and how steps of workflows move them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { agents, short } from "../support/mgx-agents.mjs";
import { register } from "../support/people.mjs";
import { task, watch } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

const KEYS = [
  ...["event_type", "timestamp", "workspace_id", "agent_id", "task_id", "run_id"],
  ...["workflow_id", "workflow_execution_id", "workflow_step_id", "data", "message"],
];

/** Waits until a stream was told of a message with a correlation id, and of that it was one. */
const heard = (stream, id) =>
  until(() => stream.of("agent_activity").some(({ data }) => data.correlation_id === id), `${id} is told`);

onEveryDatabase("MGX's agents", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = agents(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const open = (...paths) => Promise.all(paths.map((path) => watch(daemon.url, path)));
  /** A step that an agent does. */
  const by = (agent, name, prompt = "Hello", more = {}) => ({ ...task(name, prompt, more), step_type: "agent", agent_instance_id: agent.id });
  const statuses = ({ events }) => events.filter(({ event_type }) => event_type === "agent_status_changed").map(short);

  test("S3-4 S3-5 S3-6 S3-7 S3-8 S3-27 S3-28 S3-32 each stream carries the agents that it names, and nothing else", async () => {
    const elsewhere = agents(daemon.url, { "x-workspace-slug": "streams" });
    const { id: w2 } = await of.good("POST", "/workspaces", { name: "Streams", slug: "streams" }, 201);
    const [a1, a2] = [await of.make({ name: "a1" }), await of.make({ name: "a2" })];
    const a3 = await elsewhere.make({ name: "a3" });
    const w1 = a1.workspace_id;
    assert.equal(a3.workspace_id, w2);
    const streams = await open(
      ...[`agents/${a1.id}`, "agents/stream", `agents/stream?workspace_id=${w1}`, `agents/stream?workspace_id=${w2}`],
      ...[`agents/stream?agent_id=${a1.id},%20${a3.id},`, `agents/stream?workspace_id=${w2}&agent_id=${a1.id},${a3.id}`, "stream"],
    );
    // What is about no agent goes to the stream of everything alone.
    const { session_id } = (await sendJson(daemon.url, "POST", "/sessions", {})).json;
    await sendJson(daemon.url, "POST", "/messages", { session_id, content: "about no agent" });
    for (const agent of [a2, a1]) await of.say(agent.id, { payload: { n: 1 }, correlation_id: agent.name });
    await elsewhere.say(a3.id, { correlation_id: "a3" });
    await of.step(a1.id, "deactivate");
    await of.say(a1.id, { correlation_id: "end" });
    await elsewhere.say(a3.id, { correlation_id: "end" });
    const told = (...names) => names.flatMap((name) => [`${name} agent_message`, `${name} agent_activity`]);
    const off = ["a1 agent_status_changed", "a1 agent_activity"];
    const expected = [
      [...told("a1"), ...off, ...told("a1")],
      [...told("a2", "a1", "a3"), ...off, ...told("a1", "a3")],
      [...told("a2", "a1"), ...off, ...told("a1")],
      told("a3", "a3"),
      [...told("a1", "a3"), ...off, ...told("a1", "a3")],
      told("a3", "a3"),
      ["null agent_message", ...told("a2", "a1", "a3"), ...off, ...told("a1", "a3")],
    ];
    const names = { [a1.id]: "a1", [a2.id]: "a2", [a3.id]: "a3" };
    for (const [index, stream] of streams.entries()) {
      const got = () => stream.events.map(({ agent_id, event_type }) => `${names[agent_id] ?? null} ${event_type}`);
      await until(() => got().length >= expected[index].length, `stream ${index} is told all: ${got()}`);
      assert.deepEqual(got(), expected[index], `stream ${index}`);
      for (const event of stream.events) {
        assert.deepEqual(Object.keys(event), KEYS);
        if (event.agent_id) assert.equal(event.workspace_id, event.agent_id === a3.id ? w2 : w1);
      }
    }
    // What each tells is the same everywhere.
    const all = streams.at(-1).events.map((event) => JSON.stringify(event));
    for (const stream of streams) for (const event of stream.events) assert.ok(all.includes(JSON.stringify(event)));
  });

  test("S3-26 S3-27 S3-28 S3-37 whatever is done with an agent is told, in order and once", async () => {
    const [all] = await open("agents/stream?since=now");
    const agent = await of.make({ name: "Ada", project_id: "p", config: { model: "m" } });
    await of.say(agent.id, { payload: { text: "hi" }, correlation_id: "c-1" });
    await of.step(agent.id, "deactivate");
    for (const what of ["activate", "activate", "shutdown", "shutdown"]) await of.step(agent.id, what);
    await of.patch(agent.id, { status: "active" });
    await of.patch(agent.id, { status: "busy", name: "Ada L." });
    await of.patch(agent.id, { status: "error", error: "no words" });
    await of.patch(agent.id, { config: { model: "n" } });
    await of.patch(agent.id, {});
    assert.deepEqual(await of.good("DELETE", `/agents/${agent.id}`), { status: "deleted", agent_id: agent.id });
    const idle = await of.make({ activate: false });
    await until(() => all.events.some(({ agent_id, event_type }) => agent_id === idle.id && event_type === "agent_activity"), "the last is told");
    const own = all.events.filter(({ agent_id }) => agent_id === agent.id);
    assert.deepEqual(own.map(short), [
      ...["idle initializing", "initializing active", "system message", "activated"],
      ...["inbound message", "message"],
      ...["active idle", "deactivated"],
      ...["idle initializing", "initializing active", "activated"],
      ...["active offline", "shutdown"],
      ...["offline active", "updated", "active busy", "updated", "busy error", "updated", "agent_context_updated", "updated"],
      ...["error offline", "removed"],
    ]);
    const [, , system, , message, activity] = own;
    assert.equal(system.data.message.payload.type, "registered");
    assert.deepEqual(
      [message.data.message.payload, message.data.message.direction, message.data.message.agent_instance_id, message.message],
      [{ text: "hi" }, "inbound", agent.id, "Agent 'Ada': inbound message"],
    );
    assert.deepEqual(activity.data, { action: "message", direction: "inbound", correlation_id: "c-1" });
    const context = own.find(({ event_type }) => event_type === "agent_context_updated");
    assert.deepEqual(context.data, { key: "config", old_value: { model: "m" }, new_value: { model: "n" } });
    const failed = own.find((event) => short(event) === "busy error");
    assert.deepEqual([failed.data.error, failed.message], ["no words", "Agent 'Ada L.' is error"]);
    assert.deepEqual(all.events.filter(({ agent_id }) => agent_id === idle.id).map(short), ["system message", "created"]);
  });

  test("what becomes of an agent is told on Hive's streams, too", async () => {
    const agent = await of.make({ activate: false });
    const watcher = await Watcher.of(`${daemon.url}/hive`, { stream_ids: [agent.id] });
    await of.step(agent.id, "activate");
    await of.say(agent.id, { payload: { n: 1 }, correlation_id: "c" });
    await of.step(agent.id, "shutdown");
    const events = await watcher.has(7);
    assert.deepEqual(
      events.map(({ type, data }) => `${type} ${data.new_value ?? data.name}`),
      [
        ...["stream_started initializing", "state_changed active", "custom agent_activity"],
        ...["custom agent_message", "custom agent_activity", "stream_stopped offline", "custom agent_activity"],
      ],
    );
    assert.deepEqual([events[3].data.message.payload, events[3].correlation_id], [{ n: 1 }, "c"]);
  });

  test("two who move an agent at once: one does, the other is told that it was done", async () => {
    const agent = await of.make();
    const [stream] = await open(`agents/${agent.id}`);
    const other = agents(daemon.url);
    for (let round = 0; round < 20; round++) {
      const to = round % 2 ? "active" : "busy";
      const answers = await Promise.all([of, other].map((one) => one.send("PATCH", `/agents/${agent.id}`, { status: to })));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
      const refusal = answers.find(({ status }) => status === 409);
      assert.deepEqual(refusal.json, { detail: `The agent is ${to} already` });
    }
    await of.say(agent.id, { correlation_id: "end" });
    await heard(stream, "end");
    assert.equal(statuses(stream).length, 20);
  });

  test("S3-26 S3-27 S3-28 S3-29 a step's agent is activated, busy while it runs, and active or in error after it", async () => {
    const [good, bad] = [await of.make({ activate: false }), await of.make()];
    const [ofGood, ofBad] = await open(`agents/${good.id}`, `agents/${bad.id}`);
    const workflow = await of.makeWorkflow([
      by(good, "hold", "/hang {{what}}"),
      by(bad, "fails", "/fail no luck", { max_retries: 1, depends_on_steps: ["hold"] }),
    ], { variables: [{ name: "what", data_type: "string" }] });
    const execution = await of.execute(workflow.id, { input_variables: { what: "on" } });
    const held = await of.waitForStep(execution, "hold", "running");
    assert.equal((await of.agent(good.id)).status, "busy");
    assert.deepEqual(await of.refused("DELETE", `/agents/${good.id}`), [409, "Cannot delete an agent at which 1 steps run; cancel them first"]);
    assert.equal((await of.step(good.id, "activate")).status, "busy", "it works");
    await sendJson(daemon.url, "POST", `/tasks/${held.task_id}/complete`, { output: "done by hand" });
    await of.over(execution);
    assert.deepEqual([(await of.agent(good.id)).status, (await of.agent(bad.id)).status], ["active", "error"]);
    assert.equal((await of.agent(bad.id)).last_error, "no luck");
    for (const [agent, stream] of [[good, ofGood], [bad, ofBad]]) {
      await of.say(agent.id, { correlation_id: "end" });
      await heard(stream, "end");
    }
    const story = (stream) => stream.events.slice(0, -2).filter(({ event_type }) => event_type.startsWith("agent_")).map(short);
    assert.deepEqual(story(ofGood), [
      ...["idle initializing", "initializing active", "activated", "active busy", "inbound message", "step_started"],
      ...["outbound message", "busy active", "step_completed"],
    ]);
    assert.deepEqual(story(ofBad), ["active busy", "inbound message", "step_started", "retrying", "busy error", "step_failed"]);
    const [asked, said] = ofGood.of("agent_message");
    const step = { type: "step", step_name: "hold", workflow_name: "My Workflow" };
    assert.deepEqual([asked.data.message.payload, said.data.message.payload], [{ ...step, prompt: "/hang on" }, { ...step, output: "done by hand" }]);
    for (const { task_id, run_id, workflow_step_id, data } of [asked, said]) {
      assert.deepEqual([task_id, run_id, workflow_step_id], [held.session_id, held.task_id, workflow.steps[0].id]);
      assert.deepEqual([data.message.task_id, data.message.run_id], [held.session_id, held.task_id]);
    }
    const kept = (await of.get(`/agents/${good.id}/messages`)).items.map(({ id }) => id);
    assert.deepEqual(kept.slice(1, 3), [said.data.message.id, asked.data.message.id]);
    const busy = ofGood.of("agent_status_changed").find(({ data }) => data.status === "busy");
    assert.deepEqual(
      [busy.workflow_id, busy.workflow_execution_id, busy.workflow_step_id, busy.workspace_id, busy.run_id],
      [workflow.id, execution, workflow.steps[0].id, good.workspace_id, held.task_id],
    );
    assert.deepEqual(ofBad.of("agent_status_changed").at(-1).data, { previous_status: "busy", status: "error", error: "no luck" });
    // In error it works again: it is activated first.
    const { done } = await of.run([by(bad, "again")]);
    assert.equal(done.status, "completed");
    assert.equal((await of.agent(bad.id)).status, "active");
  });

  test("two steps at one agent: it is busy until the last of them ends, which says how it is then", async () => {
    const agent = await of.make();
    const [stream] = await open(`agents/${agent.id}`);
    const workflow = await of.makeWorkflow([by(agent, "one", "/hang", { max_retries: 0 }), by(agent, "two", "/hang", { max_retries: 0 })]);
    for (const [first, second, status] of [["fail", "complete", "active"], ["complete", "fail", "error"]]) {
      const execution = await of.execute(workflow.id);
      const [one, two] = await Promise.all(["one", "two"].map((name) => of.waitForStep(execution, name, "running")));
      await sendJson(daemon.url, "POST", `/tasks/${one.task_id}/${first}`, { error: "by hand" });
      await of.waitForStep(execution, "one", { fail: "failed", complete: "completed" }[first]);
      assert.equal((await of.agent(agent.id)).status, "busy");
      await sendJson(daemon.url, "POST", `/tasks/${two.task_id}/${second}`, { error: "by hand" });
      await of.over(execution);
      assert.equal((await of.agent(agent.id)).status, status);
    }
    await of.say(agent.id, { correlation_id: "end" });
    await heard(stream, "end");
    assert.deepEqual(statuses(stream), ["active busy", "busy active", "active busy", "busy error"]);
  });

  test("S3-29 a cancelled step leaves its agent active; who was moved meanwhile stays as somebody said", async () => {
    const [left, moved] = [await of.make(), await of.make()];
    const workflow = await of.makeWorkflow([by(left, "one", "/hang"), by(moved, "two", "/hang")]);
    const execution = await of.execute(workflow.id);
    for (const name of ["one", "two"]) await of.waitForStep(execution, name, "running");
    await of.step(moved.id, "shutdown");
    await of.good("POST", `/workflows/executions/${execution}/cancel`);
    assert.deepEqual([(await of.agent(left.id)).status, (await of.agent(moved.id)).status], ["active", "offline"]);
  });

  test("a step that names another workspace's agent neither moves it nor tells of it", async () => {
    const { id } = await of.good("POST", "/workspaces", { name: "Theirs", slug: "theirs" }, 201);
    const theirs = agents(daemon.url, { "x-workspace-id": id });
    const agent = await theirs.make();
    const [stream] = await open(`agents/${agent.id}`);
    const { done } = await of.run([by(agent, "a")]);
    assert.equal(done.status, "completed");
    await theirs.say(agent.id, { correlation_id: "end" });
    await heard(stream, "end");
    assert.deepEqual(stream.events.map(({ event_type }) => event_type), ["step_started", "step_completed", "agent_message", "agent_activity"]);
    assert.equal((await theirs.agent(agent.id)).status, "active");
  });

  test("after kill -9 an agent is as the steps at it are, and what was told before is told to who comes back", async () => {
    const [once, twice] = [await of.make({ name: "once" }), await of.make({ name: "twice" })];
    await of.say(once.id, { payload: { kept: true } });
    const workflow = await of.makeWorkflow([by(once, "once", "/hang", { max_retries: 0 }), by(twice, "twice", "/hang", { max_retries: 1 })]);
    const execution = await of.execute(workflow.id);
    for (const name of ["once", "twice"]) await of.waitForStep(execution, name, "running");
    const [before] = await open(`agents/${once.id}?since=0`);
    await until(() => before.types().includes("step_started"), "what was told is told");
    await daemon.restart("SIGKILL");
    await of.waitForStep(execution, "once", "failed");
    const { status, last_error } = await of.agent(once.id);
    assert.deepEqual([status, last_error], ["error", "interrupted by a restart"]);
    assert.equal((await of.agent(twice.id)).status, "busy", "it is tried again");
    await of.good("POST", `/workflows/executions/${execution}/cancel`);
    assert.equal((await of.agent(twice.id)).status, "active");
    assert.deepEqual((await of.get(`/agents/${once.id}/messages`)).items.map(({ payload }) => payload.kept ?? payload.type), ["step", true, "registered"]);
    const [afterwards, other] = await open(`agents/${once.id}?since=0`, `agents/${twice.id}?since=0`);
    await until(() => afterwards.types().includes("step_failed") && other.types().includes("step_failed"), "all is told");
    await until(() => statuses(afterwards).includes("busy error") && statuses(other).includes("busy active"), "all is told");
    assert.deepEqual(afterwards.events.slice(0, before.events.length), before.events);
    assert.deepEqual(statuses(afterwards), ["idle initializing", "initializing active", "active busy", "busy error"]);
    assert.deepEqual(statuses(other), ["idle initializing", "initializing active", "active busy", "busy active"]);
  });
});

onEveryDatabase("What MGX's agents are told of private work", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { CALLS_PER_SEC: "0" } })));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("a message that names a task is for who sees the task; to others the task is not there", async () => {
    const people = await register(daemon.url, ["admin", "ann", "bob"]);
    const as = (name) => agents(daemon.url, { authorization: `Bearer ${people[name].token}` });
    const [ann, bob, admin] = [as("ann"), as("bob"), as("admin")];
    const post = async (path, data) => {
      const headers = { authorization: `Bearer ${people.ann.token}`, "content-type": "application/json" };
      return (await fetch(daemon.url + path, { method: "POST", headers, body: JSON.stringify(data) })).json();
    };
    const { board_id } = await post("/boards", { name: "secret", visibility: "private" });
    const [secret, open] = [await post("/sessions", { board_id }), await post("/sessions", {})].map(({ session_id }) => session_id);
    const runs = { [secret]: (await post("/tasks", { session_id: secret })).task_id, [open]: (await post("/tasks", { session_id: open })).task_id };
    const agent = await bob.make();
    const streams = await Promise.all(["ann", "bob", "admin"].map((name) => watch(daemon.url, `agents/${agent.id}?token=${people[name].token}`)));
    const path = `/agents/${agent.id}/messages`;
    // For Bob what is Ann's is as if it were not there.
    for (const data of [{ task_id: secret }, { task_id: "nobody" }]) assert.deepEqual(await bob.refused("POST", path, data), [404, "Task not found"]);
    for (const data of [{ run_id: runs[secret] }, { run_id: "nobody" }, { task_id: open, run_id: runs[secret] }]) {
      assert.deepEqual(await bob.refused("POST", path, data), [404, "Run not found"]);
    }
    assert.deepEqual(await ann.refused("POST", path, { task_id: open, run_id: runs[secret] }), [404, "Run not found: it is another task's"]);
    const hidden = await ann.say(agent.id, { run_id: runs[secret], payload: { secret: "psst" }, correlation_id: "hidden" });
    assert.deepEqual([hidden.task_id, hidden.run_id], [secret, runs[secret]]);
    await ann.say(agent.id, { task_id: open, correlation_id: "open" });
    await bob.say(agent.id, { correlation_id: "end" });
    for (const [index, stream] of streams.entries()) {
      await heard(stream, "end");
      const told = [...(index === 1 ? [] : ["hidden"]), "open", "end"];
      assert.deepEqual(stream.of("agent_message").map(({ data }) => data.message.correlation_id), told);
      assert.deepEqual(stream.of("agent_activity").map(({ data }) => data.correlation_id), told);
      assert.equal(JSON.stringify(stream.events).includes("psst"), index !== 1);
    }
    const [{ task_id, run_id }] = streams[0].of("agent_message");
    assert.deepEqual([task_id, run_id], [secret, runs[secret]]);
    const listed = async (who) => (await who.get(path)).items.map(({ correlation_id }) => correlation_id);
    assert.deepEqual(await listed(ann), ["end", "open", "hidden", null]);
    assert.deepEqual(await listed(admin), await listed(ann));
    assert.deepEqual(await listed(bob), ["end", "open", null]);
    assert.equal((await bob.get(path)).total, 3);
    // What is gone is nobody's but the admins'.
    await fetch(`${daemon.url}/sessions/${secret}`, { method: "DELETE", headers: { authorization: `Bearer ${people.ann.token}` } });
    assert.deepEqual(await listed(bob), ["end", "open", null]);
    assert.deepEqual(await listed(admin), ["end", "open", "hidden", null]);
  });
});
