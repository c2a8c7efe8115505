// Filters, limits, names and SQL in queries and fields. All are answered clearly, and nothing wrong is stored.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { JSON_KIND, SERVICES, assertError, assertHarmless, created, idOf, removed, serve, stringsOf, fields } from "../support/bad-input.mjs";
import { call } from "../support/call.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http, sendJson } from "../support/http.mjs";
import { polling, websocket } from "../support/listeners.mjs";

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

onEveryDatabase("Bad input in queries", (database) => {
  let daemon;
  const endsWell = serve(database, (running) => ({ daemon } = running));

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
      assert.deepEqual(Object.keys(board), ["board_id", "name", "created_at", "last_updated", "sessions", "visibility"]);
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

  endsWell();
});
