// Starts the daemon's real binary, each with a database of its own, and ends it again.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { soon } from "./wait.mjs";

const built = (name) => fileURLToPath(new URL(`../../target/debug/${name}`, import.meta.url));

/** The daemon itself. */
export const BINARY = process.env.ROOST_BIN ?? built("roost");

/** The daemon of fixture services. */
export const CONFORMANCE = process.env.CONFORMANCE_BIN ?? built("examples/conformance");

/** Daemons that must not outlive the suite, however it ends. */
const running = new Set();
process.once("exit", () => running.forEach((daemon) => daemon.kill("SIGKILL")));

/** A running daemon. */
export class Daemon {
  /** Where it listens; `restart` keeps it. */
  port = 0;
  /** What it logged since it was started last. @type {string[]} */
  log = [];
  #database;
  #options;
  #process;

  /**
   * @param {import("./databases.mjs").Database} database
   * @param {{args?: string[], env?: Record<string, string>, binary?: string, forgives?: RegExp}} [options]
   *   `forgives` fits the failures that the suite provokes, as the daemon logs them
   */
  static async start(database, options = {}) {
    const daemon = new Daemon();
    daemon.#options = options;
    daemon.#database = await database.create();
    await daemon.#run();
    return daemon;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Where it keeps files. */
  get folder() {
    return this.#database.folder;
  }

  get pid() {
    return this.#process.pid;
  }

  /**
   * Sends a signal and waits for the end.
   *
   * @param {NodeJS.Signals} [signal]
   * @returns {Promise<{code: number | null, signal: string | null}>}
   */
  async kill(signal = "SIGTERM") {
    const { exitCode: code, signalCode } = this.#process;
    if (code !== null || signalCode !== null) return { code, signal: signalCode };
    const exit = once(this.#process, "close");
    this.#process.kill(signal);
    const [exitCode, ended] = await soon(exit, `the daemon ends after ${signal}`);
    return { code: exitCode, signal: ended };
  }

  /** Waits until it ends by itself. */
  async ended() {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return { code: exitCode, signal: signalCode };
    const [code, signal] = await soon(once(this.#process, "close"), "the daemon ends by itself");
    return { code, signal };
  }

  /** Ends it and starts it on the same port and database. @param {NodeJS.Signals} [signal] */
  async restart(signal) {
    await this.kill(signal);
    await this.#run();
  }

  /** Ends it in good order and drops its database. */
  async stop() {
    try {
      assert.deepEqual(await this.kill(), { code: 0, signal: null }, "the daemon ends in good order");
      const { forgives } = this.#options;
      const failure = this.log.find((line) => isFailure(line) && !forgives?.test(line));
      assert.equal(failure, undefined, "the daemon logs no failure");
    } finally {
      await this.#database.drop();
    }
  }

  async #run() {
    const { args = [], env = {}, binary = BINARY } = this.#options;
    this.log = [];
    this.#process = spawn(binary, ["--listen", `127.0.0.1:${this.port}`, ...args], {
      // Nothing else of the environment: it could hold settings.
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: this.#database.url,
        DATA_DIR: this.#database.folder,
        LOG_FORMAT: "json",
        ...env,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    running.add(this.#process);
    this.#process.once("close", running.delete.bind(running, this.#process));
    await soon(this.#listening(), "the daemon listens");
  }

  #listening() {
    const lines = createInterface({ input: this.#process.stderr });
    return new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        this.log.push(line);
        const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (port) resolve((this.port = Number(port)));
      });
      const failed = (why) =>
        reject(new Error([`${this.#process.spawnfile}: ${why}`, ...this.log].join("\n")));
      this.#process.once("error", (error) => failed(error.message));
      this.#process.once("close", (code) => failed(`ended with ${code} before it listened`));
    });
  }
}

/** A failure that nobody asked for. */
const isFailure = (line) => line.includes("panicked") || line.includes('"level":"ERROR"');
