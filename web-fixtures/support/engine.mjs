// Engine.IO as a browser speaks it, request for request: no client library in between.

import { once } from "node:events";
import { WebSocket } from "ws";
import { http } from "./http.mjs";
import { keep, soon } from "./wait.mjs";

/** What parts the packets of a polling body. */
const BETWEEN = "\x1e";

/** One Engine.IO session. */
export class Engine {
  /** What the daemon said of the session. @type {{sid: string, upgrades: string[], pingInterval: number, pingTimeout: number, maxPayload: number}} */
  opening;
  /** Packets that came, over whatever transport. @type {string[]} */
  packets = [];
  /** Its WebSocket, once it has one. @type {WebSocket | undefined} */
  socket;
  /** Done when the WebSocket is closed, with its code. @type {Promise<number>} */
  closed;
  #url;
  #headers;
  #arrived = new Set();

  /** @param {string} url @param {Record<string, string>} [headers] */
  constructor(url, headers = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  /** Opens a session over polling. */
  async handshake() {
    const answer = await http(this.#url, this.#path("polling"), { headers: this.#headers });
    if (answer.status !== 200) throw new Error(`the handshake is answered ${answer.status} ${answer.text}`);
    this.opening = JSON.parse(answer.text.slice(1));
    return answer;
  }

  /** Posts packets. @param {...(string | Buffer)} packets */
  post(...packets) {
    const body = packets.length === 1 ? packets[0] : packets.join(BETWEEN);
    const headers = { ...this.#headers, "content-type": "text/plain;charset=UTF-8" };
    return http(this.#url, this.#path("polling"), { method: "POST", headers, body });
  }

  /** Takes what waits, or waits for it. */
  async poll() {
    const answer = await http(this.#url, this.#path("polling"), { headers: this.#headers });
    if (answer.status !== 200) throw new Error(`a poll is answered ${answer.status} ${answer.text}`);
    const packets = answer.text.split(BETWEEN);
    // A ping is answered the way it came: before the upgrade is done a WebSocket takes no pong.
    if (packets.includes("2")) await this.post("3");
    packets.forEach((packet) => this.#hear(packet));
    return packets;
  }

  /** Opens a WebSocket: of this session if it has begun over polling, else of a new one. */
  async websocket() {
    const socket = new WebSocket(`${this.#url.replace("http", "ws")}${this.#path("websocket")}`, {
      headers: this.#headers,
      maxPayload: 0,
    });
    keep(() => socket.terminate());
    socket.on("error", () => {});
    this.socket = socket;
    this.closed = once(socket, "close").then(([code]) => code);
    socket.on("message", (data, binary) => binary || this.#hear(`${data}`, socket));
    await soon(once(socket, "open"), "the WebSocket opens");
    return socket;
  }

  /** A connected Socket.IO client over a WebSocket alone. @param {string} url @param {Record<string, string>} [headers] */
  static async overWebSocket(url, headers) {
    const engine = new Engine(url, headers);
    const socket = await engine.websocket();
    await engine.until((packet) => packet.startsWith("0"), "the session opens");
    socket.send("40");
    await engine.until((packet) => packet.startsWith("40"), "the client is connected");
    return engine;
  }

  /** A connected Socket.IO client over polling alone. @param {string} url @param {Record<string, string>} [headers] */
  static async overPolling(url, headers) {
    const engine = new Engine(url, headers);
    await engine.handshake();
    await engine.post("40");
    while (!engine.packets.some((packet) => packet.startsWith("40"))) await engine.poll();
    return engine;
  }

  /** The packet that fits, once it has come; fails if the WebSocket is closed before. @param {(packet: string) => boolean} fits @param {string} what */
  async until(fits, what) {
    let seen = 0;
    let found;
    const look = () => {
      for (; !found && seen < this.packets.length; seen++) if (fits(this.packets[seen])) found = this.packets[seen];
      return found;
    };
    if (look()) return found;
    let watch;
    const met = new Promise((resolve) => this.#arrived.add((watch = () => look() && resolve())));
    const over = this.closed?.then((code) => Promise.reject(new Error(`closed with ${code} before ${what}`)));
    await soon(over ? Promise.race([met, over]) : met, what).finally(() => this.#arrived.delete(watch));
    return found;
  }

  /** The answer to a call with this ack id. @param {number} id */
  async answer(id) {
    const packet = await this.until((one) => one.startsWith(`43${id}[`), `call ${id} is answered`);
    return JSON.parse(packet.slice(`43${id}`.length));
  }

  #hear(packet, socket) {
    if (packet === "2") socket?.readyState === WebSocket.OPEN && socket.send("3");
    else if (packet.startsWith("0{")) this.opening = JSON.parse(packet.slice(1));
    this.packets.push(packet);
    for (const look of this.#arrived) look();
  }

  #path(transport) {
    const sid = this.opening ? `&sid=${this.opening.sid}` : "";
    return `/socket.io/?EIO=4&transport=${transport}${sid}`;
  }
}
