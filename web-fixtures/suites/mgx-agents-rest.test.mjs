// S3-37: MGX's agents over its REST: forms, refusals, and who may.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { agents } from "../support/mgx-agents.mjs";
import { register } from "../support/people.mjs";
import { closeAll } from "../support/wait.mjs";

const UUID = "00000000-0000-4000-8000-000000000000";
const STATUSES = ["idle", "initializing", "active", "busy", "error", "offline"];

/** What may follow what. */
const TABLE = {
  idle: ["initializing", "active", "offline", "error"],
  initializing: ["active", "error", "offline"],
  active: ["busy", "idle", "error", "offline"],
  busy: ["active", "idle", "error", "offline"],
  error: ["idle", "active", "offline"],
  offline: ["idle", "initializing", "active"],
};

/** How an idle agent comes into a status. */
const WAYS = { idle: [], initializing: ["initializing"], active: ["active"], busy: ["active", "busy"], error: ["error"], offline: ["offline"] };

onEveryDatabase("S3-37 MGX's REST of agents", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = agents(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("S3-37 definitions: the daemon's own is there always, others are made, and found by id or slug", async () => {
    const first = await of.get("/agents/definitions");
    assert.deepEqual([first.total, first.skip, first.limit, first.items[0].slug, first.items[0].agent_type], [1, 0, 10, "default", "roost"]);
    const asked = { name: "Code Writer", description: "Writes", agent_type: "coder", capabilities: ["code", "tests"], config: { model: "m", deep: [1] } };
    const made = await of.good("POST", "/agents/definitions/", asked, 201);
    assert.deepEqual(Object.keys(made), ["id", "name", "slug", "description", "agent_type", "capabilities", "config", "created_at", "updated_at"]);
    for (const [name, value] of Object.entries(asked)) assert.deepEqual(made[name], value);
    assert.equal(made.slug, "code-writer");
    for (const name of [made.id, "code-writer", "code-writer/"]) assert.deepEqual(await of.get(`/agents/definitions/${name}`), made);
    assert.equal((await of.get("/agents/definitions/default")).id, first.items[0].id);
    assert.deepEqual((await of.get("/agents/definitions?skip=1&limit=1")).items, [made]);
    for (const slug of ["code-writer", "default"]) {
      assert.deepEqual(await of.refused("POST", "/agents/definitions", { name: "x", slug }), [409, `There is a definition with the slug ${slug} already`]);
    }
    assert.notEqual((await of.good("POST", "/agents/definitions", { name: "code writer" }, 201)).slug, "code-writer");
    for (const name of ["nobody", UUID, "%00"]) assert.deepEqual(await of.refused("GET", `/agents/definitions/${name}`), [404, "Agent definition not found"]);
    assert.deepEqual(await of.wrong("POST", "/agents/definitions", { slug: "A b", capabilities: ["ok", 7], config: [] }), [
      "body.name: Field required",
      "body.slug: String should be lower-case letters, digits, '-' and '_'",
      "body.capabilities: Items should be strings of at most 255 characters",
      "body.config: Input should be an object",
    ]);
    assert.deepEqual(await of.wrong("POST", "/agents/definitions", { name: "x", config: { text: "x".repeat(1 << 16) } }), ["body.config: Object should have at most 65536 bytes"]);
    assert.equal((await of.send("DELETE", "/agents/definitions")).status, 405);
  });

  test("S3-37 agents are made, found, changed and removed, in their workspace", async () => {
    const { id: workspace } = await of.good("POST", "/workspaces", { name: "Inside", slug: "inside" }, 201);
    const inside = agents(daemon.url, { "x-workspace-slug": "inside" });
    const definition = await of.good("POST", "/agents/definitions", { name: "Reader" }, 201);
    const made = await inside.make({ definition_slug: undefined, definition_id: definition.id, project_id: "p", config: { a: 1 } });
    assert.deepEqual(Object.keys(made), [
      ...["id", "workspace_id", "project_id", "definition_id", "name", "status", "config", "last_error", "created_at", "updated_at"],
    ]);
    assert.deepEqual(
      [made.workspace_id, made.definition_id, made.name, made.status, made.config, made.project_id, made.last_error],
      [workspace, definition.id, "Reader", "active", { a: 1 }, "p", null],
    );
    const other = await inside.make({ activate: false, name: "Other" });
    assert.deepEqual([other.status, other.name], ["idle", "Other"]);
    for (const path of [`/agents/${made.id}`, `/agents/${made.id}/`]) assert.deepEqual(await inside.get(path), made);
    assert.deepEqual(await of.get(`/agents/${made.id}?workspace_id=${workspace}`), made);
    const ids = async (query) => (await inside.get(`/agents${query}`)).items.map(({ id }) => id);
    assert.deepEqual([await ids("/"), await ids("?status=idle"), await ids(`?definition_id=${definition.id}`), await ids("?limit=1&skip=1")], [
      ...[[other.id, made.id], [other.id], [made.id], [made.id]],
    ]);
    assert.equal((await of.get("/agents?workspace_slug=inside")).total, 2);
    assert.deepEqual(await inside.refused("GET", "/agents?status=asleep"), [400, "Invalid status: asleep"]);
    // What is in another workspace is not there.
    const there = [["GET", ""], ["PATCH", "", { name: "x" }], ["PUT", "", { name: "x" }], ["DELETE", ""], ["GET", "/messages"], ["POST", "/messages", {}],
      ...["activate", "deactivate", "shutdown"].map((what) => ["POST", `/${what}`, {}])];
    for (const id of [made.id, UUID, "nobody", "%00"]) {
      for (const [method, path, data] of there) assert.deepEqual(await of.refused(method, `/agents/${id}${path}`, data), [404, "Agent not found"], `${method} ${path}`);
    }
    const path = `/agents/${made.id}`;
    const renamed = await inside.good("PUT", path, { name: "Renamed", project_id: null, config: {} });
    assert.deepEqual([renamed.name, renamed.project_id, renamed.config, renamed.status], ["Renamed", null, {}, "active"]);
    assert.deepEqual(await inside.good("DELETE", path), { status: "deleted", agent_id: made.id });
    for (const gone of [path, `${path}/messages`]) assert.deepEqual(await inside.refused("GET", gone), [404, "Agent not found"]);
    assert.deepEqual(await ids(""), [other.id]);
  });

  test("S3-37 a status follows another as the table says; what it may not become is a conflict", async () => {
    for (const from of STATUSES) {
      for (const to of STATUSES) {
        const { id } = await of.make({ activate: false });
        for (const status of WAYS[from]) await of.patch(id, { status });
        const answer = await of.refused("PATCH", `/agents/${id}`, { status: to, name: "moved" });
        const expected = from === to ? `The agent is ${from} already` : `An agent that is ${from} cannot become ${to}, only ${TABLE[from].join(", ")}`;
        if (TABLE[from].includes(to)) assert.equal(answer[0], 200, `${from} ${to}`);
        else assert.deepEqual(answer, [409, expected]);
        const { status, name } = await of.agent(id);
        assert.deepEqual([status, name], answer[0] === 200 ? [to, "moved"] : [from, "Default Agent"], "all of it, or nothing");
        await of.good("DELETE", `/agents/${id}`);
      }
    }
    const { id } = await of.make({ activate: false });
    await of.patch(id, { status: "initializing" });
    assert.deepEqual(await of.refused("POST", `/agents/${id}/deactivate`, {}), [409, "An agent that is initializing cannot become idle, only active, error, offline"]);
    for (const [what, status] of [["activate", "active"], ["shutdown", "offline"], ["activate", "active"], ["deactivate", "idle"]]) {
      for (let again = 0; again < 2; again++) assert.equal((await of.step(id, `${what}${again ? "/" : ""}`)).status, status);
    }
  });

  test("S3-37 messages are stored and paged, the newest first", async () => {
    const { id } = await of.make();
    const made = [];
    for (let n = 0; n < 25; n++) made.push(await of.say(id, { payload: { n }, direction: ["inbound", "outbound", "system"][n % 3], correlation_id: `c${n}` }));
    assert.deepEqual(Object.keys(made[0]), ["id", "workspace_id", "agent_instance_id", "direction", "payload", "correlation_id", "task_id", "run_id", "created_at"]);
    const plain = await of.say(id);
    assert.deepEqual([plain.direction, plain.payload, plain.correlation_id, plain.task_id], ["inbound", {}, null, null]);
    const pages = [];
    for (let skip = 0; skip < 30; skip += 10) pages.push(...(await of.get(`/agents/${id}/messages?skip=${skip}`)).items);
    assert.deepEqual(pages.slice(0, 26), [plain, ...made.reverse()]);
    assert.deepEqual([pages.length, pages[26].payload.type], [27, "registered"]);
    assert.equal((await of.get(`/agents/${id}/messages/?limit=100`)).total, 27);
  });

  test("what cannot be read is refused with the places of all that is wrong, and changes nothing", async () => {
    const one = "body.definition_id: Exactly one of definition_id and definition_slug should be given";
    assert.deepEqual(await of.wrong("POST", "/agents", {}), [one]);
    assert.deepEqual(await of.wrong("POST", "/agents", { definition_id: UUID, definition_slug: "default", name: " ", activate: "yes", config: 3 }), [
      ...[one, "body.name: String should have at least 1 character", "body.config: Input should be an object", "body.activate: Input should be true or false"],
    ]);
    for (const data of [{ definition_id: UUID }, { definition_slug: "nobody" }, { definition_slug: "" }]) {
      assert.deepEqual(await of.refused("POST", "/agents", data), [404, "Agent definition not found"]);
    }
    const { id } = await of.make({ name: "n" });
    const path = `/agents/${id}`;
    const word = "Input should be 'idle', 'initializing', 'active', 'busy', 'error' or 'offline'";
    assert.deepEqual(await of.wrong("PATCH", path, { status: "asleep", name: "x".repeat(256), config: [] }), [
      ...[`body.status: ${word}`, "body.name: String should have at most 255 characters", "body.config: Input should be an object"],
    ]);
    assert.deepEqual(await of.wrong("PATCH", path, { status: 7, name: "", project_id: {} }), [
      ...[`body.status: ${word}`, "body.name: String should have at least 1 character", "body.project_id: Input should be a valid string"],
    ]);
    assert.deepEqual(await of.wrong("POST", `${path}/messages`, { direction: "sideways", payload: "x", correlation_id: 3, task_id: [], run_id: "\0" }), [
      "body.direction: Input should be 'inbound', 'outbound' or 'system'",
      "body.payload: Input should be an object",
      "body.correlation_id: Input should be a valid string",
      "body.task_id: Input should be a valid string",
      "body.run_id: String should not hold the character NUL",
    ]);
    assert.deepEqual(await of.wrong("POST", `${path}/messages`, { payload: { text: "x".repeat(1 << 16) } }), ["body.payload: Object should have at most 65536 bytes"]);
    assert.deepEqual(await of.wrong("GET", `${path}/messages?limit=101&skip=-1`), [
      "query.skip: Input should be a whole number from 0 to 9223372036854775807",
      "query.limit: Input should be a whole number from 1 to 100",
    ]);
    for (const body of ["{", "[]", '"x"', "nul"]) {
      for (const [method, where] of [["POST", "/agents"], ["PATCH", path], ["POST", `${path}/messages`], ["POST", "/agents/definitions"]]) {
        const [status, detail] = await of.refused(method, where, body);
        assert.deepEqual([status, detail[0].type, detail[0].loc], [422, "json_invalid", ["body"]], body);
      }
    }
    assert.deepEqual(await of.refused("POST", `${path}/nothing`, {}), [404, "Not Found"]);
    assert.deepEqual(await of.refused("DELETE", "/agents"), [405, "Method Not Allowed"]);
    const { status, name } = await of.agent(id);
    assert.deepEqual([status, name, (await of.get(`${path}/messages`)).total], ["active", "n", 1]);
  });
});

