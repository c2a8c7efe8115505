// What people and agents do to prompts that they should not, or at the worst moment.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase, sqlite } from "../support/databases.mjs";
import { register } from "../support/people.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll } from "../support/wait.mjs";

onEveryDatabase("Prompts at the worst moment", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Viewer} */
  let viewer;
  before(async () => {
    daemon = await Daemon.start(database, { forgives: /could not be begun with/ });
    viewer = await Viewer.open(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const session = async () => (await viewer.create("sessions", {})).session_id;
  const ask = (id, prompt) => viewer.create(`sessions/${id}/prompt`, { prompt });
  /** A prompt that runs until it is stopped. */
  const hang = async (id) => {
    const { taskId } = await ask(id, "/hang");
    await viewer.hears("messages streaming:chunk", { session_id: id });
    return taskId;
  };

  test("nobody puts a message into a queue but by the queue", async () => {
    const id = await session();
    const message = { session_id: id, content: "x", status: "queued" };
    await assert.rejects(viewer.create("messages", message), { code: 400 });
    const { message_id } = await viewer.create("messages", { session_id: id, content: "x" });
    await assert.rejects(viewer.patch("messages", message_id, { status: "queued" }), { code: 400 });
    await assert.rejects(ask(id, "a\0b"), { code: 400 });
    await viewer.run(id, "still fine");
  });

  test("a queued prompt that somebody spoiled harms nothing behind it", async () => {
    const id = await session();
    await hang(id);
    const path = `sessions/${id}/messages/queue`;
    const { message } = await viewer.create(path, { prompt: "spoiled" });
    await viewer.create(path, { prompt: "sound" });
    await viewer.patch("messages", message.message_id, { content: { odd: true }, metadata: [7], task_id: "nobody" });
    await viewer.create(`sessions/${id}/stop`, {});
    await viewer.until(
      () => viewer.story(id).some(({ event, record }) => event === "tasks patched" && record.full_prompt === "sound" && record.status === "completed"),
      "the sound one runs",
    );
    await daemon.restart("SIGTERM");
    viewer = await Viewer.open(daemon.url);
    await viewer.run(id, "after the restart");
  });

  test("a decision for another task decides nothing, and the right one still counts", async () => {
    const id = await session();
    const { taskId } = await ask(id, "/ask");
    const { requestId } = await viewer.hears("sessions permission:request", { sessionId: id });
    const path = `sessions/${id}/permission-decision`;
    for (const wrong of ["another", `${taskId}x`]) await viewer.create(path, { requestId, taskId: wrong, allow: true });
    assert.equal((await viewer.get("tasks", taskId)).status, "awaiting_permission");
    // Two at once: one counts.
    await Promise.all([true, true].map((allow) => viewer.create(path, { requestId, taskId: taskId.slice(0, 8), allow })));
    await viewer.idle(id);
    assert.equal((await viewer.get("tasks", taskId)).status, "completed");
  });

  test("a question whose message is gone is decided all the same, and one that nobody answers is closed", async () => {
    const id = await session();
    const { taskId } = await ask(id, "/ask");
    const { requestId } = await viewer.hears("sessions permission:request", { sessionId: id });
    const question = await viewer.hears("messages created", { session_id: id, type: "permission_request" });
    await viewer.remove("messages", question.message_id);
    await viewer.create(`sessions/${id}/permission-decision`, { requestId, taskId, allow: false });
    await viewer.idle(id);
    assert.equal((await viewer.get("tasks", taskId)).status, "completed");

    const other = await session();
    const task = await ask(other, "/ask");
    const open = await viewer.hears("messages created", { session_id: other, type: "permission_request" });
    await viewer.create(`sessions/${other}/stop`, {});
    await viewer.idle(other);
    const { status, permission_request } = await viewer.get("tasks", task.taskId);
    assert.deepEqual([status, permission_request], ["stopped", undefined]);
    assert.equal((await viewer.get("messages", open.message_id)).content.status, "cancelled");
  });

  test("whoever ends a task ends what runs, whatever fields they ask for", async () => {
    const id = await session();
    const taskId = await hang(id);
    const headers = { "content-type": "application/json" };
    const patch = { method: "PATCH", headers, body: JSON.stringify({ status: "completed" }) };
    const response = await fetch(`${daemon.url}/tasks/${taskId}?$select[]=description`, patch);
    assert.equal(response.status, 200);
    await viewer.idle(id);
    assert.equal((await viewer.get("tasks", taskId)).status, "completed");
  });

  test("what is over stays as it ended, whoever stops it", async () => {
    const id = await session();
    const taskId = await hang(id);
    const [done] = await Promise.all([
      viewer.patch("tasks", taskId, { status: "completed" }),
      viewer.create(`sessions/${id}/stop`, {}),
    ]);
    assert.equal(done.status, "completed");
    await viewer.idle(id);
    assert.equal((await viewer.get("tasks", taskId)).status, "completed");
  });

  test("a task that is removed while it runs runs no more", async () => {
    const id = await session();
    const taskId = await hang(id);
    await viewer.remove("tasks", taskId);
    await viewer.idle(id);
    await viewer.run(id, "goes on");
  });

  test("a prompt that is taken back from the queue is stopped", async () => {
    const id = await session();
    await hang(id);
    const { taskId, status } = await ask(id, "never run");
    assert.equal(status, "created");
    const [{ message_id }] = (await viewer.find(`sessions/${id}/messages/queue`)).data;
    await viewer.remove("messages", message_id);
    assert.equal((await viewer.get("tasks", taskId)).status, "stopped");
    await viewer.create(`sessions/${id}/stop`, {});
    await viewer.idle(id);
    assert.equal((await viewer.find("tasks", { session_id: id, status: "created" })).total, 0);
  });

  test("a queue has an end", async () => {
    const id = await session();
    await hang(id);
    const path = `sessions/${id}/messages/queue`;
    const queueing = Array.from({ length: 1_001 }, (_, index) => viewer.create(path, { prompt: `${index}` }));
    const outcomes = await Promise.allSettled(queueing);
    const refused = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason.code);
    assert.deepEqual(refused, [429]);
    await viewer.remove("sessions", id);
    await viewer.run(await session(), "goes on");
  });

  test("a long session goes a part at a time, and everybody is told of all of it", async () => {
    const id = await session();
    const messages = Array.from({ length: 1_300 }, (_, index) => ({ session_id: id, content: `${index}` }));
    await viewer.create("messages/bulk", messages.slice(0, 650));
    await viewer.create("messages/bulk", messages.slice(650));
    // One that fits no condition loses nothing.
    const headers = { accept: "application/json" };
    const refused = await fetch(`${daemon.url}/sessions/${id}?status=failed`, { method: "DELETE", headers });
    assert.equal(refused.status, 404);
    assert.equal((await viewer.find("messages", { session_id: id, $limit: 0 })).total, 1_300);
    await viewer.remove("sessions", id);
    const removed = viewer.story(id).filter(({ event }) => event === "messages removed");
    assert.equal(new Set(removed.map(({ record }) => record.message_id)).size, 1_300);
    assert.equal(removed.length, 1_300);
  });
});

