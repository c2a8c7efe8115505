// Bytes, handshakes, verbs, query strings, forms and paths that make no sense. All are answered clearly, and nothing wrong is stored.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { FORM, JSON_KIND, assertError, created, removed, serve } from "../support/bad-input.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http } from "../support/http.mjs";
import { polling } from "../support/listeners.mjs";
import { soon } from "../support/wait.mjs";

onEveryDatabase("Bad input in requests", (database) => {
  let daemon;
  const endsWell = serve(database, (running) => ({ daemon } = running));

  describe("bytes that are no text are refused", () => {
    const bytes = Buffer.from('{"name":"\xff\xfe\xc0\xaf"}', "latin1");

    test("as JSON and as a form", async () => {
      assertError(await http(daemon.url, "/boards", { method: "POST", headers: JSON_KIND, body: bytes }), 400);
      assertError(await http(daemon.url, "/boards", { method: "POST", headers: FORM, body: bytes }), 400);
      const text = { "content-type": "text/plain" };
      assertError(await http(daemon.url, "/boards", { method: "POST", headers: text, body: bytes }), 400);
    });

    for (const body of ["{bad", "[1,", '{"a":1}x', "nul", '{"a":NaN}', "{'a':1}", '"', "[".repeat(100_000), "\ufeff{}"]) {
      test(`as JSON: ${body.slice(0, 20)}`, async () => {
        assertError(await http(daemon.url, "/boards", { method: "POST", headers: JSON_KIND, body }), 400);
      });
    }

    test("in a poll", async () => {
      const engine = await Engine.overPolling(daemon.url);
      const packet = Buffer.concat([Buffer.from('420["create","boards",'), bytes, Buffer.from(",{}]")]);
      const { status } = await engine.post(packet);
      assert.equal(status, 400);
    });

    test("in a WebSocket's frame, whose connection ends", async () => {
      const engine = await Engine.overWebSocket(daemon.url);
      const packet = Buffer.concat([Buffer.from('420["create","boards",'), bytes, Buffer.from(",{}]")]);
      engine.socket.send(packet, { binary: false });
      await soon(engine.closed, "the WebSocket is closed");
    });

    for (const packet of [
      "nonsense",
      "",
      "4",
      "42",
      "42[",
      "420",
      "420{}",
      "420[]",
      "420[5]",
      "420[null]",
      '420["find"',
      '420["find","boards",{}]]',
      '42-1["find","boards",{}]',
      '4299999999999999999999["find","boards",{}]',
      '42/admin,0["find","boards",{}]',
      '450-["x"]',
      '451-["create","boards",{"_placeholder":true,"num":5},{}]',
      '451-0["create","boards",{"name":{"_placeholder":true,"num":99}},{}]',
      "40{",
      "40/nope,",
      "43[]",
      '430[null,"x"]',
      "44",
      "46",
      "5",
      "6",
      "7",
      "\0",
    ]) {
      test(`as a packet: ${JSON.stringify(packet)}`, async () => {
        const [engine, other] = [await Engine.overWebSocket(daemon.url), await Engine.overPolling(daemon.url)];
        engine.socket.send(packet);
        const posted = await other.post(packet);
        assert.ok(posted.status === 200 || posted.status === 400, `${posted.status}`);
        // Either it is answered and the connection goes on, or it ends.
        engine.socket.send('427["find","health",{}]');
        const ended = engine.closed.then(() => [null, { status: "ok" }]);
        const [error, health] = await engine.answer(7).catch(() => soon(ended, "the connection goes on or ends"));
        assert.equal(error, null);
        assert.equal(health.status, "ok");
      });
    }
  });

  describe("an Engine.IO handshake that cannot be is refused as engine.io refuses it", () => {
    for (const [what, method, query, code, message] of [
      ["protocol 3", "GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"],
      ["no protocol", "GET", "transport=polling", 5, "Unsupported protocol version"],
      ["another transport", "GET", "EIO=4&transport=carrier", 0, "Transport unknown"],
      ["no transport", "GET", "EIO=4", 0, "Transport unknown"],
      ["an unknown session", "GET", "EIO=4&transport=polling&sid=nope", 1, "Session ID unknown"],
      ["an unknown session to post", "POST", "EIO=4&transport=polling&sid=nope", 1, "Session ID unknown"],
      ["a handshake that posts", "POST", "EIO=4&transport=polling", 2, "Bad handshake method"],
      ["a handshake that puts", "PUT", "EIO=4&transport=polling", 2, "Bad handshake method"],
      ["a WebSocket that is none", "GET", "EIO=4&transport=websocket", 3, "Bad request"],
    ]) {
      test(what, async () => {
        const { status, json, text } = await http(daemon.url, `/socket.io/?${query}`, { method });
        assert.equal(status, 400, text);
        assert.deepEqual(json, { code, message }, text);
      });
    }
  });

  test("ten thousand calls of a client that does not read are all answered when it does", async () => {
    const engine = await Engine.overWebSocket(daemon.url);
    const { socket } = engine;
    const session = await created(daemon, "sessions", {});
    const calls = [
      ["find", "sessions", { $limit: 1 }],
      ["get", "sessions", session.session_id, {}],
      ["create", "messages", { session_id: session.session_id, content: "x" }, { $select: ["index"] }],
      ["frobnicate", "boards"],
      ["get", "messages", "nobody's", {}],
    ];
    const codes = [null, null, null, 405, 404];
    socket.pause();
    for (let id = 0; id < 10_000; id++) socket.send(`42${id}${JSON.stringify(calls[id % calls.length])}`);
    await soon(
      new Promise((resolve) => socket.send("3", resolve)),
      "the calls are sent",
    );
    socket.resume();
    const answered = new Map();
    const take = (packet) => {
      const [, id, answer] = /^43(\d+)(\[.*)$/s.exec(packet) ?? [];
      if (!id) return false;
      assert.ok(!answered.has(id), `${id} is answered twice`);
      answered.set(id, JSON.parse(answer)[0]?.code ?? null);
      return answered.size === 10_000;
    };
    await engine.until(take, "all calls are answered");
    for (const [id, code] of answered) assert.equal(code, codes[id % codes.length], id);
    await removed(daemon, "sessions", session);
  });

  describe("a query string", () => {
    test("may have 2,000 parameters, and 2,001 are refused", async () => {
      const many = (count) => Array.from({ length: count }, (_, n) => `index[$in][${n}]=${n}`).join("&");
      const page = await http(daemon.url, `/messages?${many(2_000)}`);
      assert.equal(page.status, 200, page.text);
      assertError(await http(daemon.url, `/messages?${many(2_001)}`), 400);
      const anonymous = "index[$in][]=1&".repeat(2_001);
      assertError(await http(daemon.url, `/messages?${anonymous}`), 400);
      const repeated = "role=user&".repeat(2_001);
      assertError(await http(daemon.url, `/messages?${repeated}`), 400);
    });

    test("nests five deep", async () => {
      assert.equal((await http(daemon.url, "/messages?$or[0][index][$in][0]=1")).status, 200);
      for (const depth of [6, 7, 50, 1_000]) {
        assertError(await http(daemon.url, `/messages?index${"[$in]".repeat(depth)}=1`), 400, `${depth}`);
      }
      for (const odd of ["[", "]", "[]", "[[", "a[", "a]", "a[[b]]", "=", "&&&", "=1", "%", "%5B", "a[=1", "[$in]=1"]) {
        const { status } = await http(daemon.url, `/messages?${odd}`);
        assert.ok(status === 200 || status === 400, `${odd}: ${status}`);
      }
    });
  });

  describe("the other verbs", () => {
    test("HEAD has GET's status and headers, and no body", async () => {
      const board = await created(daemon, "boards", { description: "x".repeat(3_000) });
      for (const path of [
        "/",
        "/boards",
        `/boards/${board.board_id}`,
        "/boards/nobody's",
        "/boards?$limit=abc",
        "/boards?colour=1",
        "/nope",
        "/ws/stream",
        "/%ff",
      ]) {
        for (const headers of [{}, { "accept-encoding": "gzip" }, { origin: "http://localhost:5173" }]) {
          const [whole, head] = [
            await http(daemon.url, path, { headers }),
            await http(daemon.url, path, { headers, method: "HEAD" }),
          ];
          assert.equal(head.status, whole.status, path);
          assert.equal(head.body.length, 0, path);
          // How the body would be framed need not be said without one.
          const comparable = ({ headers: { date, "transfer-encoding": framing, ...rest } }) => rest;
          assert.deepEqual(comparable(head), comparable(whole), path);
        }
      }
      await removed(daemon, "boards", board);
    });

    for (const path of ["/nope", "/nope/1", "/boards/1/2/3", "/socket", "/ws/nope", "/events/nope", "/metrics/nope"]) {
      test(`of ${path} are 404 or 405, as JSON`, async () => {
        for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "POST", "DELETE", "PROPFIND", "LINK"]) {
          const answer = await http(daemon.url, path, { method });
          const over = `${method} ${path}: ${answer.status} ${answer.text}`;
          assert.ok(answer.status === 404 || answer.status === 405, over);
          assert.match(answer.headers["content-type"], /^application\/json/, over);
          if (method !== "HEAD") assertError(answer, answer.status, over);
        }
      });
    }

    for (const path of ["/boards", "/boards/1", "/", "/health", "/events", "/metrics", "/ws/stream"]) {
      test(`of ${path} that are not spoken are 404 or 405, as JSON`, async () => {
        for (const method of ["OPTIONS", "TRACE", "PROPFIND", "LINK"]) {
          const answer = await http(daemon.url, path, { method });
          assert.ok(answer.status === 404 || answer.status === 405, `${method} ${answer.status}`);
          assertError(answer, answer.status, `${method} ${path}`);
        }
      });
    }
  });

  test("a path that is not UTF-8 is refused as JSON, wherever it leads", async () => {
    for (const path of ["/ws/%ff", "/ws/tasks/%ff", "/%ff", "/events/%ff", "/boards/%ff", "/metrics/%ff", "/%c0%af"]) {
      const answer = await http(daemon.url, path);
      assert.ok(answer.status === 400 || answer.status === 404, `${path}: ${answer.status}`);
      assertError(answer, answer.status, path);
    }
  });

  describe("a form", () => {
    test("is data as a query string is a query", async () => {
      const body = "name=A+form&description=a%26b%3Dc&color=%23fff";
      const { status, json } = await http(daemon.url, "/boards", { method: "POST", headers: FORM, body });
      assert.equal(status, 201);
      assert.deepEqual([json.name, json.description, json.color], ["A form", "a&b=c", "#fff"]);
      const path = `/boards/${json.board_id}`;
      const patched = await http(daemon.url, path, { method: "PATCH", headers: FORM, body: "name=" });
      assert.equal(patched.json.name, "");
      await removed(daemon, "boards", json);
    });

    test("holds objects and lists", async () => {
      const session = await created(daemon, "sessions", {});
      const body = `session_id=${session.session_id}&metadata[tokens][input]=1&metadata[list][]=a&metadata[list][]=b&index=7`;
      const charset = { "content-type": "application/x-www-form-urlencoded; charset=UTF-8" };
      const { status, json } = await http(daemon.url, "/messages", { method: "POST", headers: charset, body });
      assert.equal(status, 201);
      assert.deepEqual(json.metadata, { tokens: { input: "1" }, list: ["a", "b"] });
      assert.equal(json.index, 7);
      await removed(daemon, "sessions", session);
    });

    test("that cannot be read is refused", async () => {
      for (const body of ["name=%ff", "name=a&name[b]=c", "a=1&".repeat(2_001)]) {
        assertError(await http(daemon.url, "/boards", { method: "POST", headers: FORM, body }), 400, body.slice(0, 30));
      }
    });
  });

  describe("a large answer", () => {
    test("is packed for who asks for it, and for nobody else", async () => {
      const board = await created(daemon, "boards", { description: "large ".repeat(10_000) });
      const plain = await http(daemon.url, "/boards");
      assert.equal(plain.headers["content-encoding"], undefined);
      for (const accept of ["gzip", "gzip, deflate", "GZIP", "deflate;q=0, gzip;q=1"]) {
        const packed = await http(daemon.url, "/boards", { headers: { "accept-encoding": accept } });
        assert.equal(packed.headers["content-encoding"], "gzip", accept);
        assert.match(packed.headers.vary, /accept-encoding/i);
        assert.ok(packed.body.length < plain.body.length / 10);
        assert.deepEqual(gunzipSync(packed.body), plain.body);
      }
      for (const accept of ["identity", "gzip;q=0", "nonsense", ""]) {
        const { headers, body } = await http(daemon.url, "/boards", { headers: { "accept-encoding": accept } });
        assert.equal(headers["content-encoding"], undefined, accept);
        assert.deepEqual(body, plain.body);
      }
      const little = await http(daemon.url, "/boards?$limit=0", { headers: { "accept-encoding": "gzip" } });
      assert.equal(little.headers["content-encoding"], undefined);
      await removed(daemon, "boards", board);
    });
  });

  endsWell();
});
