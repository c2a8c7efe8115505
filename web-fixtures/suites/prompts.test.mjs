// Prompts: asked through any door, run in the background, watched by everybody who may.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll } from "../support/wait.mjs";

/** The text of a message. */
const said = (content) =>
  typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("");

onEveryDatabase("Prompts", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Viewer} */
  let viewer;
  before(async () => {
    daemon = await Daemon.start(database);
    viewer = await Viewer.open(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** A REST call; the status and the JSON. */
  async function post(path, data) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(daemon.url + path, { method: "POST", headers, body: JSON.stringify(data) });
    return { status: response.status, body: await response.json() };
  }

  test("S2-11 to S2-15, S2-24: a prompt is answered at once, and runs while three viewers watch", async () => {
    const polling = await Viewer.open(daemon.url, { transports: ["polling"] });
    const session = await viewer.create("sessions", { description: "watched" });
    const { seq: since } = await (await fetch(`${daemon.url}/health`)).json();
    const { status, body } = await post(`/sessions/${session.session_id}/prompt`, { prompt: "Hello there" });
    assert.equal(status, 201);
    const { taskId } = body;
    assert.deepEqual(body, { success: true, taskId, status: "running", streaming: true });
    const late = await Viewer.open(daemon.url, { auth: { since } });
    for (const one of [viewer, polling, late]) await one.idle(session.session_id);

    const story = viewer.story(session.session_id);
    const kinds = story.map(({ event, record }) => (record.status ? `${event} ${record.status}` : event));
    assert.deepEqual(kinds.slice(0, 3), ["tasks created running", "sessions patched running", "messages created"]);
    assert.deepEqual(kinds.slice(-2), ["tasks patched completed", "sessions patched idle"]);
    // Both viewers were told the same, in the same order; the late one what is in the log.
    assert.deepEqual(polling.story(session.session_id), story);
    const logged = (items) => items.filter(({ event }) => !/streaming:|thinking:/.test(event));
    assert.deepEqual(logged(late.story(session.session_id)), logged(story));

    // What grew became a message with the same id, and the same text.
    const messages = story.filter(({ event }) => event === "messages created").map(({ record }) => record);
    assert.deepEqual(messages.map(({ index }) => index), messages.map((_, index) => index));
    assert.deepEqual(new Set(messages.map(({ task_id }) => task_id)), new Set([taskId]));
    assert.deepEqual([messages[0].type, messages[0].role, messages[0].content], ["user", "user", "Hello there"]);
    let streamed = 0;
    for (const { message_id, content } of messages) {
      const deltas = story.filter(({ event, record }) => /streaming:/.test(event) && record.message_id === message_id);
      if (!deltas.length) continue;
      streamed += 1;
      const names = deltas.map(({ event }) => event.replace("messages streaming:", ""));
      assert.deepEqual([names[0], names.at(-1)], ["start", "end"]);
      assert.deepEqual(new Set(names.slice(1, -1)), new Set(["chunk"]));
      assert.equal(deltas[0].record.role, "assistant");
      assert.equal(deltas[0].record.task_id, taskId);
      assert.equal(deltas.map(({ record }) => record.chunk ?? "").join(""), said(content));
      const created = story.findIndex(({ event, record }) => event === "messages created" && record.message_id === message_id);
      assert.ok(created > story.indexOf(deltas.at(-1)), "created comes after the end of its stream");
    }
    assert.ok(streamed > 0, "something was streamed");
    for (const event of ["messages thinking:start", "messages thinking:chunk", "messages thinking:end", "tasks thinking:chunk", "tasks tool:start", "tasks tool:complete"])
      assert.ok(story.some((item) => item.event === event), event);

    // The counters are what happened.
    const task = story.at(-2).record;
    const uses = story.filter(({ event }) => event === "tasks tool:start");
    assert.equal(task.tool_use_count, uses.length);
    assert.equal(task.model, "echo");
    assert.ok(task.duration_ms >= 0 && task.usage.output > 0);
    assert.deepEqual([task.message_range.start_index, task.message_range.end_index], [0, messages.length]);
    const ended = story.at(-1).record;
    assert.deepEqual(
      [ended.message_count, ended.tool_use_count, ended.tasks, ended.ready_for_prompt],
      [messages.length, uses.length, [taskId], true],
    );
    assert.ok(ended.sdk_session_id, "the agent's own session is known");
  });

  test("a run that is stopped keeps what was said", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const nothing = await viewer.create(`sessions/${session_id}/stop`, {});
    assert.deepEqual(nothing, { success: false, reason: "Session is not running (status: idle)" });
    const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/slow 1 /long 1000000" });
    const chunks = () => viewer.story(session_id).filter(({ event }) => event === "messages streaming:chunk");
    await viewer.until(() => chunks().length > 30, "hears a long text");
    assert.deepEqual(await viewer.create(`sessions/${session_id}/stop`, {}), { success: true });
    await viewer.idle(session_id);
    const story = viewer.story(session_id);
    const statuses = story.filter(({ event }) => event === "tasks patched").map(({ record }) => record.status);
    assert.deepEqual([...new Set(statuses)].slice(-2), ["stopping", "stopped"]);
    const last = story.findLast(({ event }) => event === "messages created").record;
    const grown = chunks().filter(({ record }) => record.message_id === last.message_id);
    assert.equal(said(last.content), grown.map(({ record }) => record.chunk).join(""));
    assert.equal((await viewer.get("tasks", taskId)).status, "stopped");
    // The session goes on.
    await viewer.run(session_id, "again");
  });

  test("prompts wait in a queue, which everybody sees, and run one after another", async () => {
    const { session_id } = await viewer.create("sessions", {});
    await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/hang" });
    const path = `sessions/${session_id}/messages/queue`;
    for (const prompt of ["one", "two", "three"]) {
      const { success, message } = await viewer.create(path, { prompt });
      assert.equal(success, true);
      assert.deepEqual([message.content, message.status, message.index], [prompt, "queued", -1]);
      await viewer.hears("messages queued", { message_id: message.message_id });
    }
    const queue = await viewer.find(path);
    assert.deepEqual([queue.total, queue.data.map(({ queue_position }) => queue_position)], [3, [1, 2, 3]]);
    // One is taken back.
    await viewer.remove("messages", queue.data[1].message_id);
    await viewer.create(`sessions/${session_id}/stop`, {});
    await viewer.idle(session_id, 3);
    const asked = viewer.story(session_id).filter(({ event, record }) => event === "messages created" && record.role === "user" && typeof record.content === "string");
    assert.deepEqual(asked.map(({ record }) => record.content), ["/hang", "one", "three"]);
  });

  test("two prompts on one session run one after the other", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const path = `sessions/${session_id}/prompt`;
    const [first, second] = await Promise.all([
      viewer.create(path, { prompt: "first" }),
      viewer.create(path, { prompt: "second" }),
    ]);
    assert.deepEqual([first.status, second.status], ["running", "created"]);
    await viewer.idle(session_id, 2);
    const created = viewer.story(session_id).filter(({ event }) => event === "messages created").map(({ record }) => record.task_id);
    assert.deepEqual([...new Set(created)], [first.taskId, second.taskId]);
    assert.deepEqual(created, created.toSorted((a, b) => (a === b ? 0 : a === first.taskId ? -1 : 1)), "one after the other");
    const tasks = await viewer.find("tasks", { session_id, $sort: { created_at: 1 } });
    assert.deepEqual(tasks.data.map(({ status }) => status), ["completed", "completed"]);
    assert.deepEqual((await viewer.get("sessions", session_id)).tasks, [first.taskId, second.taskId]);
  });

  test("a prompt that fails says why, and the session goes on", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/fail no more tokens" });
    await viewer.idle(session_id);
    const task = await viewer.get("tasks", taskId);
    assert.deepEqual([task.status, task.error], ["failed", "no more tokens"]);
    await viewer.run(session_id, "again");
  });

  test("an agent asks for permission and goes on as it is decided", async () => {
    for (const [allow, status] of [[true, "approved"], [false, "denied"]]) {
      const { session_id } = await viewer.create("sessions", {});
      const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/ask" });
      const asked = await viewer.hears("sessions permission:request", { sessionId: session_id });
      assert.equal(asked.taskId, taskId);
      assert.equal((await viewer.get("tasks", taskId)).status, "awaiting_permission");
      assert.equal((await viewer.get("sessions", session_id)).status, "awaiting_permission");
      const question = await viewer.hears("messages created", { session_id, type: "permission_request" });
      assert.deepEqual([question.content.request_id, question.content.status], [asked.requestId, "pending"]);
      const decision = { requestId: asked.requestId, taskId, allow, remember: false, scope: "once", decidedBy: "ann" };
      const path = `sessions/${session_id}/permission-decision`;
      assert.deepEqual(await viewer.create(path, { ...decision, requestId: "another" }), { success: true });
      assert.deepEqual(await viewer.create(path, decision), { success: true });
      await viewer.idle(session_id);
      const decided = await viewer.get("messages", question.message_id);
      assert.deepEqual([decided.content.status, decided.content.decided_by], [status, "ann"]);
      assert.equal((await viewer.get("tasks", taskId)).status, "completed");
    }
  });

  test("fifty sessions run at once", async () => {
    const sessions = await Promise.all(Array.from({ length: 50 }, () => viewer.create("sessions", {})));
    await Promise.all(sessions.map(({ session_id }) => viewer.create(`sessions/${session_id}/prompt`, { prompt: "all at once" })));
    await Promise.all(sessions.map(({ session_id }) => viewer.idle(session_id)));
    const stories = sessions.map(({ session_id }) => viewer.story(session_id).map(({ event, record }) => [event, record.chunk, record.index]));
    for (const story of stories) assert.deepEqual(story, stories[0]);
  });

  test("a session that is removed while it runs takes everything with it", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/hang" });
    await viewer.hears("messages streaming:chunk", { session_id });
    await viewer.remove("sessions", session_id);
    const story = viewer.story(session_id);
    const removed = story.filter(({ event }) => / removed$/.test(event)).map(({ event }) => event);
    const messages = story.filter(({ event }) => event === "messages created").map(() => "messages removed");
    assert.deepEqual(removed.sort(), [...messages, "sessions removed", "tasks removed"]);
    await assert.rejects(viewer.get("tasks", taskId), { code: 404 });
    // It hears of it, and the daemon goes on.
    const other = await viewer.create("sessions", {});
    await viewer.run(other.session_id, "still here");
  });

  test("a task that somebody ends while it runs stays as they said, and runs no more", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/hang" });
    await viewer.hears("messages streaming:chunk", { session_id });
    await viewer.create(`tasks/${taskId}/complete`, {});
    await viewer.idle(session_id);
    assert.equal((await viewer.get("tasks", taskId)).status, "completed");
  });

  test("what ran when the daemon was killed has failed, and the queue goes on", async () => {
    const { session_id } = await viewer.create("sessions", {});
    const { taskId } = await viewer.create(`sessions/${session_id}/prompt`, { prompt: "/hang" });
    await viewer.create(`sessions/${session_id}/messages/queue`, { prompt: "after the restart" });
    const { seq: since } = await (await fetch(`${daemon.url}/health`)).json();
    await viewer.close();
    await daemon.restart("SIGKILL");
    viewer = await Viewer.open(daemon.url, { auth: { since } });
    await viewer.idle(session_id, 2);
    const task = await viewer.get("tasks", taskId);
    assert.deepEqual([task.status, task.error], ["failed", "interrupted by a restart"]);
    const tasks = await viewer.find("tasks", { session_id, status: "completed" });
    assert.deepEqual(tasks.data.map(({ full_prompt }) => full_prompt), ["after the restart"]);
  });

  test("what cannot be run is refused", async () => {
    const { session_id } = await viewer.create("sessions", {});
    for (const data of [{}, { prompt: "" }, { prompt: "  " }, { prompt: 7 }, null, []]) {
      await assert.rejects(viewer.create(`sessions/${session_id}/prompt`, data), { code: 400, message: "Prompt required" });
      await assert.rejects(viewer.create(`sessions/${session_id}/messages/queue`, data), { code: 400 });
    }
    for (const route of ["prompt", "stop", "messages/queue"])
      await assert.rejects(viewer.create(`sessions/nope/${route}`, { prompt: "x" }), { code: 404 });
    await assert.rejects(viewer.create(`sessions/${session_id}/permission-decision`, {}), { code: 400 });
    assert.equal((await viewer.find("tasks", { session_id })).total, 0);
  });
});
