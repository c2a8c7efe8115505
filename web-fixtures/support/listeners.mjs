// One listener for each way to listen; each keeps what it was told as items that can be compared.

import feathers from "@feathersjs/client";
import { EventSource } from "eventsource";
import { once } from "node:events";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { keep, soon } from "./wait.mjs";

/**
 * @typedef {object} Item what a listener was told of one change
 * @property {string} [seq] its stamp, where the way has stamps
 * @property {string} event `<service> <event>`, or the dialect's own word
 * @property {unknown} record
 *
 * @typedef {object} Way a way to listen
 * @property {string} name
 * @property {(url: string, since?: string) => Promise<Listener>} open `since` is "now", "0" or a stamp
 * @property {(item: Item) => Item | undefined} hears what it makes of the log's item; not every
 *   dialect has words for everything
 */

const SERVICES = ["boards", "sessions", "tasks", "messages", "repos"];
const EVENTS = ["created", "updated", "patched", "removed"];

/** Somebody who listens. */
export class Listener {
  /** What came, in order. @type {Item[]} */
  items = [];
  /** Each time it was told to read everything anew. @type {{reason: string, oldest: string, latest: string}[]} */
  resets = [];
  /** Done when the connection ends, with the client library's reason. @type {Promise<unknown>} */
  lost;
  /** Ends the connection. @type {() => Promise<void>} */
  close;
  /** The client library's object. */
  client;
  #watchers = new Set();

