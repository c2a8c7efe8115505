// What Feathers' own suites check of its clients, written anew: a service of todos through each of
// them. Logging in is not in it. What is a transport's alone is in transports.test.mjs.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { clients } from "../support/clients.mjs";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, soon } from "../support/wait.mjs";

/** The todo that is there from the start. */
const FIRST = { text: "some todo", complete: false, id: 0 };

/** All others. */
const others = { id: { $gt: 0 } };

onEveryDatabase("Feathers' behaviours", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    daemon = await Daemon.start(database, { binary: CONFORMANCE, forgives: /"service":"(boom|todos)"/ });
  });
  after(() => Promise.all([closeAll(), daemon?.stop()]));

  for (const [name, connect] of Object.entries(clients)) {
    describe(name, () => {
      let app, errors, provider, todos;
      before(() => {
        ({ app, errors, provider } = connect(daemon.url));
        todos = app.service("todos");
      });
      afterEach(() => todos.remove(null, { query: others }));

      test("finds what is there", async () => {
        assert.deepEqual(await todos.find(), [FIRST]);
        assert.deepEqual(await todos.find({ query: { complete: true } }), []);
      });

      test("gets a todo, with the query in the answer", async () => {
        assert.deepEqual(await todos.get(0), FIRST);
        assert.deepEqual(await todos.get(0, { query: { some: "value" } }), { ...FIRST, some: "value" });
      });

      test("creates one and many", async () => {
        const one = { text: "one", complete: true };
        assert.deepEqual(await todos.create(one), { ...one, id: 1 });
        const many = [{ text: "two" }, { text: "three" }];
        const created = await todos.create(many);
        assert.deepEqual(created, [
          { text: "two", id: 2 },
          { text: "three", id: 3 },
        ]);
        assert.deepEqual(await todos.find(), [FIRST, { ...one, id: 1 }, ...created]);
      });

      test("updates: what is not given is gone", async () => {
        const { id } = await todos.create({ text: "before", complete: true });
        assert.deepEqual(await todos.update(id, { text: "after" }), { text: "after", id });
        assert.deepEqual(await todos.get(id), { text: "after", id });
      });

      test("patches: what is not given stays", async () => {
        const { id } = await todos.create({ text: "before", complete: false });
        assert.deepEqual(await todos.patch(id, { complete: true }), { text: "before", complete: true, id });
        const patched = await todos.patch(null, { text: "all" }, { query: others });
        assert.deepEqual(patched, [{ text: "all", complete: true, id }]);
      });

      test("removes", async () => {
        const todo = await todos.create({ text: "short-lived" });
        assert.deepEqual(await todos.remove(todo.id), todo);
        assert.deepEqual(await todos.find(), [FIRST]);
        assert.deepEqual(await todos.remove(null, { query: others }), []);
      });

      test("hears of what it created", async () => {
        const heard = new Promise((resolve) => todos.once("created", resolve));
        const created = await todos.create({ text: "heard" });
        assert.deepEqual(await soon(heard, "the event arrives"), created);
      });

      test("calls the service's own method", async () => {
        const { headers, ...described } = await todos.describe({ a: [1, null] }, { query: { b: "c" } });
        assert.deepEqual(described, { data: { a: [1, null] }, query: { b: "c" }, provider });
        assert.equal(headers.host, `127.0.0.1:${daemon.port}`);
      });

      test("gets null where there is nothing", async () => {
        // axios hands the empty body on as it is.
        const nothing = name.includes("axios") ? "" : null;
        assert.equal(await app.service("nothing").find(), nothing);
        assert.equal(await app.service("nothing").remove(1), nothing);
      });

      test("throws a service's failure with its message", async () => {
        const query = { error: true };
        for (const [method, ...args] of [["find"], ["get", 0], ["create", {}]]) {
          await assert.rejects(todos[method](...args, { query }), {
            name: "GeneralError",
            message: "Something went wrong",
            code: 500,
            className: "general-error",
          });
        }
      });

      test("throws errors of the right class, with all that they carry", async () => {
        const thrown = async (promise) =>
          promise.then(
            () => assert.fail("no error"),
            (error) => error,
          );
        const conflict = await thrown(app.service("boom").get("conflict"));
        assert.ok(conflict instanceof errors.Conflict && conflict instanceof errors.FeathersError);
        assert.deepEqual({ ...conflict.data }, { field: "x" });
        assert.deepEqual(conflict.errors, [{ path: "x", message: "dup" }]);
        const missing = await thrown(todos.get(999));
        assert.ok(missing instanceof errors.NotFound);
        assert.equal(missing.message, "No record found for id '999'");
        assert.ok((await thrown(app.service("nowhere").find())) instanceof errors.NotFound);
        assert.ok((await thrown(app.service("boom").create({}))) instanceof errors.MethodNotAllowed);
        assert.ok((await thrown(app.service("notes").create([{}]))) instanceof errors.MethodNotAllowed);
        assert.ok((await thrown(todos.find({ query: { $where: 1 } }))) instanceof errors.BadRequest);
      });

      test("fills a path's parameters in from the route", async () => {
        const tasks = app.service("projects/:projectId/tasks");
        const params = { route: { projectId: 12 }, query: { a: "b" } };
        assert.deepEqual(await tasks.find(params), [{ route: { projectId: "12" }, query: { a: "b" } }]);
      });
    });
  }
});
