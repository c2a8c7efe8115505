// The snippets of README and protocol pages, run as they stand (host aside), print what they say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";

const run = promisify(execFile);
const page = (path) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const PAGES = await Promise.all(["README.md", "docs/protocols/feathers.md", "docs/protocols/mcp.md"].map(page));

/** A JavaScript block and the block of text after it. */
const SNIPPETS = PAGES.flatMap((text) => [
  ...text.matchAll(/^### (.+)\n(?:(?!^### )[^])*?^```js\n([^]*?)^```\n\n```text\n([^]*?)^```/gm),
]);

let daemon;
let folder;

before(async () => {
  daemon = await Daemon.start(sqlite);
  // Below this package, so that its clients are found.
  folder = await mkdtemp(join(fileURLToPath(new URL("..", import.meta.url)), "node_modules", ".readme-"));
});

after(async () => {
  await daemon?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

test("there is a snippet for each JavaScript protocol and client, for prompts, for what people do together, and for the helper", () => {
  assert.equal(SNIPPETS.length, 11);
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
