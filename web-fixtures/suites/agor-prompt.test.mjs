// Agor's V01 user interface and command line from a new session to the finished answer, call for call.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Page, assertShowable, connected, createClient } from "../support/agor.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { closeAll, soon } from "../support/wait.mjs";

onEveryDatabase("Agor's prompts", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** Waits until a page shows that a task is over. */
  const over = (page, taskId) =>
    page.until(
      () => page.lists.tasks.some(({ task_id, status }) => task_id === taskId && status === "completed"),
      "the page shows the task completed",
    );

  /** What the drawer of a session asks for when it opens. */
  const drawer = async (page, session_id) => {
    const query = { session_id, $limit: 1000 };
    const messages = await page.client.service("messages").find({ query: { ...query, $sort: { index: 1 } } });
    const tasks = await page.client.service("tasks").find({ query: { ...query, $sort: { created_at: 1 } } });
    return { messages: messages.data, tasks: tasks.data };
  };

  test("a session is made on a board, asked, and answered on every page", async () => {
    const [page, other] = [await Page.open(daemon.url), await Page.open(daemon.url)];
    const [{ board_id }] = page.lists.boards;
    const session = await page.client.service("sessions").create({ agent: "claude-code", description: "ask me" });
    await page.client.service(`boards/${board_id}/sessions`).create({ sessionId: session.session_id });
    assert.deepEqual(await drawer(page, session.session_id), { messages: [], tasks: [] });

    const prompts = page.client.service(`sessions/${session.session_id}/prompt`);
    const { taskId, status } = await prompts.create({ prompt: "What is this?" });
    assert.equal(status, "running");
    await Promise.all([over(page, taskId), over(other, taskId)]);

    // What the drawer keeps from events is what it finds when it is opened anew.
    const fresh = await drawer(other, session.session_id);
    for (const one of [page, other]) {
      const shown = one.lists.messages.filter(({ session_id }) => session_id === session.session_id);
      assert.deepEqual(shown, fresh.messages);
      assert.deepEqual(one.lists.tasks.filter(({ session_id }) => session_id === session.session_id), fresh.tasks);
    }
    for (const message of fresh.messages) assertShowable("messages", message);
    // Only messages of a task that is listed are shown.
    assert.ok(fresh.messages.every(({ task_id }) => task_id === fresh.tasks[0].task_id));
    const [asked, ...answered] = fresh.messages;
    assert.deepEqual([asked.role, asked.content], ["user", "What is this?"]);
    assert.ok(answered.some(({ role }) => role === "assistant"));
    // The heads of records are counted as they are.
    await page.until(
      () => page.lists.sessions.some((one) => one.session_id === session.session_id && one.status === "idle"),
      "the session is idle",
    );
    const head = page.lists.sessions.find(({ session_id }) => session_id === session.session_id);
    assert.deepEqual([head.message_count, head.tasks], [fresh.messages.length, [taskId]]);
  });

  for (const how of ["fork", "spawn"]) {
    test(`what a ${how} button makes is asked like any other, and its parent is left alone`, async () => {
      const page = await Page.open(daemon.url);
      const parent = await page.client.service("sessions").create({ agent: "claude-code" });
      const first = await page.client.service(`sessions/${parent.session_id}/prompt`).create({ prompt: "the parent" });
      await over(page, first.taskId);
      const path = `/sessions/${parent.session_id}/${how}`;
      const { json: child } = await sendJson(daemon.url, "POST", path, { prompt: "the child", task_id: first.taskId });
      assert.deepEqual([child.status, child.tasks, child.message_count], ["idle", [], 0]);
      const second = await page.client.service(`sessions/${child.session_id}/prompt`).create({ prompt: "the child" });
      await over(page, second.taskId);
      const { messages } = await drawer(page, child.session_id);
      assert.deepEqual(messages.map(({ index }) => index), messages.map((_, index) => index));
      assert.equal(messages[0].content, "the child");
      assert.deepEqual((await http(daemon.url, `/sessions/${parent.session_id}`)).json.tasks, [first.taskId]);
    });
  }

  test("the button says what is wrong", async () => {
    const page = await Page.open(daemon.url);
    const { session_id } = await page.client.service("sessions").create({});
    await assert.rejects(page.client.service(`sessions/${session_id}/prompt`).create({ prompt: "" }), { message: "Prompt required" });
    await assert.rejects(page.client.service("sessions/nobody/prompt").create({ prompt: "x" }), { code: 404 });
  });

  test("a command that leaves at once has asked all the same", async () => {
    const client = createClient(daemon.url);
    await connected(client);
    const { session_id } = await client.service("sessions").create({});
    const { taskId } = await client.service(`sessions/${session_id}/prompt`).create({ prompt: "bye" });
    client.io.close();
    const task = async () => (await http(daemon.url, `/tasks/${taskId}`)).json;
    await soon(
      (async () => {
        while ((await task()).status !== "completed") await new Promise((resolve) => setTimeout(resolve, 20));
      })(),
      "the task is completed",
    );
    const { data } = (await http(daemon.url, `/sessions?$limit=50&$sort[created_at]=-1`)).json;
    assert.ok(data.some((session) => session.session_id === session_id));
  });
});