onEveryDatabase("S3-37 who may use MGX's agents", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { CALLS_PER_SEC: "0" } })));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("with AUTH=required members write, viewers read, others and agents' keys are refused", async () => {
    const people = await register(daemon.url, ["admin", "ann", "vic"]);
    const headers = { "content-type": "application/json", authorization: `Bearer ${people.admin.token}` };
    await http(daemon.url, `/users/${people.vic.id}`, { method: "PATCH", headers, body: '{"role":"viewer"}' });
    const worker = await http(daemon.url, "/agents/register", { method: "POST", headers, body: JSON.stringify({ name: "worker", capabilities: ["work"] }) });
    const as = (token) => agents(daemon.url, token ? { authorization: `Bearer ${token}` } : {});
    const [ann, vic, key] = [as(people.ann.token), as(people.vic.token), as(worker.json.api_key)];
    // Who may only look finds the one that is built in, though nobody used it.
    assert.equal((await vic.get("/agents/definitions")).items[0].slug, "default");
    const { id } = await ann.make();
    const looks = ["/agents", "/agents/definitions", "/agents/definitions/default", `/agents/${id}`, `/agents/${id}/messages`].map((path) => ["GET", path]);
    const changes = [["POST", "/agents", { definition_slug: "default" }], ["POST", "/agents/definitions", { name: "x" }], ["PATCH", `/agents/${id}`, { name: "x" }],
      ["PUT", `/agents/${id}`, { name: "x" }], ["DELETE", `/agents/${id}`], ["POST", `/agents/${id}/messages`, {}],
      ...["activate", "deactivate", "shutdown"].map((what) => ["POST", `/agents/${id}/${what}`, {}])];
    for (const [method, path, data] of looks) assert.equal((await vic.send(method, path, data)).status, 200, path);
    for (const [method, path, data] of changes) assert.equal((await vic.send(method, path, data)).status, 403, path);
    for (const [method, path, data] of [...looks, ...changes]) {
      assert.equal((await key.send(method, path, data)).status, 403, path);
      for (const token of [undefined, "wrong"]) {
        const { status, json } = await as(token).send(method, path, data);
        assert.deepEqual([status, json], [401, { detail: "Not authenticated" }], path);
      }
    }
    const { name, status } = await ann.agent(id);
    assert.deepEqual([name, status, (await ann.get(`/agents/${id}/messages`)).total], ["Default Agent", "active", 1]);
  });
});
