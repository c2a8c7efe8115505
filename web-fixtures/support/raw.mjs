// HTTP and Socket.IO without a client library in between: bytes as they are.

import { connect } from "node:net";
import { once } from "node:events";
import { WebSocket } from "ws";
import { keep, soon } from "./wait.mjs";

/**
 * Sends a request on a connection of its own and reads what comes until that ends.
 *
 * @param {number} port
 * @param {import("./transcripts.mjs").Message} request
 * @returns {Promise<import("./transcripts.mjs").Message>}
 */
export async function exchange(port, { first, headers, body }) {
  const socket = connect(port, "127.0.0.1");
  keep(() => socket.destroy());
  const head = [first, "Host: localhost", "Connection: close", ...headers];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  const bytes = Buffer.concat(await soon(socket.toArray(), `${first} is answered`)).toString();
  const end = bytes.indexOf("\r\n\r\n");
  const [status, ...answered] = bytes.slice(0, end).split("\r\n");
  return { first: status, headers: answered, body: bytes.slice(end + 4) };
}

/** A WebSocket that speaks Engine.IO by hand. */
export class RawSocket {
  #socket;
  #frames = [];
  #arrived = () => {};

  /** @param {string} url where the daemon is @param {Record<string, string>} [headers] */
  static async open(url, headers) {
    const raw = new RawSocket();
    raw.#socket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`, { headers });
    keep(() => raw.close());
    raw.#socket.on("message", (data, isBinary) => {
      if (!isBinary && `${data}` === "2") return raw.#socket.send("3");
      raw.#frames.push(isBinary ? spell(data) : `${data}`);
      raw.#arrived();
    });
    await soon(once(raw.#socket, "open"), "a raw socket opens");
    return raw;
  }

  /** Sends a frame; bytes as `spell` writes them. @param {string} frame */
  send(frame) {
    const [, bytes] = /^\(binary \d+ bytes\) ([0-9a-f]*)$/.exec(frame) ?? [];
    this.#socket.send(bytes === undefined ? frame : Buffer.from(bytes, "hex"));
  }

  /** The next frames, that many of them. @param {number} count @param {string} what */
  async take(count, what) {
    const enough = new Promise((resolve) => {
      this.#arrived = () => this.#frames.length >= count && resolve();
      this.#arrived();
    });
    await soon(enough, what).catch((late) => {
      throw new Error(`${late.message}; arrived: ${this.#frames.join(" | ")}`);
    });
    return this.#frames.splice(0, count);
  }

  close() {
    this.#socket.terminate();
  }
}

const spell = (bytes) => `(binary ${bytes.length} bytes) ${bytes.toString("hex")}`;
