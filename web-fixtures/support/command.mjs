// The daemon's binary as an operator runs it: a command that ends.

import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { text } from "node:stream/consumers";
import { once } from "node:events";
import { BINARY } from "./daemon.mjs";
import { keep, soon } from "./wait.mjs";

/**
 * Starts a command on a database; `env` is what else it is told, `within` the milliseconds that it may take.
 *
 * @param {{url: string, folder: string, env?: Record<string, string>, within?: number}} database
 * @param {string[]} args
 * @param {string} [binary]
 */
export function start({ url, folder, env = {}, within }, args, binary = BINARY) {
  const all = { PATH: process.env.PATH, DATABASE_URL: url, ...env };
  const child = spawn(binary, args, { cwd: folder, env: all, stdio: ["ignore", "pipe", "pipe"] });
  keep(() => child.kill("SIGKILL"));
  const told = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const ended = soon(told, `roost ${args.join(" ")} ends`, within).then(([out, err, [code, signal]]) => ({ out, err, code, signal }));
  return { child, ended };
}

/** Runs a command to its end. @param {Parameters<typeof start>} what */
export const roost = (...what) => start(...what).ended;

/**
 * Sends a signal as soon as the command has begun to copy, again until it comes before the end.
 *
 * @param {NodeJS.Signals} signal
 * @param {string} folder where what is not finished lies
 * @param {Parameters<typeof start>} what
 */
export async function stopInTheMiddle(signal, folder, ...what) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const watcher = watch(folder);
    const { child, ended } = start(...what);
    watcher.on("change", (_, name) => name?.endsWith(".part") && child.kill(signal));
    const how = await ended.finally(() => watcher.close());
    if (how.code !== 0) return how;
  }
  throw new Error(`${signal} always came too late`);
}
