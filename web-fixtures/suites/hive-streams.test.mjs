// Streams that prompts name: what is told of a run is told there, and found there in the log.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import { rest } from "../support/agrenting.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, tell } from "../support/hive.mjs";
import { connect, NEWEST, tool } from "../support/mcp.mjs";
import { register } from "../support/people.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll, keep, until } from "../support/wait.mjs";
import { task as step, workflows } from "../support/workflows.mjs";

const fresh = (name) => `${name}-${crypto.randomUUID()}`;
const seqs = (events) => events.map(({ seq }) => seq);

/** What the log's stream carries up to an event. */
async function streamed(url, query, last) {
  const source = new EventSource(`${url}/events?since=0&${query}`);
  keep(() => source.close());
  const events = [];
  source.onmessage = ({ data }) => events.push(JSON.parse(data));
  await until(() => events.at(-1)?.seq === last, `the stream of ${query} reaches ${last}`);
  source.close();
  return events;
}

onEveryDatabase("Streams that are named", (database) => {
  /** @type {Daemon} */
  let daemon;
  let at;
  before(async () => {
    daemon = await Daemon.start(database);
    at = rest(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const session = async (more = {}) => (await at.post("/sessions", more)).session_id;
  const isOver = ({ types }) => types.includes("execution_completed");

  test("S4-3 S4-12 a prompt's run is told in the stream that it names, and not in its session's", async () => {
    const session_id = await session();
    const stream_id = fresh("webhook");
    const [named, plain] = [await Watcher.of(daemon.url, { stream_id }), await Watcher.of(daemon.url, { stream_id: session_id })];
    const viewer = await Viewer.open(daemon.url);
    const client = await connect(daemon.url, NEWEST);
    const ways = [
      (data) => at.post(`/sessions/${session_id}/prompt`, data),
      (data) => viewer.create(`sessions/${session_id}/prompt`, data),
      async ({ prompt, stream_id }) => (await tool(client, "send_prompt", { session_id, prompt, stream_id })).answer,
    ];
    const tasks = [];
    for (const [n, way] of ways.entries()) {
      const { taskId } = await way({ prompt: `Hello ${n}`, stream_id });
      const ends = () => named.events.filter(({ type }) => type === "execution_completed").length;
      await until(() => ends() === n + 1, "the run is over");
      tasks.push(taskId);
      assert.equal((await at.get(`/tasks/${taskId}`)).stream_id, stream_id);
    }
    for (const [n, taskId] of tasks.entries()) {
      const own = named.events.filter(({ execution_id }) => execution_id === taskId);
      const types = own.map(({ type }) => type);
      assert.deepEqual([types[0], types.at(-1)], ["execution_started", "execution_completed"]);
      assert.ok(types.slice(1, -1).length > 1 && types.slice(1, -1).every((type) => type === "custom"), String(types));
      assert.ok(own.every((event) => event.stream_id === stream_id && event.data.stream_id === stream_id));
      assert.deepEqual(own[0].data.input_data, { prompt: `Hello ${n}` });
    }
    // The next that names none is its session's.
    const { taskId } = await at.post(`/sessions/${session_id}/prompt`, { prompt: "Hello" });
    await until(() => isOver(plain), "the run is over");
    assert.deepEqual([...new Set(plain.events.map(({ execution_id }) => execution_id))], [taskId]);
    const again = await Watcher.of(daemon.url, { stream_id, since: "0" });
    await again.has(named.events.length);
    assert.deepEqual(again.events, named.events);
    assert.equal((await at.get(`/tasks/${taskId}`)).stream_id, undefined);
  });

  test("a plan that is made, waits over a restart and is approved is told in the stream that is named", async () => {
    const own = await Daemon.start(database);
    try {
      const here = rest(own.url);
      const { session_id } = await here.post("/sessions", {});
      const stream_id = fresh("planned");
      const { taskId } = await here.post(`/sessions/${session_id}/prompt`, { prompt: "Plan it", plan: true, stream_id });
      const before = await Watcher.of(own.url, { stream_id, since: "0" });
      await until(() => before.types.includes("execution_paused"), "the plan waits");
      await own.restart();
      const named = await Watcher.of(own.url, { stream_id, since: "0" });
      await until(() => named.types.includes("execution_paused"), "it still does");
      await here.post(`/tasks/${taskId}/approve`, { approved: true });
      await until(() => isOver(named), "it is carried out");
      const types = named.types.filter((type) => type !== "custom");
      assert.deepEqual(types, ["execution_started", "execution_paused", "execution_resumed", "execution_completed"]);
    } finally {
      await closeAll();
      await own.stop();
    }
  });

  test("tasks that run elsewhere name streams, too, and keep them to the end", async () => {
    const session_id = await session();
    const stream_id = fresh("elsewhere");
    const [named, plain] = [await Watcher.of(daemon.url, { stream_id }), await Watcher.of(daemon.url, { stream_id: session_id })];
    const { task_id } = await at.post("/tasks", { session_id, status: "running", stream_id });
    await at.patch(`/tasks/${task_id}`, { progress_percent: 50, stream_id: "another" });
    await at.post("/messages", { session_id, task_id, content: "Said" });
    await at.post("/messages/bulk", [{ session_id, task_id, content: "Said" }, { session_id, content: "Said besides" }]);
    // So is what an agent says of it.
    const agent = await at.post("/api/agents/", { definition_slug: "default", name: fresh("agent") });
    await at.post(`/api/agents/${agent.id}/messages`, { payload: { text: "Said" }, run_id: task_id });
    await at.remove(`/sessions/${session_id}`);
    await until(() => named.types.includes("execution_failed"), "it is over");
    const customs = named.events.filter(({ type }) => type === "custom").map(({ data }) => data.name);
    assert.deepEqual(customs, ["message", "message", "agent_message", "agent_activity"]);
    assert.deepEqual(named.types.filter((type) => type !== "custom"), ["execution_started", "goal_progress", "execution_failed"]);
    assert.equal(named.events.at(-1).data.error, "cancelled");
    await plain.has(1);
    assert.deepEqual(plain.events.map(({ data }) => data.message.content), ["Said besides"]);
  });

  test("a stream is kept in the queue and over kill -9", async () => {
    const killed = await Daemon.start(database);
    try {
      const here = rest(killed.url);
      const { session_id } = await here.post("/sessions", {});
      const [first, second, third] = ["first", "second", "third"].map(fresh);
      const running = await here.post(`/sessions/${session_id}/prompt`, { prompt: "/hang", stream_id: first });
      const waiting = await here.post(`/sessions/${session_id}/prompt`, { prompt: "Waits", stream_id: second });
      assert.equal(waiting.status, "created");
      await here.post(`/sessions/${session_id}/messages/queue`, { prompt: "Waits, too", stream_id: third });
      await killed.restart("SIGKILL");
      const watchers = await Promise.all([first, second, third].map((stream_id) => Watcher.of(killed.url, { stream_id, since: "0" })));
      await until(() => watchers[2].types.includes("execution_completed"), "the last is over");
      await until(() => isOver(watchers[1]), "the second is over");
      const [told, , last] = watchers.map(({ events }) => events);
      assert.deepEqual([told[0].execution_id, told.at(-1).type, told.at(-1).data.error], [running.taskId, "execution_failed", "interrupted by a restart"]);
      assert.ok(watchers[1].events.every(({ execution_id }) => execution_id === waiting.taskId));
      assert.deepEqual(last[0].data.input_data, { prompt: "Waits, too" });
    } finally {
      await closeAll();
      await killed.stop();
    }
  });

  test("what is no stream's name is refused, and nothing runs", async () => {
    const session_id = await session();
    for (const stream_id of ["", "x".repeat(256), "a\0b", 7, true, {}, []]) {
      for (const path of [`/sessions/${session_id}/prompt`, `/sessions/${session_id}/messages/queue`]) {
        const { status, body } = await at.send("POST", path, { prompt: "Hello", stream_id });
        assert.deepEqual([status, body.className, body.data], [400, "bad-request", { field: "stream_id" }], JSON.stringify(stream_id));
        assert.match(body.message, /`stream_id` must be a text of 1 to 255 characters/);
      }
      assert.equal((await at.send("POST", "/tasks", { session_id, stream_id })).status, 400);
    }
    assert.equal((await at.get(`/tasks?session_id=${session_id}`)).total, 0);
    const stream_id = "🐝".repeat(255);
    const watcher = await Watcher.of(daemon.url, { stream_id });
    await at.post(`/sessions/${session_id}/prompt`, { prompt: "Hello", stream_id });
    await until(() => isOver(watcher), "the longest name is one");
    const { total } = await at.get(`/events?stream=${encodeURIComponent(stream_id)}`);
    assert.ok(total > 3, "and is found");
  });

  test("the log is asked for streams, workflows, executions, steps and workspaces", async () => {
    const stream = fresh("log");
    const of = workflows(daemon.url);
    const { workflow, done } = await of.run([step("one"), step("two")], {}, { stream_id: stream });
    await tell(daemon.url, { type: "custom", stream_id: stream, execution_id: done.id, data: {} });
    const all = (await at.get("/events?$limit=1000")).data;
    const [{ id }] = workflow.steps;
    const kinds = { stream, workflow: workflow.id, execution: done.id, step: id, workspace: workflow.workspace_id };
    for (const [kind, id] of Object.entries(kinds)) {
      const { data } = await at.get(`/events?${kind}=${id}&$limit=1000`);
      const expected = all.filter(({ topics }) => topics.includes(`${kind}:${id}`));
      assert.ok(expected.length > 1, kind);
      assert.deepEqual(seqs(data).slice(0, expected.length), seqs(expected), kind);
      assert.ok(data.every(({ topics }) => topics.includes(`${kind}:${id}`)));
      const carried = await streamed(daemon.url, `${kind}=${id}`, data.at(-1).seq);
      assert.deepEqual(seqs(carried), seqs(data), kind);
    }
    const { data } = await at.get(`/events?stream=${stream}&name=workflow_started&workflow=${workflow.id}`);
    assert.deepEqual(data.map(({ data }) => data.workflow_name), ["My Workflow"]);
    const client = await connect(daemon.url, NEWEST);
    const { answer } = await tool(client, "read_events", { since: "0", stream, execution: done.id, limit: 1000 });
    assert.deepEqual(seqs(answer.events), seqs((await at.get(`/events?stream=${stream}&execution=${done.id}&$limit=1000`)).data));
  });
});

onEveryDatabase("Streams that are named, where callers log in", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** Each one's calls. */
  const by = {};
  let people;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { CALLS_PER_SEC: "0" } });
    people = await register(daemon.url, ["admin", "ann", "bob"]);
    for (const [name, { token }] of Object.entries(people)) by[name] = rest(daemon.url, token);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** Watches with a token for these streams. */
  async function watch(name, streams, filters = {}) {
    const { token } = await by[name].post("/hive/tokens", { streams });
    const watcher = await Watcher.open(daemon.url);
    assert.equal((await watcher.ask({ action: "auth", token })).type, "authenticated");
    await watcher.subscribe(filters);
    return watcher;
  }

  test("S4-35 a token for the stream shows it; one for the session does not; nobody sees more than they may", async () => {
    const { board_id } = await by.ann.post("/boards", { name: "Hers", visibility: "private" });
    const { session_id } = await by.ann.post("/sessions", { board_id });
    const stream_id = fresh("shared");
    const [hers, sessions, his] = [
      await watch("ann", [stream_id], { stream_id }),
      await watch("ann", [session_id]),
      await watch("bob", ["*"], { stream_id }),
    ];
    const { taskId } = await by.ann.post(`/sessions/${session_id}/prompt`, { prompt: "Hello", stream_id });
    await until(() => hers.types.includes("execution_completed"), "she is told");
    assert.ok(hers.events.every(({ execution_id }) => execution_id === taskId));
    // He may use the same stream, and is told what is his.
    const own = (await by.bob.post("/sessions", {})).session_id;
    const task = (await by.bob.post(`/sessions/${own}/prompt`, { prompt: "Hello", stream_id })).taskId;
    await until(() => his.types.includes("execution_completed"), "he is told of his own");
    assert.deepEqual([...new Set(his.events.map(({ execution_id }) => execution_id))], [task]);
    await by.ann.post("/messages", { session_id, content: "Said in the session" });
    await sessions.has(1);
    assert.deepEqual(sessions.events.map(({ data }) => data.message.content), ["Said in the session"]);
    // Nor does he find hers in the log, by whatever name.
    const query = `/events?stream=${stream_id}&$limit=1000`;
    const [found, seen] = [(await by.bob.get(query)).data, (await by.ann.get(query)).data];
    assert.ok(found.length > 3 && found.every(({ topics }) => topics.includes(`task:${task}`)));
    assert.ok(seen.some(({ topics }) => topics.includes(`task:${taskId}`)));
    const carried = await streamed(daemon.url, `stream=${stream_id}&token=${people.bob.token}`, found.at(-1).seq);
    assert.deepEqual(seqs(carried), seqs(found));
  });

  test("a message that names somebody else's task says nothing of its stream", async () => {
    const { board_id } = await by.ann.post("/boards", { name: "Hers, too", visibility: "private" });
    const { session_id } = await by.ann.post("/sessions", { board_id });
    const stream_id = fresh("secret");
    const { task_id } = await by.ann.post("/tasks", { session_id, status: "running", stream_id });
    const own = (await by.bob.post("/sessions", {})).session_id;
    const watcher = await watch("bob", ["*"]);
    const { status } = await by.bob.send("POST", "/messages", { session_id: own, task_id, content: "Whose?" });
    assert.equal(status, 201);
    await by.bob.post("/messages", { session_id: own, content: "The last" });
    await until(() => watcher.events.some(({ data }) => data.message?.content === "The last"), "the last is told");
    assert.ok(!JSON.stringify(watcher.frames).includes(stream_id));
    const { data } = await by.bob.get(`/events?session=${own}`);
    assert.ok(data.length > 1 && !JSON.stringify(data).includes(stream_id));
  });
});
