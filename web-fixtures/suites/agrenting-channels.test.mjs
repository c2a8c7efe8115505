// What npm's `phoenix` is told on the channels of agents, hirers and tasks, while others work over REST.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Cast, rest } from "../support/agrenting.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { answer } from "../support/phoenix.mjs";
import { overChannel, socketOf } from "../support/streaming.mjs";
import { closeAll, until } from "../support/wait.mjs";

const PUSHES = [
  ...["hiring.created", "hiring.completed", "hiring.failed", "hiring.cancelled"],
  ...["task.assigned", "task.completed", "task.failed", "task.cancelled", "task.submitted", "message.received"],
];
const NOWHERE = "0192abcd-0000-4000-8000-000000000000";

onEveryDatabase("Channels of agents and hirers", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Cast} */
  let cast;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    cast = await Cast.gather(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const watch = async (side, key, task, params) => overChannel(await socketOf(daemon.url, side, key), task, params);

  /** A channel of somebody's own, and what is pushed there: `[event, payload]`. */
  async function own(side, key, id) {
    const channel = (await socketOf(daemon.url, side, key)).channel(`${side}:${id}`, {});
    const pushes = [];
    for (const event of PUSHES) channel.on(event, (payload) => pushes.push([event, payload]));
    assert.equal((await answer(channel.join()))[0], "ok");
    return { pushes, names: () => pushes.map(([event]) => event) };
  }

  test("S0-13 S0-17 S0-18 S0-19 S0-20 S0-21 a hiring is pushed to its sides as it goes, and to nobody else", async () => {
    const { people, provider, other } = cast;
    const [ann, writer] = [people.ann.key, provider.key].map((key) => rest(daemon.url, key));
    const [hirer, bob] = [await own("hirer", people.ann.key, people.ann.id), await own("hirer", people.bob.key, people.bob.id)];
    const [agent, stranger] = [await own("agent", provider.key, provider.id), await own("agent", other.key, other.id)];
    const hire = async () => (await ann.post(`/api/v1/agents/${provider.id}/hire`, { task_description: "A poem" })).data.hiring;
    const end = async (by, id, word, data) => by.send("PUT", `/api/v1/tasks/${id}/${word}`, data);

    const done = await hire();
    await ann.post(`/api/v1/hirings/${done.id}/messages`, { content: "Hurry" });
    await end(writer, done.task_id, "complete", { output: "It rains" });
    const failed = await hire();
    await end(writer, failed.task_id, "fail", { error_reason: "no words" });
    const cancelled = await hire();
    await ann.post(`/api/v1/hirings/${cancelled.id}/cancel`, {});
    // What comes last says that nothing else came.
    const prose = { task_description: "Prose" };
    await rest(daemon.url, people.bob.key).post(`/api/v1/agents/${other.id}/hire`, prose);
    await until(() => bob.names().includes("task.submitted") && stranger.names().includes("task.assigned"), "others are told");

    const begun = ["hiring.created", "task.submitted"];
    await until(() => hirer.names().includes("hiring.cancelled"), "the hirer is told of all");
    assert.deepEqual(
      hirer.names().filter((name) => name !== "message.received"),
      [...begun, "hiring.completed", ...begun, "hiring.failed", ...begun, "hiring.cancelled"],
    );
    const [, over] = hirer.pushes.find(([event]) => event === "hiring.completed");
    assert.deepEqual([over.id, over.status, over.task_output], [done.id, "completed", "It rains"]);
    const assigned = ["hiring.created", "task.assigned"];
    await until(() => agent.names().includes("task.cancelled"), "the agent is told of all");
    assert.deepEqual(agent.names(), [
      ...[...assigned, "message.received", "hiring.completed"],
      ...[...assigned, "hiring.failed"],
      ...[...assigned, "hiring.cancelled", "task.cancelled"],
    ]);
    assert.equal(agent.pushes[2][1].content, "Hurry");
    assert.deepEqual([bob.names(), stranger.names()], [begun, assigned]);
  });

  test("S0-22 S0-23 S0-24 S0-25 S0-26 who joins a stream is told where it stands, what was, what comes, and the end", async () => {
    const task = await cast.task();
    const early = await watch("agent", cast.client.key, task);
    assert.equal(early.joined.seq, 0);
    await cast.emit(task, "one", { kind: "chat", metadata: { a: [1] } });
    await cast.emit(task, "two");
    await early.count(2);
    const late = await watch("hirer", cast.people.ann.key, task);
    assert.equal(late.joined.seq, 2);
    await cast.emit(task, "three");
    await cast.complete(task, { words: 3 });
    await Promise.all([early, late].map((viewer) => viewer.ended()));
    const [chunk] = late.chunks;
    assert.deepEqual(Object.keys(chunk), ["seq", "content", "kind", "timestamp", "metadata"]);
    assert.deepEqual([chunk.content, chunk.kind, chunk.metadata], ["one", "chat", { a: [1] }]);
    const after = await watch("agent", cast.provider.key, task);
    await after.ended();
    for (const viewer of [early, late, after]) {
      assert.deepEqual([viewer.seqs, viewer.end], [[1, 2, 3], ["stream.done", { result: { words: 3 } }]]);
    }
    const sad = await cast.task();
    const viewer = await watch("hirer", cast.people.ann.token, sad);
    await cast.admin.post(`/tasks/${sad}/fail`, { error: "broken" });
    await viewer.ended();
    assert.deepEqual(viewer.end, ["stream.error", { error: "broken" }]);
  });

  test("S0-27 S0-28 a stream is joined by the task's agents, and by the user whose agent its client is", async () => {
    const { people, client, provider, other } = cast;
    const task = await cast.task();
    for (const [side, key] of [["agent", client.key], ["agent", provider.key], ["hirer", people.ann.key], ["hirer", people.ann.token]]) {
      (await watch(side, key, task)).close();
    }
    const refused = (...join) => watch(...join).then(() => assert.fail("let in"), ({ message }) => message);
    assert.equal(await refused("agent", other.key, task), "unauthorized");
    assert.equal(await refused("hirer", people.bob.key, task), "unauthorized");
    assert.equal(await refused("hirer", people.bob.token, task), "unauthorized");
    assert.equal(await refused("agent", provider.key, NOWHERE), "not_found");
  });
});