describe("Who may", () => {
  test("a viewer follows, and runs nothing; what is removed is nobody's", async () => {
    const args = ["--auth", "required", "--agent", "command", "--agent-command", "sh"];
    const daemon = await Daemon.start(sqlite, { args });
    try {
      const people = await register(daemon.url, ["ann", "bob", "eve"]);
      const open = (name) => Viewer.open(daemon.url, { auth: { token: people[name].token } });
      const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map(open));
      await ann.patch("users", people.eve.id, { role: "viewer" });
      const { session_id } = await bob.create("sessions", {});
      assert.deepEqual(await eve.create("session-streams", { session_id: session_id.slice(0, 8) }), { session_id });
      assert.deepEqual(await eve.remove("session-streams", session_id.slice(0, 8)), { session_id });
      for (const route of ["prompt", "stop", "messages/queue"])
        await assert.rejects(eve.create(`sessions/${session_id}/${route}`, { prompt: "x" }), { code: 403 });

      // A session on a private board that is removed while its agent speaks.
      const board = await bob.create("boards", { visibility: "private" });
      const hidden = await bob.create("sessions", { board_id: board.board_id });
      const prompt = `trap '' TERM; i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo '{"type":"text","text":"secret "}'; sleep 0.005; done`;
      await bob.create(`sessions/${hidden.session_id}/prompt`, { prompt });
      await bob.hears("messages streaming:chunk", { session_id: hidden.session_id });
      await bob.remove("sessions", hidden.session_id);
      const other = await bob.create("sessions", {});
      await bob.run(other.session_id, "sleep 1; echo done");
      await eve.idle(other.session_id);
      assert.deepEqual(eve.story(hidden.session_id), []);
      assert.ok(!eve.items.some(({ record }) => JSON.stringify(record).includes("secret ")));
    } finally {
      await Promise.all([closeAll(), daemon.stop()]);
    }
  });
});
