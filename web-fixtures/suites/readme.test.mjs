// The snippets of README and protocol pages, run as they stand (host aside), print what they say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";

const run = promisify(execFile);
const page = (path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const PROTOCOLS = ["feathers", "mcp", "agrenting", "genswarms", "hive"].map((name) => `docs/protocols/${name}.md`);
const PAGES = await Promise.all(["README.md", ...PROTOCOLS].map(page));

/** A JavaScript block and the block of text after it. */
const SNIPPETS = PAGES.flatMap((text) => [
  ...text.matchAll(/^### (.+)\n(?:(?!^### )[^])*?^```js\n([^]*?)^```\n\n```text\n([^]*?)^```/gm),
]);

/** A block of commands and the block of text after it. */
const COMMANDS = PAGES.flatMap((text) => [
  ...text.matchAll(/^### (.+)\n(?:(?!^### )[^])*?^```sh\n((?:(?!^```)[^])*)^```\n\n```text\n((?:(?!^```)[^])*)^```/gm),
]);

let daemon;
let folder;

before(async () => {
  daemon = await Daemon.start(sqlite);
  // Below this package, so that its clients are found.
  const installed = join(fileURLToPath(new URL("..", import.meta.url)), "node_modules");
  folder = await mkdtemp(join(installed, ".readme-"));
  // Of this client several versions are installed, under other names.
  await mkdir(join(folder, "node_modules"));
  await symlink(join(installed, "phoenix-1.8.16"), join(folder, "node_modules", "phoenix"));
});

after(async () => {
  await daemon?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("there is a snippet for each JavaScript protocol and client, for prompts, for what people do together, and for the helper", () => {
  assert.equal(SNIPPETS.length, 15);
});

for (const [index, [, title, code, expected]] of SNIPPETS.entries()) {
  test(`${title} prints what it says`, async () => {
    const file = join(folder, `${index}.mjs`);
    const here = code.replaceAll("localhost:3030", `127.0.0.1:${daemon.port}`);
    await writeFile(file, here.replace("./resume.js", new URL("../resume.js", import.meta.url).href));
    const { stdout } = await run(process.execPath, [file], { timeout: 20_000 });
    assert.equal(stdout, expected);
  });
}

test("there are commands for swarms and for streams", () => {
  assert.deepEqual(COMMANDS.map(([, title]) => title), ["Swarms of agents (Genswarms)", "A stream with curl"]);
});

for (const [, title, code, expected] of COMMANDS) {
  test(`${title} prints what it says, but for times and ids`, async () => {
    const here = code.replaceAll("localhost:3030", `127.0.0.1:${daemon.port}`);
    const cwd = fileURLToPath(new URL("../..", import.meta.url));
    const env = { PATH: process.env.PATH, ROOST_URL: daemon.url };
    const program = here.replace("$PWD/target/release", dirname(BINARY));
    const { stdout } = await run("bash", ["-euo", "pipefail", "-c", program], { cwd, env, timeout: 20_000 });
    const same = (text) =>
      text.trimEnd().replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME").replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, "ID");
    assert.equal(same(stdout), same(expected));
  });
}
