// Phoenix clients of three ages, over both transports, and small promises around them.

import { createRequire } from "node:module";
import { WebSocket } from "ws";
import { keep, soon } from "./wait.mjs";

export { until } from "./wait.mjs";
import { XMLHttpRequest } from "./xhr.mjs";

const require = createRequire(import.meta.url);

/** Loads a client; old ones look for a browser's `self`, and know requests only as a browser has them. */
function load(version) {
  if (!version.startsWith("1.7")) return require(`phoenix-${version}`);
  globalThis.self = Object.assign(Object.create(globalThis), { XMLHttpRequest });
  try {
    return require(`phoenix-${version}`);
  } finally {
    delete globalThis.self;
  }
}

/** What the suites run with. */
export const clients = ["1.8.16", "1.8.12", "1.7.23"].map((version) => ({
  version,
  phoenix: load(version),
}));

/** How clients reach a server. */
export const transports = {
  WebSocket: () => WebSocket,
  LongPoll: (phoenix) => phoenix.LongPoll,
};

/**
 * An open socket.
 *
 * @param {any} phoenix the client's module
 * @param {keyof typeof transports} transport
 * @param {string} url the mount's
 * @param {object} [options]
 */
export async function open(phoenix, transport, url, options = {}) {
  const again = { reconnectAfterMs: () => 20, rejoinAfterMs: () => 20, timeout: 3_000 };
  const socket = new phoenix.Socket(url, { transport: transports[transport](phoenix), ...again, ...options });
  keep(() => socket.disconnect());
  const opened = new Promise((resolve) => socket.onOpen(resolve));
  socket.connect();
  await soon(opened, "the socket opens");
  return socket;
}

/** What a push or a join is answered: its status and response, or `timeout`. */
export function answer(push) {
  const answered = new Promise((resolve) => {
    for (const status of ["ok", "error"]) push.receive(status, (response) => resolve([status, response]));
    push.receive("timeout", () => resolve(["timeout"]));
  });
  return soon(answered, "the push is answered");
}

/** The next event of a channel. */
export const heard = (channel, event) =>
  soon(
    new Promise((resolve) => {
      const ref = channel.on(event, (payload) => {
        channel.off(event, ref);
        resolve(payload);
      });
    }),
    `${event} comes`,
  );
