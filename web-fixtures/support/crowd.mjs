// Listeners for rough times: each comes back by itself, as well as its client can.

import { EventSource } from "eventsource";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { Listener, feathersClient, stream } from "./listeners.mjs";
import { resuming, resumingWays } from "./resuming.mjs";
import { DEADLINE, keep } from "./wait.mjs";

/**
 * @typedef {object} Kind a kind of listener
 * @property {string} name
 * @property {(url: string, since: string) => Listener} open
 * @property {import("./listeners.mjs").Way["hears"]} hears what it makes of the log's item
 */

/** Socket.IO clients with the helper. @type {Kind[]} */
const helped = Object.entries(resumingWays).map(([name, way]) => ({
  name: `resume.js, ${name}`,
  hears: (item) => item,
  open: (url, since) => resuming(url, { ...way, resume: { since } }),
}));

/** `EventSource`, which resumes by itself. @type {Kind} */
const source = {
  name: "EventSource",
  hears: (item) => item,
  open(url, since) {
    const listener = new Listener();
    const client = new EventSource(`${url}/events?since=${since}`);
    keep((listener.close = () => client.close()));
    client.addEventListener("message", ({ data, lastEventId: seq }) => {
      const { source, name, data: record } = JSON.parse(data);
      listener.hear({ seq, event: `${source} ${name}`, record });
    });
    client.addEventListener("reset", ({ data }) => listener.reset(JSON.parse(data)));
    return listener;
  },
};

/**
 * A WebSocket on `/ws/stream`; its `sittings` are what each connection brought.
 *
 * @param {string} url
 * @param {(listener: Listener) => string} where what it asks for at each connection
 */
function streaming(url, where) {
  const listener = Object.assign(new Listener(), { sittings: [] });
  let over = false;
  const open = () => {
    if (over) return;
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/stream${where(listener)}`);
    listener.client = socket;
    listener.sittings.push([]);
    socket.on("message", (text) => {
      const frame = JSON.parse(text);
      if (frame.type === "reset") return listener.reset(frame);
      if (frame.type === "heartbeat") return;
      const item = { seq: frame.seq, event: frame.event_type, record: frame.data.message };
      listener.sittings.at(-1).push(item);
      listener.hear(item);
    });
    // It closes, too.
    socket.on("error", () => {});
    socket.on("close", () => setTimeout(open, 20));
  };
  open();
  keep((listener.close = () => ((over = true), listener.client.terminate())));
  return listener;
}

/** One that says where it was. @type {Kind} */
const remembering = {
  name: "/ws/stream",
  hears: stream.hears,
  open: (url, since) => streaming(url, ({ seq }) => `?since=${seq ?? since}`),
};

/** One that does not. @param {string} url */
export const forgetfulStream = (url) => streaming(url, () => "");

/** Those who resume, each of which must have all there is. */
export const complete = [...helped, source, remembering];

/**
 * A socket.io-client that knows nothing of stamps; its `sittings` are what each connection brought.
 *
 * @param {string} url
 */
export function forgetful(url) {
  const listener = Object.assign(new Listener(), { sittings: [] });
  const socket = io(url, { transports: ["websocket"], forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 100 });
  keep((listener.close = () => socket.close()));
  socket.on("connect", () => listener.sittings.push([]));
  socket.onAny((event, record) => {
    const item = feathersClient.hears({ event, record });
    listener.sittings.at(-1).push(item);
    listener.hear(item);
  });
  return listener;
}

/**
 * Writes messages until all of these listeners hear the newest, which is returned: those who have no
 * stamps miss what comes while they are on their way back.
 *
 * @param {import("./writers.mjs").Writer} writer
 * @param {Listener[]} listeners
 */
export async function writeUntilHeard(writer, listeners) {
  for (const began = Date.now(); Date.now() - began < DEADLINE; ) {
    const last = await writer.write();
    const heard = ({ items }) => items.at(-1)?.record.message_id === last.message_id;
    for (let turn = 0; turn < 50; turn++) {
      if (listeners.every(heard)) return last;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  throw new Error("those without stamps do not come back");
}
