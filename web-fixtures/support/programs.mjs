// Programs of a page, which run as they stand in a folder where what they import is found.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
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

  /** Adds a module that programs may import. @param {string} name @param {string} program */
  add(name, program) {
    const folder = join(this.#folder, "node_modules", name);
    mkdirSync(folder);
    writeFileSync(join(folder, "index.mjs"), program);
    writeFileSync(join(folder, "package.json"), '{"exports":"./index.mjs"}');
  }

  /**
   * Runs a program; what it prints, line by line, as it comes and one after another.
   *
   * @param {string} program
   * @param {string} name its file's; `.mjs` if nothing is said
   * @param {Record<string, string>} [env]
   * @param {(file: string) => string[]} [command] what runs it, if not Node with the prelude
   */
  run(program, name, env = {}, command) {
    const file = join(this.#folder, extname(name) ? name : `${name}.mjs`);
    writeFileSync(file, program);
    command ??= (file) => [process.execPath, "--import", join(this.#folder, "prelude.mjs"), file];
    const [binary, ...args] = command(file);
    const child = spawn(binary, args, {
      env: { ...process.env, ...env },
      // Some end when their input does.
      stdio: ["pipe", "pipe", "inherit"],
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
