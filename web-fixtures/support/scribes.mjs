// Clients that create, change and remove records at random, and remember what was acknowledged.

import { io } from "socket.io-client";
import { call } from "./call.mjs";
import { pick } from "./chance.mjs";
import { keep } from "./wait.mjs";

const IDS = { boards: "board_id", sessions: "session_id", tasks: "task_id", messages: "message_id" };

/** The services that are written to, and the names of their ids. */
export const services = Object.entries(IDS);

/** A client that writes at random, comes back whenever the daemon does, and knows its own records only. */
export class Scribe {
  /** What was acknowledged, as the log tells it. @type {string[]} */
  acknowledged = [];
  /** What the daemon should not have answered. @type {object[]} */
  failures = [];
  /** Ids that exist, as far as it knows. */
  #known = Object.fromEntries(Object.keys(IDS).map((service) => [service, []]));
  #random;
  #socket;

  /** @param {string} url @param {() => number} random */
  constructor(url, random) {
    this.#random = random;
    const options = { transports: ["websocket"], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 50 };
    this.#socket = io(url, options);
    keep(() => this.close());
  }

  /** Writes, four calls under way at a time, until it is told to stop. @param {AbortSignal} stop */
  async until(stop) {
    const keepOn = async () => {
      while (!stop.aborted) await this.#write();
    };
    await Promise.all(Array.from({ length: 4 }, keepOn));
  }

  close() {
    this.#socket.close();
  }

  async #write() {
    const [method, service, ...rest] = this.#act();
    const id = IDS[service] ?? IDS.messages;
    const name = service.split("/")[0];
    try {
      const answer = [await call(this.#socket, method, service, ...rest, {})].flat();
      const event = `${name} ${{ create: "created", patch: "patched", remove: "removed" }[method]}`;
      for (const record of answer) {
        this.acknowledged.push(JSON.stringify({ event, record }));
        if (method === "create") this.#known[name].push(record[id]);
      }
    } catch (error) {
      // Without a code: the connection ended. 404 and 400: an earlier call was not answered, but done.
      if (![undefined, 400, 404].includes(error.code)) this.failures.push(error);
    }
  }

  /** The next call: mostly something new, often a change, sometimes an end. */
  #act() {
    const { messages, sessions, tasks, boards } = this.#known;
    const random = this.#random;
    const dice = random();
    const session_id = pick(random, sessions);
    const text = `${random()}`;
    if (!session_id || dice < 0.04) return ["create", "sessions", { title: text, board_id: pick(random, boards) }];
    if (dice < 0.34) return ["create", "messages", { session_id, content: text.repeat(1 + random() * 100) }];
    if (dice < 0.38) return ["create", "messages/bulk", Array.from({ length: 8 }, (_, index) => ({ session_id, index }))];
    if (dice < 0.48) return ["create", "tasks", { session_id, full_prompt: text }];
    if (dice < 0.52) return ["create", "boards", { name: text }];
    const [service, change] = pick(random, [
      ["messages", { content: text }],
      ["tasks", { report: text }],
      ["sessions", { title: text }],
      ["boards", { name: text }],
    ]);
    const id = pick(random, this.#known[service]);
    if (!id) return ["create", "boards", { name: text }];
    if (dice < 0.9) return ["patch", service, id, change];
    if (service === "sessions" && sessions.length < 5) return ["patch", service, id, change];
    this.#known[service] = this.#known[service].filter((known) => known !== id);
    return ["remove", service, id];
  }
}

/**
 * What is left when everything in a log has happened, by service and id, as text.
 *
 * @param {import("./listeners.mjs").Item[]} log
 * @returns {Record<string, Map<string, string>>}
 */
export function lastWord(log) {
  const left = Object.fromEntries(services.map(([service]) => [service, new Map()]));
  for (const { event, record } of log) {
    const [service, what] = event.split(" ");
    const id = record[IDS[service]];
    if (what !== "removed") left[service].set(id, record);
    else left[service].delete(id);
    if (event !== "sessions removed") continue;
    // They go with it, without a word of their own.
    for (const kind of [left.tasks, left.messages]) {
      for (const [key, one] of kind) if (one.session_id === id) kind.delete(key);
    }
  }
  return left;
}

/** All records of a service that REST finds. @param {string} url @param {string} service */
export async function everything(url, service) {
  const records = [];
  for (;;) {
    const response = await fetch(`${url}/${service}?$limit=1000&$skip=${records.length}`);
    const { data, total } = await response.json();
    records.push(...data);
    if (records.length >= total || data.length === 0) return records;
  }
}
