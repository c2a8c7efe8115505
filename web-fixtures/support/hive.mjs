// Clients of Hive's streams, and those who tell events.

import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { sendJson } from "./http.mjs";
import { keep, soon, until } from "./wait.mjs";

/** A connection and what it was told. */
export class Watcher {
  /** What came, in order. @type {any[]} */
  frames = [];
  /** Whether each came as text. */
  texts = true;
  /** @type {WebSocket} */
  socket;
  /** How it ended, once it has. @type {Promise<{code: number, reason: string}>} */
  closed;

  /** Opens a connection. @param {string} url @param {object} [options] the library's */
  static async open(url, options = {}) {
    const watcher = new Watcher();
    const socket = (watcher.socket = new WebSocket(url.replace(/^http/, "ws"), options));
    keep(() => socket.terminate());
    socket.on("message", (data, isBinary) => {
      watcher.texts &&= !isBinary;
      watcher.frames.push(JSON.parse(data));
    });
    watcher.closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
    const opened = new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
    await soon(opened, `${url} opens`);
    return watcher;
  }

  /** Opens a connection and subscribes. @param {string} url @param {object} [filters] */
  static async of(url, filters = {}) {
    const watcher = await Watcher.open(url);
    await watcher.subscribe(filters);
    return watcher;
  }

  /** @param {unknown} data */
  send(data) {
    this.socket.send(typeof data === "string" || Buffer.isBuffer(data) ? data : JSON.stringify(data));
  }

  /** What is no event, without the welcome. */
  get answers() {
    return this.frames.filter(({ type }) => type !== "event" && type !== "connected");
  }

  get events() {
    return this.frames.filter(({ type }) => type === "event").map(({ event }) => event);
  }

  get types() {
    return this.events.map(({ type }) => type);
  }

  /** Says something and waits for the answer. @param {unknown} data */
  async ask(data) {
    const before = this.answers.length;
    this.send(data);
    await until(() => this.answers.length > before, `${JSON.stringify(data)?.slice(0, 80)} is answered`);
    return this.answers[before];
  }

  async subscribe(filters = {}) {
    const answer = await this.ask({ action: "subscribe", ...filters });
    assert.equal(answer.type, "subscribed", JSON.stringify(answer));
    return answer;
  }

  /** Waits until so many events came. @param {number} count */
  async has(count) {
    await until(() => this.events.length >= count, `${count} events come, of which ${this.types} did`);
    return this.events;
  }

  async end() {
    return await soon(this.closed, "the connection ends");
  }
}

/** Tells events over HTTP. @param {string} url @param {...object} events */
export async function tell(url, ...events) {
  const { status, json } = await sendJson(url, "POST", "/hive/events", events.length === 1 ? events[0] : events);
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

/** Where the daemon's listener for Hive alone is. @param {import("./daemon.mjs").Daemon} daemon */
export function hiveUrl(daemon) {
  const [, port] = daemon.log.map((line) => /listening on ws:\/\/[^:]+:(\d+)/.exec(line)).find(Boolean);
  return `http://127.0.0.1:${port}`;
}
