// Listeners that come back by themselves and resume with resume.js, one for each way to use it.

import feathers from "@feathersjs/client";
import { io } from "socket.io-client";
import { resume } from "../resume.js";
import { Listener, hearServices } from "./listeners.mjs";
import { keep } from "./wait.mjs";

/** How fast they come back. */
const SOON = { reconnectionDelay: 20, reconnectionDelayMax: 100, forceNew: true };

/**
 * A listener that resumes; its `resuming` is what `resume` gave, its `client` the socket.
 *
 * @param {string} url
 * @param {object} [options]
 * @param {object} [options.io] of the socket
 * @param {boolean} [options.feathers] whether it hears by way of a Feathers client, its `app`
 * @param {import("../resume.js").Options} [options.resume]
 */
export function resuming(url, options = {}) {
  const listener = new Listener();
  const socket = io(url, { ...SOON, ...options.io });
  keep(() => socket.off("disconnect").close());
  const hear = (event, record, stamp) => stamp?.seq && listener.hear({ seq: stamp.seq, event, record });
  if (options.feathers) {
    listener.app = feathers().configure(feathers.socketio(socket));
    hearServices(listener.app, hear);
  }
  listener.client = socket;
  listener.resuming = resume(listener.app ?? socket, {
    onReset: (reset) => listener.reset(reset),
    ...options.resume,
  });
  if (!listener.app) socket.onAny(hear);
  return listener;
}

/** The transports that socket.io-client has, and the Feathers client. */
export const resumingWays = {
  websocket: { io: { transports: ["websocket"] } },
  "polling only": { io: { transports: ["polling"] } },
  "polling, then upgraded": {},
  "@feathersjs/client": { io: { transports: ["websocket"] }, feathers: true },
};

/** Waits until a socket is connected. @param {Listener} listener */
export const connected = ({ client }) =>
  client.connected ? undefined : new Promise((resolve) => client.once("connect", resolve));
