// Clients that write messages, one or many at full speed, and remember what was acknowledged.

import { io } from "socket.io-client";
import { call } from "./call.mjs";
import { keep, soon } from "./wait.mjs";

/** A plain Socket.IO client that writes into a session of its own. */
export class Writer {
  /** What was acknowledged, in the order of the acknowledgements. @type {{message_id: string}[]} */
  written = [];
  /** The session into which it writes. @type {{session_id: string}} */
  session;

  /** @param {string} url */
  static async connect(url) {
    const writer = new Writer();
    writer.socket = io(url, { transports: ["websocket"], reconnection: false, forceNew: true });
    keep(() => writer.close());
    await soon(new Promise((resolve) => writer.socket.once("connect", resolve)), "a writer connects");
    writer.session = await call(writer.socket, "create", "sessions", {}, {});
    return writer;
  }

  /** Writes a message. */
  async write(content = "a message") {
    const data = { session_id: this.session.session_id, content };
    const message = await call(this.socket, "create", "messages", data, {});
    this.written.push(message);
    return message;
  }

  /** Writes n messages, all of them under way at once. @param {number} n */
  many(n) {
    return Promise.all(Array.from({ length: n }, (_, i) => this.write(`message ${i}`)));
  }

  /** Writes, four messages under way at a time, until it is told to stop. @param {AbortSignal} stop */
  async until(stop) {
    const keepOn = async () => {
      while (!stop.aborted) await this.write();
    };
    await Promise.all(Array.from({ length: 4 }, keepOn));
  }

  close() {
    this.socket.disconnect();
  }
}
