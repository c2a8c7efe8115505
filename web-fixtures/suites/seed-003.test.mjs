// MGX's page about its event streams: its snippet and its command run as they stand, but for the host and the
// workflow's id, where ROOST_SEEDS says in which folder the pages are; and the same calls, written anew. (What the
// snippet does in a browser: browser.test.mjs.)

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Programs } from "../support/programs.mjs";
import { ANEW, here, verbatim } from "../support/seed-003.mjs";
import { noPages } from "../support/seeds.mjs";
import { closeAll, until } from "../support/wait.mjs";
import { task, workflows } from "../support/workflows.mjs";

const PRELUDE = `
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
`;

const bin = fileURLToPath(new URL("../node_modules/.bin", import.meta.url));
const programs = noPages ? {} : await verbatim();
const TOLD = ["workflow_started", "step_started", "step_completed", "workflow_completed"];

onEveryDatabase("MGX's page", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  /** @type {Programs} */
  let pages;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--heartbeat-secs", "1"] });
    of = workflows(daemon.url);
    pages = await Programs.beside(PRELUDE, { ws: "ws" });
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
    await pages.remove();
  });

  /** The snippet says of each event what it is. */
  async function browser(program) {
    const [workflow, other] = [await of.make([task("one")]), await of.make([task("one")])];
    const { lines } = pages.run(here(program, daemon.url, workflow.id), "snippet");
    // A heartbeat is no event: it has no such key.
    await until(() => lines.some((line) => line.startsWith("event undefined {")), "the snippet's socket is open");
    await of.over(await of.execute(other.id));
    await of.over(await of.execute(workflow.id));
    const said = () => lines.flatMap((line) => /^event (\w+) \{/.exec(line)?.[1] ?? []).filter((type) => type !== "undefined");
    const signals = () => said().filter((type) => /^(workflow|step)_/.test(type));
    await until(() => signals().includes(TOLD.at(-1)), "the snippet prints the end");
    assert.deepEqual(signals(), TOLD);
    assert.ok(lines.some((line) => line.includes(`workflow_id: '${workflow.id}'`)) && !lines.some((line) => line.includes(other.id)));
  }

  /** The command prints each frame as a line. */
  async function wscat(line) {
    const env = { PATH: `${bin}:${process.env.PATH}` };
    const { lines } = pages.run(line, "wscat.sh", env, () => ["sh", "-c", `exec ${here(line, daemon.url)}`]);
    const frames = () => lines.map((line) => JSON.parse(line));
    await until(() => frames().some(({ type, stream }) => type === "heartbeat" && stream === "workflows"), "wscat is connected");
    const workflows = [await of.make([task("one")]), await of.make([task("one")])];
    for (const { id } of workflows) await of.over(await of.execute(id));
    const events = () => frames().filter(({ event_type }) => /^(workflow|step)_/.test(event_type));
    await until(() => events().filter(({ event_type }) => event_type === TOLD.at(-1)).length === 2, "wscat prints both ends");
    const told = events().map(({ event_type, workflow_id }) => [event_type, workflow_id]);
    assert.deepEqual(told, workflows.flatMap(({ id }) => TOLD.map((type) => [type, id])));
  }

  test("S3-33 the snippet for browsers, written anew", () => browser(ANEW.browser));
  test("S3-33 the snippet for browsers, as it stands", { skip: noPages }, () => browser(programs.browser));
  test("S3-34 wscat, called anew", () => wscat(ANEW.wscat));
  test("S3-34 the page's line for wscat, as it stands", { skip: noPages }, () => wscat(programs.wscat));
});
