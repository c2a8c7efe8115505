// Foreign pages stay out, every call is answered, and the daemon ends when it is told to.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { polling, upgraded, upgrading, ways, websocket } from "../support/listeners.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

describe("Hostile clients", () => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(sqlite)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  describe("foreign pages are refused on every transport", () => {
    const foreign = {
      "a foreign Origin": { origin: "http://evil.example" },
      "a sandboxed Origin": { origin: "null" },
      "an Origin that looks like ours": { origin: "http://localhost.evil.example" },
      "a foreign Host": { host: "evil.example" },
      "a Host that looks like ours": { host: "127.0.0.1.evil.example:3030" },
    };
    const own = {
      "no Origin": {},
      "an Origin on this machine": { origin: "http://localhost:5173" },
      "a Host on this machine": { host: "localhost:3030" },
    };
    const transports = {
      "Socket.IO polling": (headers) => get("/socket.io/?EIO=4&transport=polling", headers),
      "Socket.IO websocket": (headers) => upgrade("/socket.io/?EIO=4&transport=websocket", headers),
      "/ws/stream": (headers) => upgrade("/ws/stream", headers),
      "/events": (headers) => get("/events", { accept: "text/event-stream", ...headers }),
      REST: (headers) => get("/messages", headers),
      "REST, writing": (headers) => get("/boards", { "content-type": "text/plain", ...headers }, "POST"),
    };
    for (const [transport, status] of Object.entries(transports)) {
      test(transport, async () => {
        for (const [who, headers] of Object.entries(foreign)) assert.equal(await status(headers), 403, who);
        for (const [who, headers] of Object.entries(own)) assert.notEqual(await status(headers), 403, who);
      });
    }

    test("socket.io-client is told", async () => {
      for (const transport of ["polling", "websocket"]) {
        const extraHeaders = { origin: "http://evil.example" };
        const options = { transports: [transport], extraHeaders, reconnection: false, forceNew: true };
        const socket = io(daemon.url, options);
        keep(() => socket.disconnect());
        const [{ description }] = await soon(once(socket, "connect_error"), "the client is refused");
        assert.match(`${description.message ?? description}`, /403/);
      }
    });
  });

  describe("calls that make no sense are answered", () => {
    const nonsense = [
      ["an unknown method", 405, "frobnicate", "messages", {}],
      ["an unknown method, nothing else", 405, "frobnicate"],
      ["a method that the service lacks", 405, "create", "health", {}, {}],
      ["several records where one is allowed", 405, "create", "boards", [{}, {}], {}],
      ["no path", 404, "find"],
      ["null as path", 404, "find", null, {}],
      ["a number as path", 404, "find", 5, {}],
      ["an unknown path", 404, "find", "no/such/path", {}],
      ["no id", 404, "get", "messages"],
      ["null as id", 404, "get", "messages", null, {}],
      ["an object as id", 400, "get", "messages", { $ne: null }, {}],
      ["too many arguments", 400, "find", "messages", {}, {}, {}],
      ["an unknown operator", 400, "find", "messages", { index: { $near: 1 } }],
      ["an unknown filter", 400, "find", "messages", { $where: "1" }],
      ["an unknown field", 400, "find", "messages", { "index; DROP TABLE messages": 1 }],
      ["a prototype", 400, "find", "messages", JSON.parse('{"__proto__": {"a": 1}}')],
      ["a deep query", 400, "find", "messages", nest(50)],
      ["a very deep query", 400, "find", "messages", nest(1_000)],
      ["data that is a string", 400, "create", "boards", "name", {}],
      ["no data", 400, "create", "boards"],
      ["half a character", 400, "create", "boards", { name: "\ud800" }, {}],
      ["a zero character", 400, "create", "boards", { name: "a\0b" }, {}],
      ["a binary attachment", 400, "create", "boards", { name: Buffer.from("name") }, {}],
    ];
    for (const way of [websocket, polling]) {
      test(way.name, async () => {
        const { client } = await way.open(daemon.url);
        for (const [what, code, ...packet] of nonsense) {
          const error = await call(client, ...packet).then(
            (result) => assert.fail(`${what}: answered ${JSON.stringify(result)}`),
            (error) => error,
          );
          assert.equal(error.code, code, `${what}: ${JSON.stringify(error)} ${error}`);
          assert.ok(error.name && error.message && error.className, what);
          // The same without an ack: nothing to answer, nothing to break.
          client.emit(...packet);
        }
        assert.equal((await call(client, "find", "health", {})).status, "ok");
      });
    }
  });

  test("ten thousand calls emitted without waiting are all answered", async () => {
    const writer = await Writer.connect(daemon.url);
    const { session_id } = writer.session;
    const calls = Array.from({ length: 10_000 }, (_, index) => {
      if (index % 10 === 0) return call(writer.socket, "create", "messages", { session_id, index }, {});
      if (index % 10 === 1) return call(writer.socket, "frobnicate").catch(({ code }) => ({ code }));
      return call(writer.socket, "get", "sessions", session_id, {});
    });
    const answers = await soon(Promise.all(calls), "all calls are answered");
    for (const [index, answer] of answers.entries()) {
      if (index % 10 === 0) assert.equal(answer.index, index);
      else if (index % 10 === 1) assert.deepEqual(answer, { code: 405 });
      else assert.equal(answer.session_id, session_id);
    }
  });

  describe("SIGTERM ends the daemon in good order within its drain time", () => {
    const DRAIN = 2;

    test("with clients of every kind, who notice", async () => {
      const daemon = await Daemon.start(sqlite, { args: ["--drain-secs", `${DRAIN}`] });
      try {
        const listeners = await Promise.all(ways.map((way) => way.open(daemon.url)));
        await upgraded(listeners[ways.indexOf(upgrading)]);
        const silent = connect(daemon.port, "127.0.0.1").on("error", () => {});
        const slow = connect(daemon.port, "127.0.0.1").on("error", () => {});
        keep(() => [silent, slow].forEach((socket) => socket.destroy()));
        await Promise.all([once(silent, "connect"), once(slow, "connect")]);
        slow.write("POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
        await endsInTime(daemon);
        const noticed = ({ lost }, index) => soon(lost, `${ways[index].name} notices`);
        const reasons = await Promise.all(listeners.map(noticed));
        for (const [index, reason] of reasons.entries()) {
          // A socket.io-client that the server dismissed would never come back.
          assert.notEqual(reason, "io server disconnect", ways[index].name);
        }
        assert.equal(reasons[ways.findIndex(({ name }) => name.includes("/ws/stream"))], 1012);
      } finally {
        await daemon.stop();
      }
    });

    for (const [what, ...packet] of [
      ["writes", "create", "boards", {}, {}],
      ["reads", "find", "boards", {}],
      ["failures", "create", "messages", {}, {}],
    ]) {
      test(`with ${what} under way`, async () => {
        const daemon = await Daemon.start(sqlite, { args: ["--drain-secs", `${DRAIN}`] });
        try {
          const { client, lost } = await upgrading.open(daemon.url);
          const first = new Promise((resolve) => {
            for (let n = 0; n < 1_000; n++) client.emit(...packet, resolve);
          });
          await soon(first, "the first call is answered");
          await endsInTime(daemon);
          await soon(lost, "the client notices");
        } finally {
          await daemon.stop();
        }
      });
    }

    async function endsInTime(daemon) {
      const started = performance.now();
      assert.deepEqual(await daemon.kill("SIGTERM"), { code: 0, signal: null });
      const seconds = (performance.now() - started) / 1000;
      assert.ok(seconds < DRAIN + 1, `took ${seconds} s`);
    }
  });

  /** The status of a plain request. */
  async function get(path, headers, method = "GET") {
    const { port } = daemon;
    const sent = request({ port, host: "127.0.0.1", path, headers, method }).end();
    const [response] = await soon(once(sent, "response"), `${path} is answered`);
    response.destroy();
    return response.statusCode;
  }

  /** The status of an upgrade. */
  async function upgrade(path, headers) {
    const socket = new WebSocket(`${daemon.url.replace("http", "ws")}${path}`, { headers });
    socket.on("error", () => {});
    const refused = once(socket, "unexpected-response").then(([, { statusCode }]) => statusCode);
    const status = await soon(
      Promise.race([refused, once(socket, "open").then(() => 101)]),
      `${path} is answered`,
    );
    socket.terminate();
    return status;
  }
});

/** A query in a query in a query. */
function nest(depth) {
  let query = { index: 1 };
  for (let level = 0; level < depth; level++) query = { $or: [query] };
  return query;
}
