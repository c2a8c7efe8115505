// Whatever comes over whatever transport is answered clearly, stores nothing wrong, and the daemon goes on.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http, sendJson } from "../support/http.mjs";
import { polling, websocket } from "../support/listeners.mjs";
import { closeAll, soon } from "../support/wait.mjs";

const SERVICES = ["sessions", "tasks", "messages", "boards", "repos"];
const JSON_KIND = { "content-type": "application/json" };
const FORM = { "content-type": "application/x-www-form-urlencoded" };
const MEGABYTE = 1_048_576;

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

onEveryDatabase("Bad input", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** A daemon that takes a megabyte at most. @type {Daemon} */
  let small;
  /** What each service holds at the start. @type {Record<string, number>} */
  let start;
  before(async () => {
    [daemon, small] = await Promise.all([
      Daemon.start(database),
      Daemon.start(database, { args: ["--max-message", `${MEGABYTE}`] }),
    ]);
    start = await totals(daemon);
  });
  // Stopping says so if a daemon logged a failure or a panic.
  after(() => Promise.all([closeAll(), daemon.stop(), small.stop()]));

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

  test("`$or` nests five deep, and six are refused", async () => {
    const nested = (depth) => (depth ? { $or: [nested(depth - 1)] } : { index: 1 });
    const inText = (depth) => `$or[0]${"[$or][0]".repeat(depth - 1)}[index]=1`;
    for (const way of [websocket, polling]) {
      const { client } = await way.open(daemon.url);
      assert.equal((await call(client, "find", "messages", nested(5))).total, 0);
      await assert.rejects(call(client, "find", "messages", nested(6)), { code: 400 }, way.name);
    }
    // Two levels of brackets an `$or`: a query string ends before that.
    assert.equal((await http(daemon.url, `/messages?${inText(1)}`)).status, 200);
    assertError(await http(daemon.url, `/messages?${inText(6)}`), 400);
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

  test("a `$limit` that is none is the default, and one too large is the largest", async () => {
    const pages = { sessions: [50, 1_000], tasks: [100, 10_000], messages: [100, 10_000], boards: [50, 100], repos: [50, 100] };
    const { client } = await websocket.open(daemon.url);
    for (const [service, [size, most]] of Object.entries(pages)) {
      for (const [limit, page] of [
        [-1, size],
        ["abc", size],
        ["", size],
        [null, size],
        [{}, size],
        [[], size],
        [true, size],
        [1e9, most],
        [Number.MAX_SAFE_INTEGER, most],
        ["99999999999999999999999", most],
        [0, 0],
        ["0", 0],
        ["7", 7],
        [7.9, 7],
      ]) {
        const found = await call(client, "find", service, { $limit: limit });
        assert.equal(found.limit, page, `${service} ${JSON.stringify(limit)}`);
        if (typeof limit === "object") continue;
        const answer = await http(daemon.url, `/${service}?$limit=${encodeURIComponent(limit)}`);
        assert.equal(answer.json.limit, page, `/${service}?$limit=${limit}`);
      }
      for (const skip of [-1, "abc", null, {}]) {
        assert.equal((await call(client, "find", service, { $skip: skip })).skip, 0, JSON.stringify(skip));
      }
      const beyond = await call(client, "find", service, { $skip: 1e15 });
      assert.deepEqual(beyond.data, []);
    }
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

  describe("columns that are not there", () => {
    test("are refused in a query and in `$sort`, and ignored in `$select`", async () => {
      const { client } = await websocket.open(daemon.url);
      for (const service of SERVICES) {
        for (const name of ["colour", "rowid", "1", "", "SESSION_ID ", "index;", '"name"', "*", "a.b.c"]) {
          const over = `${service} ${JSON.stringify(name)}`;
          for (const query of [
            { [name]: 1 },
            { [name]: null },
            { [name]: { $in: [] } },
            { $or: [{ [name]: 1 }] },
            { $and: [{ $or: [{ [name]: { $ne: 1 } }] }] },
            { $sort: { [name]: 1 } },
          ]) {
            const error = await call(client, "find", service, query).catch((error) => error);
            assert.equal(error.code, 400, `${over} ${JSON.stringify(query)}: ${JSON.stringify(error)}`);
            assertHarmless(error, over);
          }
          const picked = await call(client, "find", service, { $select: [name], $limit: 1 });
          assert.ok(Array.isArray(picked.data), over);
        }
      }
    });

    test("are ignored in data", async () => {
      const board = await created(daemon, "boards", { name: "known", colour: "green", rowid: 1, "a.b": 2 });
      assert.deepEqual(Object.keys(board), ["board_id", "name", "created_at", "last_updated", "sessions"]);
      const path = `/boards/${board.board_id}`;
      const { json } = await sendJson(daemon.url, "PATCH", path, { colour: "red" });
      assert.deepEqual({ ...json, last_updated: 0 }, { ...board, last_updated: 0 });
      await http(daemon.url, path, { method: "DELETE" });
    });
  });

  describe("`__proto__`", () => {
    const proto = (inner) => JSON.parse(`{"__proto__": ${inner}, "constructor": {"prototype": ${inner}}}`);

    test("in data is a field that nobody knows", async () => {
      const { client } = await websocket.open(daemon.url);
      for (const service of SERVICES.filter((name) => name !== "messages" && name !== "tasks")) {
        const data = `{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"slug":"${randomUUID()}"}`;
        const answer = await http(daemon.url, `/${service}`, { method: "POST", headers: JSON_KIND, body: data });
        assert.equal(answer.status, 201, `${service}: ${answer.text}`);
        assert.doesNotMatch(answer.text, /__proto__|polluted|constructor/);
        const made = await call(client, "create", service, { ...proto('{"polluted": 1}'), slug: randomUUID() }, {});
        assert.doesNotMatch(JSON.stringify(made), /polluted/);
        for (const record of [answer.json, made]) await removed(daemon, service, record);
      }
    });

    test("in content is kept as it was sent", async () => {
      const session = await created(daemon, "sessions", {});
      const content = '[{"type":"text","__proto__":{"a":1},"constructor":{"prototype":{"b":2}},"text":"x"}]';
      const body = `{"session_id":"${session.session_id}","content":${content}}`;
      const answer = await http(daemon.url, "/messages", { method: "POST", headers: JSON_KIND, body });
      assert.equal(answer.status, 201, answer.text);
      const { text } = await http(daemon.url, `/messages/${answer.json.message_id}`);
      assert.ok(text.includes(`"content":${content}`), text);
      await removed(daemon, "sessions", session);
    });

    test("in a query is a field that is not there", async () => {
      for (const way of [websocket, polling]) {
        const engine = way === websocket ? await Engine.overWebSocket(daemon.url) : await Engine.overPolling(daemon.url);
        const queries = ['{"__proto__":1}', '{"$or":[{"__proto__":{"$ne":1}}]}', '{"$sort":{"__proto__":1}}'];
        for (const [id, query] of queries.entries()) {
          const packet = `42${id}["find","boards",${query}]`;
          if (way === websocket) engine.socket.send(packet);
          else await engine.post(packet), await engine.poll();
          const [error] = await engine.answer(id);
          assert.equal(error?.code, 400, `${query} ${JSON.stringify(error)}`);
        }
      }
      for (const query of [
        "__proto__=1",
        "__proto__[polluted]=1",
        "__proto__[$ne]=1",
        "constructor[prototype][polluted]=1",
        "toString=1",
        "hasOwnProperty=1",
        "$sort[__proto__]=1",
        "$or[0][__proto__]=1",
      ]) {
        assertError(await http(daemon.url, `/boards?${query}`), 400, query);
      }
    });
  });

  describe("a dotted name", () => {
    const keys = ["-1", "a-b", "_", "A1", "__proto__", "TRUE", "null", "a'b", 'a"b', "a b", "$", "$[0]", "é🐓", "a\\b", "a]", "[0]", "*", "%", "#", "{a,b}", "x'; DROP TABLE sessions; --", "a\nb"];

    test("finds what is under any key, or is refused", async () => {
      const { client } = await websocket.open(daemon.url);
      // A prototype is a key like any other here.
      const context = JSON.parse(`{${keys.map((key, n) => `${JSON.stringify(key)}:${n}`).join()}}`);
      const session = await call(client, "create", "sessions", { custom_context: context }, {});
      const other = await call(client, "create", "sessions", { custom_context: { other: 1 } }, {});
      assert.deepEqual(session.custom_context, context);
      const refused = [];
      for (const [n, key] of keys.entries()) {
        const name = `custom_context.${key}`;
        const ids = async (condition) => {
          const { data } = await call(client, "find", "sessions", { [name]: condition });
          return data.map(({ session_id }) => session_id).sort();
        };
        const found = await ids(n).catch((error) => (assertHarmless(error, name), error.code));
        if (found === 400) {
          refused.push(key);
          continue;
        }
        assert.deepEqual(found, [session.session_id], name);
        assert.deepEqual(await ids(n + 1_000), [], name);
        assert.deepEqual(await ids({ $in: [n, "x"] }), [session.session_id], name);
        assert.deepEqual(await ids({ $in: [] }), [], name);
        assert.deepEqual(await ids({ $nin: [n + 1_000] }), [session.session_id], name);
        assert.deepEqual(await ids({ $ne: n }), [], name);
        const { json } = await http(daemon.url, `/sessions?${encodeURIComponent(name)}=${n}`);
        assert.deepEqual(json.data, [session], name);
      }
      assert.deepEqual(refused, keys.slice(keys.indexOf("a'b")));
      for (const one of [session, other]) await removed(daemon, "sessions", one);
    });

    test("that ends in a number finds a list's item and an object's field", async () => {
      const { client } = await websocket.open(daemon.url);
      const list = await call(client, "create", "sessions", { custom_context: { at: ["a"] } }, {});
      const object = await call(client, "create", "sessions", { custom_context: { at: { 0: "a" } } }, {});
      const { data } = await call(client, "find", "sessions", { "custom_context.at.0": "a", $sort: { created_at: 1 } });
      for (const one of [list, object]) await removed(daemon, "sessions", one);
      const ids = (records) => records.map(({ session_id }) => session_id).sort();
      assert.deepEqual(ids(data), ids([list, object]));
    });

    test("that leads nowhere is refused or finds nothing", async () => {
      const { client } = await websocket.open(daemon.url);
      const session = await call(client, "create", "sessions", { custom_context: { tags: ["a", { b: null }] } }, {});
      const names = [
        "repo.",
        ".cwd",
        "repo..cwd",
        "repo.cwd.",
        "repo.cwd.deeper",
        ".",
        "..",
        "repo.\0",
        `repo.${"a.".repeat(1_000)}a`,
        `repo.${"a".repeat(10_000)}`,
        "custom_context.tags.-1",
        "custom_context.tags.99999999999999999999",
        "custom_context.tags.0.0",
        "custom_context.tags.length",
        "description.x",
        "status.x",
        "session_id.x",
        "board_id.x",
        "created_at.x",
        "agentic_tool.x",
        "colour.x",
      ];
      for (const name of names) {
        for (const condition of ["a", 1, true, { $in: ["a"] }]) {
          const answer = await call(client, "find", "sessions", { [name]: condition }).catch((error) => error);
          const over = `${name.slice(0, 60)} ${JSON.stringify(condition)}: ${JSON.stringify(answer).slice(0, 200)}`;
          assert.ok(answer.code === 400 || answer.total === 0, over);
        }
        const { status } = await http(daemon.url, `/sessions?${encodeURIComponent(name)}=a`);
        assert.ok(status === 400 || status === 200, name);
      }
      for (const condition of [{ $gt: 1 }, { $like: "%" }, { $near: 1 }, { a: 1 }, [], { $in: [{}] }, { $ne: {} }]) {
        const error = await call(client, "find", "sessions", { "repo.cwd": condition }).catch((error) => error);
        assert.equal(error.code ?? "no error", 400, JSON.stringify(condition));
      }
      assert.equal((await call(client, "find", "sessions", { "custom_context.tags.0": "a" })).total, 1);
      assert.equal((await call(client, "find", "sessions", { "custom_context.tags.1.b": null, session_id: session.session_id })).total, 1);
      await removed(daemon, "sessions", session);
    });

    test("cannot be set, sorted by, or change the query of a patch or a remove", async () => {
      const { client } = await websocket.open(daemon.url);
      const session = await call(client, "create", "sessions", { "repo.cwd": "/x", description: "kept" }, {});
      assert.notEqual(session.repo.cwd, "/x");
      for (const packet of [
        ["find", "sessions", { $sort: { "repo.cwd'; --": 1 } }],
        ["patch", "sessions", null, { description: "all" }, { "repo.$where": { $regex: "." } }],
        ["remove", "sessions", null, { "repo.cwd": { $gt: "" } }],
        ["remove", "sessions", null, { $or: [{ "repo.cwd": { $exists: 1 } }] }],
      ]) {
        await assert.rejects(call(client, ...packet), { code: 400 }, JSON.stringify(packet));
      }
      assert.equal((await call(client, "get", "sessions", session.session_id, {})).description, "kept");
      await removed(daemon, "sessions", session);
    });
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

  describe("SQL is text like any other", () => {
    for (const text of SQL) {
      test(`${text}`, async () => {
        const { client } = await websocket.open(daemon.url);
        const session = await created(daemon, "sessions", {});
        for (const service of SERVICES) {
          const strings = stringsOf(service, text);
          const record = await created(daemon, service, { ...fields(service, session), ...strings });
          for (const [name, value] of Object.entries(strings)) {
            const over = `${service} ${name}`;
            assert.deepEqual(record[name], value, over);
            const [found] = (await call(client, "find", service, { [name]: value })).data;
            if (typeof value === "string") assert.deepEqual(found, record, over);
            const query = `${name}=${encodeURIComponent(value)}&$sort[created_at]=-1`;
            if (typeof value === "string" && service !== "messages") {
              const { json } = await http(daemon.url, `/${service}?${query}`);
              assert.deepEqual(json.data, [record], over);
            }
            const none = await call(client, "find", service, { [name]: `${value}'` });
            assert.equal(none.total, 0, over);
          }
          const id = record[idOf(service)];
          assert.deepEqual(await call(client, "get", service, id, {}), record);
          const patched = await call(client, "patch", service, id, strings, {});
          for (const [name, value] of Object.entries(strings)) assert.deepEqual(patched[name], value);
          await removed(daemon, service, record);
        }
        // A repository's slug is the name of its folder.
        assertError(await sendJson(daemon.url, "POST", "/repos", { slug: text }), 400);
        await removed(daemon, "sessions", session);
      });
    }
  });

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

  test("after all of it the daemon serves, and nothing is stored that was refused", async () => {
    for (const way of [websocket, polling]) {
      const listener = await way.open(daemon.url);
      assert.equal((await call(listener.client, "find", "health", {})).status, "ok");
      const board = await call(listener.client, "create", "boards", { name: "after" }, {});
      assert.deepEqual(listener.items.at(-1).record, board);
      await call(listener.client, "remove", "boards", board.board_id, {});
    }
    for (const service of ["sessions", "messages", "tasks"]) await http(daemon.url, `/${service}`, { method: "DELETE" });
    assert.deepEqual(await totals(daemon), start);
  });
});

/**
 * An error as Feathers has it, with this code, that tells nothing of the inside.
 *
 * @param {import("../support/http.mjs").Answer} answer
 * @param {number} code
 * @param {string} [over]
 */
function assertError({ status, headers, json, text }, code, over = "") {
  assert.equal(status, code, `${over} ${text.slice(0, 300)}`);
  assert.match(headers["content-type"] ?? "", /^application\/json/, `${over} ${text.slice(0, 300)}`);
  assert.equal(json?.code, code, over);
  for (const key of ["name", "message", "className"]) assert.ok(json[key], `${over} ${text}`);
  assertHarmless(json, over);
  return json;
}

/** An error tells no SQL that was not sent, no path, no source. */
function assertHarmless({ message }, over) {
  assert.doesNotMatch(message, /SELECT .* FROM|INSERT INTO|sqlx|rusqlite|sea.?orm|\.rs:|syntax error|\/tmp\//i, over);
}

const idOf = (service) => `${service.slice(0, -1)}_id`;

/** The least that a service takes. */
function fields(service, { session_id }) {
  if (service === "messages" || service === "tasks") return { session_id };
  return service === "repos" ? { slug: randomUUID() } : {};
}

/** A service's fields that hold any text. */
function stringsOf(service, text) {
  return {
    sessions: { description: text, agent_version: text },
    messages: { content: text, content_preview: text },
    tasks: { description: text, full_prompt: text, model: text },
    boards: { name: text, description: text, color: text, icon: text, slug: text },
    repos: { name: text, local_path: text, remote_url: text, default_branch: text },
  }[service];
}

/** Creates a record over REST. */
async function created(daemon, service, data) {
  const { status, json, text } = await sendJson(daemon.url, "POST", `/${service}`, data);
  assert.equal(status, 201, `${service} ${JSON.stringify(data)}: ${text}`);
  return json;
}

/** Removes a record over REST. */
async function removed(daemon, service, record) {
  const { status, text } = await http(daemon.url, `/${service}/${record[idOf(service)]}`, { method: "DELETE" });
  assert.equal(status, 200, text);
}

/** What each service holds. */
async function totals(daemon) {
  const total = async (service) => [service, (await http(daemon.url, `/${service}?$limit=0`)).json?.total];
  return Object.fromEntries(await Promise.all(SERVICES.map(total)));
}

/** No record holds a value that was refused. */
async function assertStored(daemon, service, field, value, over) {
  const { json } = await http(daemon.url, `/${service}?$limit=1000`);
  const holds = (record) => JSON.stringify(record[field]) === JSON.stringify(value);
  assert.ok(!json.data.some(holds), over);
}
