// Viewers of what a task streams, of every kind; each keeps what it was told.

import { io } from "socket.io-client";
import { clients, open } from "./phoenix.mjs";
import { keep, soon, until } from "./wait.mjs";

const EVENTS = ["stream.chunk", "stream.done", "stream.error"];
const [{ phoenix }] = clients;

/** Somebody who watches a task. */
export class StreamViewer {
  /** What the join was answered. @type {{seq: number, status: string}} */
  joined;
  /** The chunks. @type {{seq: number}[]} */
  chunks = [];
  /** The end: its event and payload. @type {[string, object] | undefined} */
  end;
  /** Everything, by name and in order. */
  names = [];
  /** The channel or socket, and what closes it. */
  client;
  close;

  hear(event, payload) {
    this.names.push(event);
    if (event === "stream.chunk") this.chunks.push(payload);
    else this.end = [event, payload];
  }

  get seqs() {
    return this.chunks.map(({ seq }) => seq);
  }

  get last() {
    return this.chunks.at(-1)?.seq ?? 0;
  }

  /** Waits for so many chunks. @param {number} n */
  count(n) {
    return until(() => this.chunks.length >= n, `${n} chunks come`);
  }

  ended() {
    return until(() => this.end, "the stream ends");
  }
}

/** Joins `task_stream:<id>` over a Phoenix socket that is open. */
export async function overChannel(socket, task, params = {}) {
  const viewer = new StreamViewer();
  const channel = socket.channel(`task_stream:${task}`, params);
  for (const event of EVENTS) channel.on(event, (payload) => viewer.hear(event, payload));
  viewer.client = channel;
  viewer.close = () => channel.leave();
  viewer.joined = await soon(
    new Promise((resolve, reject) => {
      channel.join().receive("ok", resolve).receive("error", ({ reason }) => reject(new Error(reason)));
    }),
    "the stream is joined",
  ).catch((error) => {
    channel.leave();
    throw error;
  });
  return viewer;
}

/** A Phoenix socket of an agent or a hirer. */
export const socketOf = (url, side, api_key, transport = "WebSocket", client = phoenix) =>
  open(client, transport, `${url.replace("http", "ws")}/socket/${side}`, { params: { api_key } });

/** Connects to `/task_stream/<id>`. @param {string} url @param {string} task @param {object} [auth] */
export async function overNamespace(url, task, auth = {}, options = {}) {
  const viewer = new StreamViewer();
  const socket = io(`${url}/task_stream/${task}`, { transports: ["websocket"], forceNew: true, auth, ...options });
  keep(() => socket.close());
  for (const event of EVENTS) socket.on(event, (payload) => viewer.hear(event, payload));
  viewer.client = socket;
  viewer.close = () => socket.close();
  viewer.joined = await soon(
    new Promise((resolve, reject) => socket.once("joined", resolve).once("connect_error", reject)),
    "the namespace is joined",
  );
  return viewer;
}

/** Emits a chunk over a namespace's socket; what it is answered. */
export const emitted = (socket, chunk, event = "task.stream_chunk") =>
  soon(socket.emitWithAck(event, chunk), "the chunk is answered");
