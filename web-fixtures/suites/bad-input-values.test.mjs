// Calls that make no sense, values of the wrong type, too much of them, ids that cannot be. All are answered clearly, and nothing wrong is stored.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FORM, JSON_KIND, MEGABYTE, SERVICES, assertError, assertStored, created, removed, serve, fields } from "../support/bad-input.mjs";
import { call } from "../support/call.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http, sendJson } from "../support/http.mjs";
import { polling, websocket } from "../support/listeners.mjs";
import { soon } from "../support/wait.mjs";

/** What somebody who tries to break in writes. */
const SQL = [
  "'; DROP TABLE messages; --",
  '"; DELETE FROM sessions WHERE "1"="1',
  "x' OR '1'='1",
  "\\'; SELECT pg_sleep(10); --",
  "1); ATTACH DATABASE ':memory:' AS x; --",
  "%' ESCAPE '!' OR 1=1 /*",
  "${jndi:ldap://x} {{7*7}} $1 ?1 :name @p",
];

onEveryDatabase("Bad input in calls and values", (database) => {
  let daemon;
  let small;
  const endsWell = serve(database, (running) => ({ daemon, small } = running));

  describe("over REST, calls that make no sense are answered with their error", () => {
    const nonsense = [
      [404, "GET", "/nope"],
      [404, "POST", "/nope", {}],
      [404, "PATCH", "/nope/1", {}],
      [404, "DELETE", "/nope"],
      [404, "GET", "/sessions/1/2/3"],
      [404, "GET", "/__proto__"],
      [404, "GET", "/constructor/prototype"],
      [405, "POST", "/health", {}],
      [405, "DELETE", "/health"],
      [400, "PUT", "/boards", {}],
      [405, "PATCH", "/boards", {}],
      [405, "DELETE", "/boards"],
      [405, "POST", "/boards", [{}, {}]],
      [400, "GET", "/messages?index[$near]=5"],
      [400, "GET", "/messages?$where=1"],
      [400, "GET", "/messages?$or[0][$where]=1"],
      [400, "GET", "/messages?colour=green"],
      [400, "GET", "/messages?$sort[colour]=1"],
      [400, "GET", "/messages?$sort=index"],
      [400, "GET", "/messages?$or=1"],
      [400, "GET", "/messages?$or[a]=1"],
      [400, "GET", "/messages?index=first"],
      [400, "GET", "/messages?index[$gt]=first"],
      [400, "GET", "/messages?timestamp[$gt]=yesterday"],
      [400, "GET", "/messages?a[b][c][d][e][f][g]=1"],
      [400, "GET", "/messages?role=user&role[$ne]=user"],
      [400, "GET", "/messages?%ff=1"],
      [400, "GET", "/messages?role=%ff"],
      [400, "POST", "/boards", "a string"],
      [400, "POST", "/boards", 7],
      [400, "POST", "/boards", null],
      [400, "POST", "/messages", [[]]],
      [400, "POST", "/messages", [null]],
    ];
    for (const [code, method, path, data] of nonsense) {
      test(`${method} ${path} ${data === undefined ? "" : JSON.stringify(data)}`, async () => {
        assertError(await sendJson(daemon.url, method, path, data), code);
      });
    }
  });

  describe("a value of the wrong type is refused with the field's name", () => {
    const wrong = [
      ["sessions", "status", ["asleep", 7, {}, []]],
      ["sessions", "message_count", ["many", 1.5, {}, [], 1e300]],
      ["sessions", "created_at", ["yesterday", {}, "2026-13-45T99:99:99Z"]],
      ["sessions", "concepts", ["a", 5, {}, true]],
      ["sessions", "tasks", ["a", 5, {}, true]],
      ["sessions", "repo", ["a", 5, [], true]],
      ["sessions", "git_state", ["a", 5, [], true]],
      ["sessions", "genealogy", ["a", 5, [], true]],
      ["sessions", "session_id", [5, {}, [], "", "a/b", "x".repeat(129), "a b", "ü"]],
      ["messages", "role", ["king", 5, {}]],
      ["messages", "type", ["king", 5, {}]],
      ["messages", "index", ["first", -1, 1.5, {}, [], 2 ** 53]],
      ["messages", "session_id", [{}, [], true]],
      ["messages", "timestamp", ["yesterday", {}, []]],
      ["tasks", "status", ["asleep", 7, {}, []]],
      ["tasks", "message_range", ["a", 5, [], true]],
      ["tasks", "git_state", ["a", 5, [], true]],
      ["tasks", "tool_use_count", ["many", 1.5, {}, []]],
      ["boards", "name", [{}, []]],
      ["boards", "sessions", ["a", 5, {}, true, [5], [null], [{}]]],
      ["boards", "created_at", ["yesterday", {}]],
      ["repos", "worktrees", ["a", 5, {}, true]],
      ["repos", "managed_by_agor", ["perhaps", {}, []]],
    ];
    for (const [service, field, values] of wrong) {
      test(`${service} ${field}`, async () => {
        const session = await created(daemon, "sessions", {});
        const { client } = await websocket.open(daemon.url);
        for (const value of values) {
          const data = { ...fields(service, session), [field]: value };
          const over = `${field}: ${JSON.stringify(value)}`;
          const error = assertError(await sendJson(daemon.url, "POST", `/${service}`, data), 400, over);
          assert.match(error.message, new RegExp(field), over);
          await assert.rejects(call(client, "create", service, data, {}), { code: 400 }, over);
          await assertStored(daemon, service, field, value, over);
        }
      });
    }
  });

  test("a thousand and one items work in `$in`, `$nin` and create", async () => {
    for (const way of [websocket, polling]) {
      const { client } = await way.open(daemon.url);
      const { session_id } = await call(client, "create", "sessions", {}, {});
      const items = Array.from({ length: 1_001 }, (_, index) => ({ session_id, content: `${index}` }));
      const records = await call(client, "create", "messages", items, {});
      assert.deepEqual(
        records.map(({ content }) => content),
        items.map(({ content }) => content),
      );
      const ids = records.map(({ message_id }) => message_id);
      const query = { message_id: { $in: ids }, $limit: 2_000, $sort: { index: 1 } };
      const page = await call(client, "find", "messages", query);
      assert.deepEqual(page, { total: 1_001, limit: 2_000, skip: 0, data: records }, way.name);
      const none = await call(client, "find", "messages", { session_id, message_id: { $nin: ids } });
      assert.equal(none.total, 0, way.name);
      await call(client, "remove", "messages", null, { session_id });
    }
  });

  describe("two megabytes", () => {
    const content = "é".repeat(MEGABYTE);

    for (const way of [websocket, polling]) {
      test(`are taken and given, ${way.name}`, async () => {
        const { client } = await way.open(daemon.url);
        const { session_id } = await call(client, "create", "sessions", {}, {});
        const { message_id } = await call(client, "create", "messages", { session_id, content }, {});
        const message = await call(client, "get", "messages", message_id, {});
        assert.ok(message.content === content, "the content is as it was sent");
        await call(client, "remove", "sessions", session_id, {});
      });

      test(`are refused by a daemon that takes one, ${way.name}`, async () => {
        const witness = await websocket.open(small.url);
        const { client, lost } = await way.open(small.url);
        const { session_id } = await call(client, "create", "sessions", {}, {});
        await witness.count(1);
        // Whatever the client is told, it is told, and nothing of it is stored.
        const answered = new Promise((resolve) => {
          client.emit("create", "messages", { session_id, content }, {}, (error) => resolve(error ?? "taken"));
        });
        const told = await soon(Promise.race([lost, answered]), "the client is told");
        assert.ok(typeof told === "string" ? told.startsWith("transport") : told.code === 413, JSON.stringify(told));
        const messages = await http(small.url, `/messages?session_id=${session_id}`);
        assert.equal(messages.json.total, 0);
        const again = await way.open(small.url);
        await call(again.client, "create", "messages", { session_id, content: "small" }, {});
        await witness.count(2);
        assert.deepEqual(
          witness.items.map(({ event }) => event),
          ["sessions created", "messages created"],
        );
      });
    }

    test("are refused over polling with 413, before and after the handshake", async () => {
      const engine = await Engine.overPolling(small.url);
      const answer = await engine.post(`420["create","boards",${JSON.stringify({ name: content })},{}]`);
      assert.equal(answer.status, 413);
    });

    for (const [how, body] of [
      ["with a length", JSON.stringify({ name: content })],
      ["in chunks", ['{"name":"', content, '"}']],
    ]) {
      test(`are refused over REST, ${how}`, async () => {
        const error = assertError(await http(small.url, "/boards", { method: "POST", headers: JSON_KIND, body }), 413);
        assert.equal(error.name, "PayloadTooLarge");
        assert.equal(error.className, "payload-too-large");
      });
    }

    test("are refused as a form, too", async () => {
      const answer = await http(small.url, "/boards", { method: "POST", headers: FORM, body: `name=${content}` });
      assertError(answer, 413);
    });
  });

  describe("an id that no record can have is not found", () => {
    const ids = {
      "with a slash": "a/b",
      "with two dots": "../../etc/passwd",
      "with a zero character": "a\0b",
      "a zero character": "\0",
      "of 10,000 characters": "x".repeat(10_000),
      "of 10,000 characters of two bytes": "é".repeat(10_000),
      "that is a prototype": "__proto__",
      "that is a method": "toString",
      "of wildcards": "%",
      "of more wildcards": "________",
      "with half of an escape": "%zz",
      "of blanks": "   ",
      "of another alphabet": "идентификатор",
      ...Object.fromEntries(SQL.map((text) => [text, text])),
    };
    for (const [what, id] of Object.entries(ids)) {
      test(what, async () => {
        for (const way of [websocket, polling]) {
          const { client, close } = await way.open(daemon.url);
          for (const service of SERVICES) {
            const calls = [
              ["get", service, id, {}],
              ["patch", service, id, {}, {}],
              ["update", service, id, {}, {}],
              ["remove", service, id, {}],
            ];
            for (const packet of calls) {
              await assert.rejects(call(client, ...packet), { code: 404, name: "NotFound" }, packet.slice(0, 2).join());
            }
          }
          await close();
        }
        for (const service of SERVICES) {
          const path = `/${service}/${encodeURIComponent(id)}`;
          assertError(await http(daemon.url, path), 404, path);
          assertError(await sendJson(daemon.url, "PATCH", path, {}), 404, path);
          assertError(await sendJson(daemon.url, "PUT", path, {}), 404, path);
          assertError(await http(daemon.url, path, { method: "DELETE" }), 404, path);
        }
      });
    }
  });

  describe("a board's `_action`", () => {
    test("that is none, or lacks what it needs, is refused and changes nothing", async () => {
      const { client } = await websocket.open(daemon.url);
      const made = await call(client, "create", "boards", { objects: { kept: { type: "text", x: 1 } } }, {});
      const { board_id } = made;
      const taken = [];
      for (const patch of [
        { _action: "dropTables" },
        { _action: 5 },
        { _action: {} },
        { _action: "__proto__" },
        { _action: "upsertObject" },
        { _action: "upsertObject", objectId: "a" },
        { _action: "upsertObject", objectId: 5, objectData: {} },
        { _action: "upsertObject", objectId: "a", objectData: "x" },
        { _action: "upsertObject", objectId: "a", objectData: [] },
        { _action: "batchUpsertObjects" },
        { _action: "batchUpsertObjects", objects: [] },
        { _action: "batchUpsertObjects", objects: { a: 5 } },
        { _action: "removeObject" },
        { _action: "removeObject", objectId: {} },
        { _action: "deleteZone" },
        { objects: 5 },
        { objects: [] },
      ]) {
        const error = await call(client, "patch", "boards", board_id, patch, {}).catch((error) => error);
        if (error.code !== 400) taken.push(patch);
      }
      const now = await call(client, "get", "boards", board_id, {});
      await removed(daemon, "boards", made);
      assert.deepEqual(taken, []);
      assert.deepEqual(now, made);
    });

    test("takes any text as an object's id", async () => {
      const engine = await Engine.overWebSocket(daemon.url);
      const board = await created(daemon, "boards", {});
      const ids = ["__proto__", "constructor", "a.b", "'; DROP TABLE boards; --", "é🐓", "0", "x".repeat(1_000)];
      for (const [n, id] of ids.entries()) {
        const data = `{"_action":"upsertObject","objectId":${JSON.stringify(id)},"objectData":{"type":"text","n":${n}}}`;
        engine.socket.send(`42${n}["patch","boards","${board.board_id}",${data},{}]`);
        const [error] = await engine.answer(n);
        assert.equal(error, null, id);
      }
      const { text, json } = await http(daemon.url, `/boards/${board.board_id}`);
      assert.ok(text.includes('"__proto__":{"type":"text","n":0}'), text.slice(0, 500));
      assert.deepEqual(Object.keys(json.objects), ids.toSorted((a, b) => (b === "0") - (a === "0")));
      await removed(daemon, "boards", board);
    });
  });

  test("`X-Service-Method` names no method that is one's own or none's", async () => {
    for (const name of ["find", "get", "create", "update", "patch", "remove", "frobnicate", "constructor", "__proto__", "setup"]) {
      const headers = { ...JSON_KIND, "x-service-method": name };
      assertError(await http(daemon.url, "/boards", { method: "POST", headers, body: "{}" }), 405, name);
    }
  });

  endsWell();
});
