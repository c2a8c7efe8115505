// Viewers of sessions: Socket.IO clients that note every event, deltas included.

import { io } from "socket.io-client";
import { call } from "./call.mjs";
import { Listener } from "./listeners.mjs";
import { keep, soon } from "./wait.mjs";

/** Somebody who watches. */
export class Viewer extends Listener {
  /** @type {import("socket.io-client").Socket} */
  socket;

  /** @param {string} url @param {object} [options] */
  static async open(url, options = {}) {
    const viewer = new Viewer();
    viewer.socket = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, ...options });
    viewer.close = async () => void viewer.socket.disconnect();
    keep(viewer.close);
    viewer.socket.onAny((event, record) => viewer.hear({ event, record }));
    const { socket } = viewer;
    const connected = new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
    await soon(connected, "a viewer connects");
    return viewer;
  }

  find = (service, query = {}) => call(this.socket, "find", service, query);
  get = (service, id) => call(this.socket, "get", service, id, {});
  create = (service, data) => call(this.socket, "create", service, data, {});
  patch = (service, id, data) => call(this.socket, "patch", service, id, data, {});
  remove = (service, id) => call(this.socket, "remove", service, id, {});

  /** What it was told of a session since the session was there, without its creation. @param {string} session_id */
  story(session_id) {
    const of = ({ record }) => record?.session_id === session_id || record?.sessionId === session_id;
    return this.items.filter(of).filter(({ event }) => event !== "sessions created");
  }

  /** Waits for an event with these values. @param {string} event @param {object} values */
  async hears(event, values) {
    const fits = (item) =>
      item.event === event && Object.entries(values).every(([name, value]) => item.record?.[name] === value);
    await super.until(() => this.items.some(fits), `hears ${event} ${JSON.stringify(values)}`);
    return this.items.find(fits).record;
  }

  /** Waits until a session has become idle so many times. */
  idle(session_id, times = 1) {
    const became = ({ event, record }) =>
      event === "sessions patched" && record.session_id === session_id && record.status === "idle";
    return super.until(() => this.items.filter(became).length >= times, `hears that ${session_id} is idle`);
  }

  /** Runs a prompt to its end; the task. */
  async run(session_id, prompt) {
    const { taskId } = await this.create(`sessions/${session_id}/prompt`, { prompt });
    const over = ({ event, record }) =>
      event === "tasks patched" && record.task_id === taskId && ["completed", "failed", "stopped"].includes(record.status);
    await super.until(() => this.items.some(over), `hears the end of task ${taskId}`);
    return this.items.find(over).record;
  }
}
