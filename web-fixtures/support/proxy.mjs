// A TCP proxy in front of a daemon: its connections can be held up, cut and reset.

import { once } from "node:events";
import { createServer, connect } from "node:net";
import { keep } from "./wait.mjs";

/** A proxy to a port of this machine, whether anybody listens there or not. */
export class Proxy {
  /** How many connections were taken. */
  taken = 0;
  #server;
  /** Both ends of each connection. @type {Set<[import("node:net").Socket, import("node:net").Socket]>} */
  #links = new Set();
  #port;
  #held = false;
  #shut = false;

  /** @param {number} port */
  static async open(port) {
    const proxy = new Proxy();
    proxy.lead(port);
    proxy.#server = createServer((client) => {
      if (proxy.#shut) client.destroy();
      else proxy.#link(client, connect(proxy.#port, "127.0.0.1"));
    });
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    keep(() => proxy.close());
    return proxy;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Takes no byte more from the daemon, on any connection. */
  hold() {
    this.#held = true;
    for (const [, daemon] of this.#links) daemon.pause();
  }

  /** Takes bytes again. */
  go() {
    this.#held = false;
    for (const [, daemon] of this.#links) daemon.resume();
  }

  /** Closes every connection, and each that comes, until it is opened again. */
  shut() {
    this.#shut = true;
    this.cut();
  }

  unshut() {
    this.#shut = false;
  }

  /** Connections that come go to another port. @param {number} port */
  lead(port) {
    this.#port = port;
  }

  /** Ends every connection with a reset, on both sides. */
  reset() {
    for (const ends of this.#links) ends.forEach(reset);
  }

  /** Closes every connection, on both sides; what is under way is lost. */
  cut() {
    for (const ends of this.#links) for (const end of ends) end.destroy();
  }

  close() {
    this.#server.close();
    this.cut();
  }

  #link(client, daemon) {
    this.taken++;
    const link = [client, daemon];
    this.#links.add(link);
    const pass = (from, to) => {
      from.setNoDelay();
      from.on("data", (bytes) => {
        if (to.destroyed || to.write(bytes)) return;
        from.pause();
        to.once("drain", () => (from === daemon && this.#held ? undefined : from.resume()));
      });
      from.on("end", () => to.end());
      // Who loses one end loses the other; why does not matter here.
      from.on("error", () => reset(to));
      from.on("close", () => {
        this.#links.delete(link);
        to.destroySoon();
      });
    };
    pass(client, daemon);
    pass(daemon, client);
    if (this.#held) daemon.pause();
  }
}

/** Ends a socket with a reset, unless it said goodbye: Node.js would never let go of it then. */
function reset(socket) {
  if (socket.writableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}
