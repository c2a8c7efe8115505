// What Feathers' own suites check of its transports, written anew: what is the sockets' alone and what
// is REST's. Logging in is not in it. What all clients do alike is in behaviours.test.mjs.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { call } from "../support/call.mjs";
import { clients, openSocket } from "../support/clients.mjs";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, soon } from "../support/wait.mjs";

/** The todo that is there from the start. */
const FIRST = { text: "some todo", complete: false, id: 0 };

/** All others. */
const others = { id: { $gt: 0 } };

onEveryDatabase("Feathers' transports", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    daemon = await Daemon.start(database, { binary: CONFORMANCE, forgives: /"service":"todos"/ });
  });
  after(() => Promise.all([closeAll(), daemon?.stop()]));

  describe("sockets", () => {
    let socket, listener;
    before(() => {
      [socket, listener] = [openSocket(daemon.url), openSocket(daemon.url)];
    });
    afterEach(() => call(socket, "remove", "todos", null, others));

    /** What the listener hears of what is done, with nothing left out: a mark comes behind it. */
    async function heard(act) {
      const events = [];
      await call(listener, "find", "calc");
      const marked = new Promise((resolve) => {
        listener.onAny((name, data) => (data.mark ? resolve() : events.push([name, data])));
      });
      await act();
      await call(socket, "create", "tick", { mark: true }, {});
      await soon(marked, "the mark arrives");
      listener.offAny();
      return events;
    }

    test("every method answers with and without a query", async () => {
      const none = [];
      const query = [{}];
      for (const [index, rest] of [none, query].entries()) {
        const id = index + 1;
        assert.deepEqual(await call(socket, "find", "todos", ...rest), [FIRST]);
        assert.deepEqual(await call(socket, "get", "todos", 0, ...rest), FIRST);
        const created = await call(socket, "create", "todos", { text: "new", id }, ...rest);
        assert.deepEqual(created, { text: "new", id });
        assert.deepEqual(await call(socket, "update", "todos", id, { text: "u" }, ...rest), {
          text: "u",
          id,
        });
        const patched = await call(socket, "patch", "todos", id, { complete: true }, ...rest);
        assert.deepEqual(patched, { text: "u", complete: true, id });
        assert.deepEqual(await call(socket, "remove", "todos", id, ...rest), patched);
        const { data, query } = await call(socket, "describe", "todos", { id }, ...rest);
        assert.deepEqual([data, query], [{ id }, {}]);
      }
    });

    test("a query counts in every method", async () => {
      const selected = { $select: ["complete"] };
      const id = 1;
      const stored = { text: "new", complete: false };
      assert.deepEqual(await call(socket, "find", "todos", { text: "other" }), []);
      assert.deepEqual(await call(socket, "create", "todos", stored, selected), { complete: false, id });
      for (const [method, ...data] of [["update", stored], ["patch", stored], ["remove"]]) {
        const mismatch = call(socket, method, "todos", id, ...data, { text: "other" });
        await assert.rejects(mismatch, { name: "NotFound" }, method);
        assert.deepEqual(await call(socket, method, "todos", id, ...data, selected), { complete: false, id });
      }
    });

    test("an unknown service and an unknown method are told", async () => {
      const error = (name, code, message) => ({ name, code, message });
      const packets = [
        [["find", "nowhere", {}], error("NotFound", 404, "Service 'nowhere' not found")],
        [["find", "/todos/0/1/", {}], error("NotFound", 404, "Service '/todos/0/1/' not found")],
        [["sum", "todos", {}], error("MethodNotAllowed", 405, "Method 'sum' not allowed on service 'todos'")],
        [
          ["create", "calc", {}],
          error("MethodNotAllowed", 405, "Method 'create' not allowed on service 'calc'"),
        ],
      ];
      for (const [packet, { name, code, message }] of packets) {
        await assert.rejects(call(socket, ...packet), (thrown) => {
          assert.deepEqual([thrown.name, thrown.code, thrown.message], [name, code, message]);
          return true;
        });
      }
    });

    test("an id that was left out is no null: nothing is changed", async () => {
      for (const method of ["get", "update", "patch", "remove"]) {
        const missing = { name: "NotFound", message: "No record found for id 'undefined'" };
        await assert.rejects(call(socket, method, "todos"), missing, method);
      }
      assert.deepEqual(await call(socket, "find", "todos"), [FIRST]);
    });

    test("calls without acknowledgement are made, and their failures break nothing", async () => {
      const events = await heard(async () => {
        socket.emit("get", "todos", 999);
        socket.emit("find", "nowhere");
        socket.emit("frobnicate", "todos");
        socket.emit("find", "todos", { error: true });
        socket.emit("create", "todos", { text: "quiet" });
        await call(socket, "find", "todos");
      });
      assert.deepEqual(events, [["todos created", { text: "quiet", id: 1 }]]);
    });

    test("each change reaches other sockets with its record", async () => {
      const events = await heard(async () => {
        await call(socket, "create", "todos", { text: "one" }, {});
        await call(socket, "update", "todos", 1, { text: "two" }, {});
        await call(socket, "patch", "todos", 1, { complete: true }, {});
        await call(socket, "remove", "todos", 1, {});
      });
      assert.deepEqual(events, [
        ["todos created", { text: "one", id: 1 }],
        ["todos updated", { text: "two", id: 1 }],
        ["todos patched", { text: "two", complete: true, id: 1 }],
        ["todos removed", { text: "two", complete: true, id: 1 }],
      ]);
    });

    test("changes over REST reach sockets, too", async () => {
      const events = await heard(() => rest("POST", "/todos", { text: "from REST" }));
      assert.deepEqual(events, [["todos created", { text: "from REST", id: 1 }]]);
    });

    test("of many there is an event each, of none there is none", async () => {
      const events = await heard(async () => {
        await call(socket, "create", "todos", [{ text: "a" }, { text: "b" }], {});
        await call(socket, "patch", "todos", null, { complete: true }, others);
        await call(socket, "remove", "todos", null, others);
        await call(socket, "create", "todos", [], {});
        await call(socket, "patch", "todos", null, { complete: true }, others);
      });
      const done = [
        { text: "a", complete: true, id: 1 },
        { text: "b", complete: true, id: 2 },
      ];
      assert.deepEqual(events, [
        ["todos created", { text: "a", id: 1 }],
        ["todos created", { text: "b", id: 2 }],
        ...done.map((todo) => ["todos patched", todo]),
        ...done.map((todo) => ["todos removed", todo]),
      ]);
    });

    test("failures and reads are no events", async () => {
      const events = await heard(async () => {
        await call(socket, "find", "todos");
        await call(socket, "describe", "todos", {});
        await assert.rejects(call(socket, "patch", "todos", 999, {}));
      });
      assert.deepEqual(events, []);
    });

    test("a path's parameters stand in the event's name", async () => {
      const events = await heard(() => call(socket, "create", "projects/7/tasks", { a: 1 }, {}));
      const task = { a: 1, route: { projectId: "7" } };
      assert.deepEqual(events, [["projects/:projectId/tasks created", task]]);
    });

    test("a service has events of its own, and a list in one is no list of events", async () => {
      const events = await heard(() => call(socket, "create", "tick", [1, 2], {}));
      assert.deepEqual(events, [["calc tick", [1, 2]]]);
    });

    test("a listener hears once, or until it is removed", async () => {
      const { app } = clients["socketio-client"](daemon.url);
      const todos = app.service("todos");
      const told = { once: [], on: [], removed: [] };
      const tell = (name) => (todo) => told[name].push(todo.text);
      const removed = tell("removed");
      todos.once("created", tell("once"));
      todos.on("created", tell("on"));
      todos.on("created", removed);
      await todos.create({ text: "a" });
      todos.removeListener("created", removed);
      await todos.create({ text: "b" });
      assert.deepEqual(told, { once: ["a"], on: ["a", "b"], removed: ["a"] });
    });
  });

  describe("REST", () => {
    afterEach(() => rest("DELETE", "/todos?id[$gt]=0"));

    test("every verb is a method, with its status", async () => {
      const todo = { text: "one", complete: false };
      assert.deepEqual(await rest("GET", "/todos"), [200, [FIRST]]);
      assert.deepEqual(await rest("GET", "/todos/0"), [200, FIRST]);
      assert.deepEqual(await rest("HEAD", "/todos/0"), [200, undefined]);
      assert.deepEqual(await rest("POST", "/todos", todo), [201, { ...todo, id: 1 }]);
      assert.deepEqual(await rest("PUT", "/todos/1", { text: "two" }), [200, { text: "two", id: 1 }]);
      assert.deepEqual(await rest("PATCH", "/todos/1", { complete: true }), [
        200,
        { text: "two", complete: true, id: 1 },
      ]);
      assert.deepEqual(await rest("DELETE", "/todos/1"), [200, { text: "two", complete: true, id: 1 }]);
    });

    test("without an id it is all that match, but for PUT", async () => {
      await rest("POST", "/todos", [{ text: "a" }, { text: "b" }]);
      const patched = { text: "b", complete: true, id: 2 };
      assert.deepEqual(await rest("PATCH", "/todos?text=b", { complete: true }), [200, [patched]]);
      assert.deepEqual(await rest("DELETE", "/todos?id[$gt]=0"), [200, [{ text: "a", id: 1 }, patched]]);
      assert.deepEqual(await rest("DELETE", "/todos?id[$gt]=0"), [200, []]);
      const [status, error] = await rest("PUT", "/todos", { text: "c" });
      assert.deepEqual([status, error.name], [400, "BadRequest"]);
    });

    test("a header names the service's own method", async () => {
      const headers = { "x-service-method": "describe" };
      const [status, { data, query }] = await rest("POST", "/todos?a=b", { c: 1 }, headers);
      assert.deepEqual([status, data, query], [200, { c: 1 }, { a: "b" }]);
      assert.deepEqual(await rest("POST", "/calc/1", { a: 1, b: 2 }, { "x-service-method": "sum" }), [
        200,
        { sum: 3, query: {}, provider: "rest" },
      ]);
      for (const method of ["find", "create", "frobnicate"]) {
        const [status, error] = await rest("POST", "/todos", {}, { "x-service-method": method });
        assert.deepEqual(
          [status, error.message],
          [405, `Method \`${method}\` is not supported by this endpoint.`],
        );
      }
    });

    test("what is not there is 404, what a service lacks is 405, nothing is 204", async () => {
      const errors = [
        ["GET", "/nowhere", 404, "Path /nowhere not found"],
        ["POST", "/todos/0/1", 404, "Path /todos/0/1 not found"],
        ["GET", "/todos/999", 404, "No record found for id '999'"],
        ["GET", "/todos/abc", 404, "No record found for id 'abc'"],
        ["POST", "/calc", 405, "Method `create` is not supported by this endpoint."],
        ["DELETE", "/calc/1", 405, "Method `remove` is not supported by this endpoint."],
        ["PATCH", "/notes", 405, "Can not patch multiple entries"],
      ];
      for (const [verb, path, code, message] of errors) {
        const [status, error] = await rest(verb, path, verb === "GET" ? undefined : {});
        assert.deepEqual([status, error.code, error.message], [code, code, message], `${verb} ${path}`);
      }
      assert.deepEqual(await rest("GET", "/nothing"), [204, undefined]);
      assert.deepEqual(await rest("DELETE", "/nothing/1"), [204, undefined]);
    });

    test("a body without anything in it is an empty object if it has a type", async () => {
      const headers = { "content-type": "application/json" };
      const response = await fetch(`${daemon.url}/todos`, { method: "POST", headers });
      assert.deepEqual([response.status, await response.json()], [201, { id: 1 }]);
    });

    test("query strings nest, and their values are texts", async () => {
      const queries = [
        ["a=1&b=x+y&c", { a: "1", b: "x y", c: "" }],
        ["a[]=1&a[]=2", { a: ["1", "2"] }],
        ["a=1&a=2", { a: ["1", "2"] }],
        ["a[b][c]=1&%24limit=2", { a: { b: { c: "1" } }, $limit: "2" }],
        ["a[][b]=1&a[][c]=2", { a: [{ b: "1", c: "2" }] }],
        ["$or[0][a]=1&$or[1][b][$in][]=2", { $or: [{ a: "1" }, { b: { $in: ["2"] } }] }],
      ];
      for (const [text, query] of queries) {
        assert.deepEqual(await rest("GET", `/echo?${text}`), [200, { query }], text);
      }
    });

    for (const name of ["rest-client with fetch", "rest-client with axios"]) {
      test(`${name}: headers reach the service`, async () => {
        const { app } = clients[name](daemon.url);
        const { headers } = await app.service("todos").describe({}, { headers: { "X-Custom": "here" } });
        assert.equal(headers["x-custom"], "here");
      });

      test(`${name}: lists and objects in queries arrive as they were sent`, async () => {
        const { app } = clients[name](daemon.url);
        const query = {
          $or: [{ a: { $in: ["1", "2"] } }, { $and: [{ b: "&=+% []" }, { c: "ü" }] }],
          nested: [["1", "2"], ["3"]],
          $sort: { z: "1", a: "-1" },
        };
        assert.deepEqual(await app.service("echo").find({ query }), { query });
      });

      test(`${name}: ids of any letters arrive as they were sent`, async () => {
        const { app } = clients[name](daemon.url);
        for (const id of ["a/b c", "ü?#", "%2F", "5"]) {
          assert.equal((await app.service("echo").get(id)).id, id);
        }
      });
    }
  });

  /** A request's status and what its body holds; undefined without one. */
  async function rest(method, path, data, headers) {
    const response = await fetch(`${daemon.url}${path}`, {
      method,
      headers: { ...(data !== undefined && { "content-type": "application/json" }), ...headers },
      body: data === undefined ? undefined : JSON.stringify(data),
    });
    const text = await response.text();
    return [response.status, text === "" ? undefined : JSON.parse(text)];
  }
});
