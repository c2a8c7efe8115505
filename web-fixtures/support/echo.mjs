// A small Socket.IO server that is not Roost, for what Roost cannot be made to do.

import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { place } from "./listeners.mjs";
import { keep } from "./wait.mjs";

/**
 * A server that says each handshake back; or, with bursts, one for polling that sends the three events
 * after the handshake's stamp, every other time together with the connection's end.
 */
export async function echo({ bursts = false } = {}) {
  const handshakes = [];
  const server = createServer(poll);
  const sockets = new WebSocketServer({ server });
  const open = { sid: "1", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000 };
  sockets.on("connection", (socket) => {
    socket.send(`0${JSON.stringify(open)}`);
    socket.on("message", (text) => {
      if (!`${text}`.startsWith("40")) return;
      socket.send('40{"sid":"2"}');
      socket.send(`42["said",${`${text}`.slice(2)}]`);
    });
  });
  /** One client that polls: it is let in and told three events, every other time together with the end. */
  let greeted = 0;
  let told = 0;
  function poll(request, response) {
    if (request.method === "POST") {
      request.on("data", (text) => `${text}`.startsWith("40") && handshakes.push(JSON.parse(`${text}`.slice(2))));
      request.on("end", () => response.end("ok"));
    } else if (!new URL(request.url, "http://here").searchParams.has("sid")) {
      response.end(`0${JSON.stringify(open)}`);
    } else if (greeted === handshakes.length && greeted > 0) {
      const start = place(handshakes.at(-1).since);
      const event = (n) => `42["messages created",{},{"seq":"log-${start + n}"}]`;
      const end = greeted % 2 === 1 ? ["1"] : [];
      response.end(told === greeted ? "1" : [event(1), event(2), event(3), ...end].join("\x1e"));
      told = greeted;
    } else {
      // The handshake comes with a request of its own.
      const waiting = setInterval(() => {
        if (greeted === handshakes.length) return;
        clearInterval(waiting);
        greeted = handshakes.length;
        response.end('40{"sid":"2"}');
      }, 1);
      keep(() => clearInterval(waiting));
    }
  }
  if (!bursts) server.removeListener("request", poll);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  keep(() => {
    sockets.clients.forEach((socket) => socket.terminate());
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, handshakes };
}
