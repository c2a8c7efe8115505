// Takes the pictures of the console that are in docs/console: `npm run screenshots`.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch } from "./support/browser.mjs";
import { consoleEnv, live } from "./support/console.mjs";
import { Daemon } from "./support/daemon.mjs";
import { sqlite } from "./support/databases.mjs";
import { sendJson } from "./support/http.mjs";
import { api, eventually, ring } from "./support/swarms.mjs";
import { closeAll } from "./support/wait.mjs";

const folder = fileURLToPath(new URL("../docs/console/", import.meta.url));
mkdirSync(folder, { recursive: true });

const daemon = await Daemon.start(sqlite, { env: consoleEnv });
const send = async (...request) => (await sendJson(daemon.url, ...request)).json;
const of = api(daemon.url);

/** A workspace as it is on a busy day. */
async function fill() {
  const { data } = await send("GET", "/boards");
  const [{ board_id }] = data;
  const titles = ["Write the release notes", "Why is the build slow?", "Migrate to the new API", "Review the login page", "Nightly report"];
  const sessions = [];
  for (const title of titles) sessions.push((await send("POST", "/sessions", { title, board_id })).session_id);
  await send("PATCH", `/boards/${board_id}`, { sessions });
  const prompts = ["List what changed since **1.4** and group it", "Profile it and tell me the three slowest steps", "/ask Rename `fetchAll`", "Look for what a keyboard cannot reach"];
  const tasks = [];
  for (const [at, prompt] of prompts.entries()) tasks.push((await send("POST", `/sessions/${sessions[at]}/prompt`, { prompt })).taskId);
  await eventually(() => send("GET", `/tasks/${tasks[0]}`), ({ status }) => status === "completed", "the first is done");
  await eventually(() => send("GET", `/tasks/${tasks[2]}`), ({ status }) => status === "awaiting_permission", "one asks");
  await of.make(ring("reviewers", 6));
  for (let task = 0; task < 6; task++) await of.good("POST", `/swarms/reviewers/agents/a${task}/task`, { task: `@a${(task + 1) % 6}: read this` });
  return { board_id, sessions, tasks };
}

try {
  const { board_id, sessions, tasks } = await fill();
  const browser = await launch();
  const viewport = { width: 1_120, height: 680 };
  const places = {
    board: `/boards/${board_id}`,
    session: `/sessions/${sessions[2]}`,
    activity: "/activity",
    stream: `/streams/${tasks[0]}`,
    swarm: "/swarms/reviewers",
    connection: "/connection",
    keys: "/keys",
  };
  // Somebody else is on the board, too.
  const other = await browser.open(`${daemon.url}/#${places.board}`, { viewport });
  await live(other);
  for (const [name, place] of Object.entries(places)) {
    const page = await browser.open(`${daemon.url}/#${place}`, { viewport, colorScheme: name === "swarm" ? "dark" : "light" });
    await live(page);
    await page.waitForLoadState("networkidle").catch(() => {});
    for (let step = 0; name === "board" && step < 20; step += 1) {
      await other.mouse.move(560 + 8 * step, 360 + 4 * step);
      await page.mouse.move(420, 300 + step);
    }
    // What moves comes to rest.
    await page.waitForTimeout(1_500);
    await page.screenshot({ path: `${folder}${name}.png` });
    console.log(`docs/console/${name}.png`);
    await page.context().close();
  }
  await browser.close();
} finally {
  await closeAll();
  await daemon.stop();
}
