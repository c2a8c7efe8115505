// S1-40: kill -9 of the daemon and of an agent's process, while swarms work; all is done, in order.

import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { api, atRest, eventually, ring, round } from "../support/swarms.mjs";
import { closeAll } from "../support/wait.mjs";

/** Notes what it is told, works as long as there is a file `hold`, and says that it is done. */
const WORKER = `while read -r line; do
  echo "$line" >> told
  while [ -e hold ]; do sleep 0.02; done
  echo "done"
  echo "<<TURN_COMPLETE>>"
done`;

onEveryDatabase("S1-40 swarms and kill -9", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = api(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("what goes round a ring while the daemon is killed comes once and in full", async () => {
    const [AGENTS, TASKS, HOPS] = [20, 30, 10];
    await of.make(ring("ring", AGENTS));
    for (let task = 0; task < TASKS; task++) {
      const text = round(AGENTS, task, HOPS, `task ${task}`);
      await of.good("POST", `/swarms/ring/agents/a${task % AGENTS}/task`, { task: text });
      if (task % 10 === 9) await daemon.restart("SIGKILL");
    }
    await atRest(of, "ring", 120_000, 250);
    const told = [];
    for (const { name } of (await of.get("/swarms/ring/agents")).agents) {
      const { history } = await of.get(`/swarms/ring/agents/${name}/history?limit=1000`);
      told.push(...history.filter(({ type }) => type === "incoming").map(({ content }) => content));
    }
    assert.equal(told.length, TASKS * HOPS);
    assert.equal(new Set(told).size, told.length, "each once: each has one hop less than the one before");
  });

  test("an agent's process that is killed at its work is started again, and does it", async () => {
    const cwd = daemon.folder;
    await writeFile(join(cwd, "hold"), "");
    const worker = { name: "worker", backend: "local", command: WORKER, config: { cwd } };
    await of.make({ name: "works", agents: [worker] });
    const path = "/swarms/works/agents/worker";
    for (const task of ["one", "two", "three"]) await of.good("POST", `${path}/task`, { task });
    const told = async () => (await readFile(join(cwd, "told"), "utf8").catch(() => "")).trim().split("\n").filter(Boolean);
    await eventually(told, (lines) => lines.length === 1, "it is at its first task");
    const { process_id } = await of.get(path);
    process.kill(process_id, "SIGKILL");
    await eventually(told, (lines) => lines.length === 2, "it is at it again");
    assert.notEqual((await of.get(path)).process_id, process_id);
    await rm(join(cwd, "hold"));
    await atRest(of, "works");
    const tasks = (await told()).map((line) => JSON.parse(line).content);
    assert.deepEqual(tasks, ["one", "one", "two", "three"]);
    const { logs } = await of.get(`${path}/logs`);
    const said = logs.filter(({ role }) => role === "assistant").map(({ content }) => content.trim());
    assert.deepEqual(said, ["done", "done", "done"]);
    const { events } = await of.get(`/swarms/works/events?event_type=agent_stopped`);
    assert.deepEqual([events.length, events[0].level, events[0].agent], [1, "warning", "worker"]);
  });
});
