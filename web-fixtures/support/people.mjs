// People with accounts, and sockets that note what they hear.

import { io } from "socket.io-client";
import { call } from "./call.mjs";
import { Listener } from "./listeners.mjs";
import { keep, soon } from "./wait.mjs";

/** What happens between sockets and is not in the log. */
const EPHEMERAL = /^cursor-|^presence /;

/** A socket and what it heard. */
export class Tab extends Listener {
  /** @type {import("socket.io-client").Socket} */
  socket;

  /**
   * Opens a socket, and waits until it is connected.
   *
   * @param {string} url
   * @param {object} [auth] what it says at the handshake
   * @param {object} [options]
   */
  static async open(url, auth = {}, options = {}) {
    const tab = new Tab();
    tab.socket = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, auth, ...options });
    keep(() => tab.socket.close());
    tab.socket.onAny((event, record, stamp) => tab.hear({ event, record, ...(stamp && { seq: stamp.seq }) }));
    const { socket } = tab;
    const connected = new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
    await soon(connected, "a tab connects");
    return tab;
  }

  /** Calls a service. @param {...unknown} packet */
  call(...packet) {
    return call(this.socket, ...packet);
  }

  /** Moves the cursor, and waits until that is so. */
  point(boardId, x, y = 0, timestamp = Date.now()) {
    return this.call("cursor-move", { boardId, x, y, timestamp });
  }

  /** Waits for an event that has these values. @param {string} event @param {object} [values] */
  async hears(event, values = {}) {
    const fits = (item) =>
      item.event === event && Object.entries(values).every(([name, value]) => item.record?.[name] === value);
    await this.until(() => this.items.some(fits), `hears ${event} ${JSON.stringify(values)}`);
    return this.items.find(fits).record;
  }

  /** What it heard since the last time, of cursors and presence. */
  gossip() {
    const [gossip, rest] = [[], []];
    for (const item of this.items.splice(0)) (EPHEMERAL.test(item.event) ? gossip : rest).push(item);
    this.items.push(...rest);
    return gossip.map(({ event, record }) => ({ event, ...record }));
  }

  /** The events of the log that it heard since the last time, once what was sent before has arrived. */
  async told() {
    await this.call("find", "health", {});
    return this.items.splice(0).filter(({ event }) => !EPHEMERAL.test(event));
  }
}

/**
 * Makes accounts; the first is an admin's.
 *
 * @param {string} url
 * @param {string[]} names
 * @returns {Promise<Record<string, {id: string, token: string}>>}
 */
export async function register(url, names) {
  const people = {};
  let admin;
  for (const name of names) {
    const user = { email: `${name}@example.com`, password: name };
    const tab = await Tab.open(url, { token: admin });
    await tab.call("create", "users", user, {});
    const login = await tab.call("create", "authentication", { strategy: "local", ...user }, {});
    people[name] = { id: login.user.user_id, token: login.accessToken };
    admin ??= login.accessToken;
    tab.socket.close();
  }
  return people;
}

/** The error with which something fails. @param {Promise<unknown>} promise */
export const refused = (promise) =>
  promise.then(
    (answer) => Promise.reject(new Error(`not refused: ${JSON.stringify(answer)}`)),
    (error) => error,
  );
