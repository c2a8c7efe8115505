// Goals in Hive's words: prompts, MGX's runs and workflows that have one reach it when they are done.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { runs } from "../support/runs.mjs";
import { task, workflows } from "../support/workflows.mjs";
import { closeAll, until } from "../support/wait.mjs";

onEveryDatabase("Hive's goals", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const send = async (...request) => (await sendJson(daemon.url, ...request)).json;
  const ends = (watcher) => watcher.types.filter((type) => /^(goal_achieved|execution_(completed|failed))$/.test(type));
  const reached = ({ events }) => events.filter(({ type }) => type === "goal_achieved").map(({ data }) => [data.goal, data.final_status]);

  test("S4-21 a prompt with a goal reaches it once it is done, also from the queue; one that fails does not", async () => {
    const stream_id = (await send("POST", "/sessions", {})).session_id;
    const watcher = await Watcher.of(daemon.url, { stream_id });
    const ask = (prompt, goal) => send("POST", `/sessions/${stream_id}/prompt`, { prompt, goal });
    await ask("/sleep 100", "first");
    await ask("in the queue", "second");
    await ask("/fail", "never");
    await ask("none");
    await until(() => ends(watcher).length >= 6, "all are told");
    assert.deepEqual(ends(watcher), ["goal_achieved", "execution_completed", "goal_achieved", "execution_completed", "execution_failed", "execution_completed"]);
    assert.deepEqual(reached(watcher), [["first", "achieved"], ["second", "achieved"]]);
    for (const goal of [7, "x".repeat(10_001)]) {
      assert.equal((await sendJson(daemon.url, "POST", `/sessions/${stream_id}/prompt`, { prompt: "x", goal })).status, 400);
    }
    const only = await Watcher.of(daemon.url, { stream_id, event_types: ["GOAL_ACHIEVED"], since: "0" });
    await until(() => only.types.length === 2, "a filter finds them");
    assert.deepEqual(reached(only), reached(watcher));
  });

  test("S4-21 MGX's tasks and workflows have goals in their configuration", async () => {
    const of = runs(daemon.url);
    const { id } = await of.task({ config: { goal: "counted", auto_approve: true } });
    const [own, elsewhere] = [await Watcher.of(daemon.url, { stream_id: id }), await Watcher.of(daemon.url, { stream_id: "board room" })];
    await of.begin(id);
    await until(() => ends(own).length === 2, "the run is over");
    assert.deepEqual([ends(own), reached(own)], [["goal_achieved", "execution_completed"], [["counted", "achieved"]]]);
    await of.begin(id, { stream_id: "board room" });
    await until(() => ends(elsewhere).length === 2, "a run names its stream");
    const workflow = await workflows(daemon.url).make([task("a")], { config: { goal: "done" } });
    const whole = await Watcher.of(daemon.url, { stream_id: workflow.id });
    await workflows(daemon.url).execute(workflow.id);
    await until(() => whole.types.includes("execution_completed"), "the workflow is over");
    assert.deepEqual([ends(whole), reached(whole)], [["goal_achieved", "execution_completed"], [["done", "achieved"]]]);
    const failing = await workflows(daemon.url).make([task("a", "/fail")], { config: { goal: "done" }, max_retries: 0 });
    const failed = await Watcher.of(daemon.url, { stream_id: failing.id });
    await workflows(daemon.url).execute(failing.id);
    await until(() => failed.types.includes("execution_failed"), "the workflow has failed");
    assert.deepEqual(reached(failed), []);
    assert.equal((await of.send("POST", "/tasks", { name: "x", config: { goal: 3 } })).status, 422);
  });
});
