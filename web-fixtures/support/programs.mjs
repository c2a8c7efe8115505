// Programs of a page, which run as they stand in a folder where what they import is found.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { keep } from "./wait.mjs";

/** A folder of programs. */
export class Programs {
  #folder;

  /** @param {string} prelude what runs before each @param {Record<string, string>} modules what each may import, and as what it is installed */
  static async beside(prelude, modules) {
    const programs = new Programs();
    programs.#folder = await mkdtemp(join(tmpdir(), "roost-page-"));
    await mkdir(join(programs.#folder, "node_modules"));
    for (const [name, real] of Object.entries(modules)) {
      const installed = fileURLToPath(new URL(`../node_modules/${real}`, import.meta.url));
      await symlink(installed, join(programs.#folder, "node_modules", name));
    }
    writeFileSync(join(programs.#folder, "prelude.mjs"), prelude);
    return programs;
  }

  /** Runs a program; what it prints, line by line, as it comes and one after another. */
  run(program, name, env = {}) {
    const file = join(this.#folder, `${name}.mjs`);
    writeFileSync(file, program);
    const child = spawn(process.execPath, ["--import", join(this.#folder, "prelude.mjs"), file], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    keep(() => child.kill("SIGKILL"));
    const lines = [];
    const read = createInterface({ input: child.stdout });
    read.on("line", (line) => lines.push(line));
    return { lines, read: read[Symbol.asyncIterator]() };
  }

  remove() {
    return rm(this.#folder, { recursive: true });
  }
}