  /** @param {Item} item */
  hear(item) {
    this.items.push(item);
    for (const watch of this.#watchers) watch();
  }

  /** @param {{reason: string, oldest: string, latest: string}} reset */
  reset(reset) {
    this.resets.push(reset);
    for (const watch of this.#watchers) watch();
  }

  /** The last stamp. */
  get seq() {
    return this.items.at(-1)?.seq;
  }

  /**
   * Waits until something is so.
   *
   * @param {() => unknown} so
   * @param {string} what
   */
  async until(so, what) {
    if (so()) return;
    let watch;
    const met = new Promise((resolve) => this.#watchers.add((watch = () => so() && resolve())));
    await soon(met, `${what} (heard ${this.items.length})`).finally(() => this.#watchers.delete(watch));
  }

  /** Waits for n items. @param {number} n */
  count(n) {
    return this.until(() => this.items.length >= n, `hears ${n} changes`);
  }

  /** Waits for the creation of a message. @param {{message_id: string}} message */
  async heard({ message_id }) {
    let seen = 0;
    const here = ({ event, record }) =>
      /created$|^agent_message$/.test(event) && record.message_id === message_id;
    await this.until(() => {
      const found = this.items.slice(seen).some(here);
      seen = this.items.length;
      return found;
    }, `hears of message ${message_id}`);
  }
}

/** A Feathers client over a WebSocket. @param {string} url */
export function connectFeathers(url) {
  const socket = io(url, { transports: ["websocket"], reconnection: false, forceNew: true });
  keep(() => socket.disconnect());
  return { app: feathers().configure(feathers.socketio(socket)), socket };
}

/**
 * Hears what the services of a Feathers client tell.
 *
 * @param {any} app
 * @param {(event: string, ...args: any[]) => void} hear
 */
export function hearServices(app, hear) {
  for (const service of SERVICES) {
    for (const event of EVENTS) {
      app.service(service).on(event, (...args) => hear(`${service} ${event}`, ...args));
    }
  }
}

/** @type {Way} */
export const feathersClient = {
  name: "@feathersjs/client over websocket",
  hears: ({ event, record }) => ({ event, record }),
  async open(url) {
    const { app, socket } = connectFeathers(url);
    const listener = new Listener();
    hearServices(app, (event, record, ...more) => {
      listener.hear({ event, record, ...(more.length && { more }) });
    });
    return connected(listener, socket);
  },
};

/**
 * socket.io-client with stamps.
 *
 * @param {string} how
 * @param {Partial<import("socket.io-client").ManagerOptions>} options
 * @returns {Way}
 */
function socketIo(how, options) {
  return {
    name: `socket.io-client, ${how}`,
    hears: (item) => item,
    open(url, since = "now") {
      const socket = io(url, { auth: { since }, reconnection: false, forceNew: true, ...options });
      const listener = new Listener();
      socket.onAny((event, record, stamp, ...more) => {
        if (event === "reset") listener.reset(record);
        else listener.hear({ seq: stamp?.seq, event, record, ...(more.length && { more }) });
      });
      return connected(listener, socket);
    },
  };
}

/** @param {Listener} listener @param {import("socket.io-client").Socket} socket */
async function connected(listener, socket) {
  listener.client = socket;
  listener.lost = new Promise((resolve) => socket.once("disconnect", resolve));
  listener.close = async () => void socket.disconnect();
  keep(listener.close);
  await soon(
    new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject)),
    "the socket connects",
  );
  return listener;
}

export const websocket = socketIo("websocket", { transports: ["websocket"] });
export const polling = socketIo("polling only", { transports: ["polling"] });
export const upgrading = socketIo("polling, then upgraded", {});

/** Waits until a socket that began with polling is on its WebSocket. @param {Listener} listener */
export async function upgraded({ client }) {
  const { engine } = client.io;
  if (engine.transport.name !== "websocket")
    await soon(new Promise((resolve) => engine.once("upgrade", resolve)), "the socket is upgraded");
}

/** @type {Way} */
export const stream = {
  name: "ws on /ws/stream",
  hears: (item) => (item.event === "messages created" ? { ...item, event: "agent_message" } : undefined),
  async open(url, since = "now") {
    const socket = new WebSocket(`${url.replace("http", "ws")}/ws/stream?since=${since}`);
    const listener = new Listener();
    listener.client = socket;
    listener.lost = once(socket, "close").then(([code]) => code);
    listener.close = async () => {
      socket.close();
      await soon(listener.lost, "the stream closes");
    };
    keep(() => socket.terminate());
    socket.on("message", (text) => {
      const frame = JSON.parse(text);
      if (frame.type === "reset") listener.reset(frame);
      else if (frame.type !== "heartbeat")
        listener.hear({ seq: frame.seq, event: frame.event_type, record: frame.data.message });
    });
    await soon(once(socket, "open"), "the stream opens");
    return listener;
  },
};

/** @type {Way} */
export const eventSource = {
  name: "EventSource on /events",
  hears: (item) => item,
  async open(url, since = "now") {
    const source = new EventSource(`${url}/events?since=${since}`);
    const listener = new Listener();
    listener.client = source;
    listener.lost = new Promise((resolve) => {
      source.addEventListener("open", () => source.addEventListener("error", resolve, { once: true }));
    });
    listener.close = async () => source.close();
    keep(listener.close);
    source.addEventListener("message", ({ data, lastEventId }) => {
      const { source, name, data: record } = JSON.parse(data);
      listener.hear({ seq: lastEventId, event: `${source} ${name}`, record });
    });
    source.addEventListener("reset", ({ data }) => listener.reset(JSON.parse(data)));
    await soon(
      new Promise((resolve, reject) => {
        source.addEventListener("open", resolve, { once: true });
        source.addEventListener("error", reject, { once: true });
      }),
      "the event source opens",
    );
    return listener;
  },
};

/** The ways that have stamps. */
export const stamped = [websocket, polling, upgrading, stream, eventSource];

/** All of them. */
export const ways = [feathersClient, ...stamped];

/**
 * The log after a stamp, up to the creation of a message.
 *
 * @param {string} url
 * @param {string} since
 * @param {{message_id: string}} last
 * @returns {Promise<Item[]>}
 */
export async function readLog(url, since, last) {
  const reader = await eventSource.open(url, since);
  await reader.heard(last);
  await reader.close();
  return reader.items;
}

/** The number in a stamp. @param {string} seq */
export const place = (seq) => Number(seq.slice(seq.lastIndexOf("-") + 1));
