// S1-40, who may: logins, roles, private boards; and what is no request.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { api, echo, eventually } from "../support/swarms.mjs";
import { closeAll } from "../support/wait.mjs";

const NO = [401, "Invalid or missing API token"];

/** Every way to look at a swarm. */
const LOOKS = [
  "", "/agents", "/agents/a", "/agents/a/history", "/agents/a/logs", "/agents/a/skills", "/agents/a/events",
  "/messages", "/topology", "/events", "/objects", "/objects/o", "/overlay", "/dashboard", "/config", "/events/feed",
  "/sessions/x/history",
];

/** Every way to change one. */
const CHANGES = [
  ["DELETE", ""], ["POST", "/pause"], ["POST", "/resume"], ["POST", "/restart"],
  ["POST", "/message", { from: "a", to: "a", content: "x" }], ["PATCH", "/topology", { add: [["a", "a"]] }],
  ["POST", "/agents", echo("b")], ["DELETE", "/agents/a"], ["POST", "/agents/a/task", { task: "x" }],
  ["POST", "/agents/a/restart"], ["POST", "/agents/a/scale", { count: 2 }],
  ["PUT", "/agents/a/skills/k", { content: "x" }],
];

onEveryDatabase("S1-40 who may use swarms over REST", (database) => {
  /** @type {Daemon} */
  let daemon;
  let people, nobody;
  const as = {};
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { CALLS_PER_SEC: "0" } });
    people = await register(daemon.url, ["admin", "ann", "bob", "vic"]);
    for (const name of ["admin", "ann", "bob", "vic"]) {
      as[name] = api(daemon.url, { authorization: `Bearer ${people[name].token}` });
    }
    await call("admin", "PATCH", `/users/${people.vic.id}`, { role: "viewer" });
    nobody = api(daemon.url);
    await as.ann.make({ name: "open", agents: [echo("a")] });
    const board = await call("ann", "POST", "/boards", { name: "secret", visibility: "private" });
    await as.ann.make({ name: "secret", board_id: board.board_id, agents: [echo("a")] });
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  /** A call of another dialect. */
  const call = async (name, method, path, data) => {
    const headers = { authorization: `Bearer ${people[name].token}`, "content-type": "application/json" };
    const { status, json } = await http(daemon.url, path, { method, headers, body: JSON.stringify(data) });
    assert.ok(status < 300, JSON.stringify(json));
    return json;
  };

  test("without a token nothing is told, nor done", async () => {
    for (const who of [nobody, api(daemon.url, { authorization: "Bearer wrong" }), api(daemon.url, { "x-dashboard-token": "wrong" })]) {
      for (const path of LOOKS) assert.deepEqual(await who.bad("GET", `/swarms/open${path}`), NO, path);
      for (const [method, path, data] of CHANGES) assert.deepEqual(await who.bad(method, `/swarms/open${path}`, data), NO, path);
      for (const path of ["/swarms", "/events", "/skills", "/skills/x"]) assert.deepEqual(await who.bad("GET", path), NO, path);
      for (const path of ["/swarms", "/swarms/clean", "/config/validate", "/swarms/open/snapshot", "/swarms/open/objects"]) {
        assert.deepEqual(await who.bad("POST", path, {}), NO, path);
      }
    }
    const { headers } = await nobody.send("GET", "/swarms");
    assert.equal(headers["www-authenticate"], "Bearer");
  });

  test("a token comes as Bearer, as ?token= or as x-dashboard-token", async () => {
    const { token } = people.ann;
    for (const [headers, query] of [[{ authorization: `Bearer ${token}` }, ""], [{ "x-dashboard-token": token }, ""], [{}, `?token=${token}`]]) {
      const { count } = await api(daemon.url, headers).get(`/swarms${query}`);
      assert.equal(count, 2);
    }
    const { query } = await nobody.get(`/events?token=${token}&limit=1`);
    assert.deepEqual(query, { limit: "1" }, "a token is not said again");
  });

  test("viewers watch, members write, only admins have commands run", async () => {
    for (const path of LOOKS) {
      const { status } = await as.vic.send("GET", `/swarms/open${path}`);
      assert.equal(status, path === "/objects/o" ? 404 : 200, path);
    }
    for (const [method, path, data] of CHANGES) {
      assert.equal((await as.vic.bad(method, `/swarms/open${path}`, data))[0], 403, `${method} ${path}`);
    }
    assert.equal((await as.vic.bad("POST", "/swarms", { config: { name: "v", agents: [echo("a")] } }))[0], 403);
    const local = { name: "runs", agents: [{ name: "a", backend: "local", command: "cat" }] };
    assert.equal((await as.bob.bad("POST", "/swarms", { config: local }))[0], 403);
    assert.equal((await as.bob.bad("POST", "/swarms/open/agents", local.agents[0]))[0], 403);
    await as.bob.good("POST", "/swarms/open/agents/a/task", { task: "x" });
  });

  test("a swarm on a private board is not there for others", async () => {
    for (const path of LOOKS) {
      const [status] = await as.bob.bad("GET", `/swarms/secret${path}`);
      assert.equal(status, 404, path);
      assert.equal((await as.ann.send("GET", `/swarms/secret${path}`)).status, path === "/objects/o" ? 404 : 200, path);
    }
    for (const [method, path, data] of CHANGES) {
      assert.equal((await as.bob.bad(method, `/swarms/secret${path}`, data))[0], 404, `${method} ${path}`);
    }
    assert.deepEqual((await as.bob.get("/swarms")).swarms.map(({ name }) => name), ["open"]);
    assert.ok((await as.bob.get("/events?limit=1000")).events.every(({ swarm }) => swarm === "open"));
    assert.equal((await as.bob.get("/events?swarm=secret")).count, 0);
    assert.ok((await as.ann.get("/events?swarm=secret")).count > 0);
  });

  test("definitions are read from DATA_DIR/swarms only", async () => {
    for (const config_path of ["/etc/passwd", "../../etc/passwd", "../roost.db", "x\0.toml", "."]) {
      const { status, json } = await as.ann.send("POST", "/swarms", { config_path });
      assert.ok([400, 403].includes(status), `${JSON.stringify(config_path)}: ${status} ${JSON.stringify(json)}`);
      assert.ok(!JSON.stringify(json).includes(daemon.folder));
    }
  });
});

onEveryDatabase("S1-40 what is no request", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--max-message", "4096"] });
    of = api(daemon.url);
    await of.make({ name: "s", agents: [echo("a")] });
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("bodies that are no JSON, no object, or too large", async () => {
    for (const path of ["/swarms", "/swarms/s/agents/a/task", "/swarms/s/message", "/config/validate"]) {
      for (const body of ["{", "[1]", '"x"', "{\"a\":", "\u0000"]) {
        const { status, json } = await of.send("POST", path, body);
        assert.deepEqual([status, json.errors.detail], [400, "Bad Request"], `${path} ${body}`);
        assert.match(json.error, /^The body/);
      }
      const { status, json } = await of.send("POST", path, JSON.stringify({ task: "x".repeat(5_000) }));
      assert.deepEqual([status, json.errors.detail], [413, "Payload Too Large"], path);
    }
  });

  test("routes and methods that are not there", async () => {
    const missing = { errors: { detail: "Not Found" } };
    for (const [method, path] of [
      ["GET", "/nothing"], ["PUT", "/swarms"], ["DELETE", "/swarms"], ["POST", "/swarms/s"], ["GET", "/swarms/s/pause"],
      ["GET", "/swarms/s/sessions/x/other"], ["GET", "/swarms/s/agents/a/nothing"],
    ]) {
      const { status, json } = await of.send(method, path);
      assert.deepEqual([status, json], [404, missing], `${method} ${path}`);
    }
    assert.equal((await http(daemon.url, "/api/v1/health")).status, 200, "Agrenting's is its neighbour");
  });

  test("names that nobody has", async () => {
    for (const name of ["..", "%2e%2e", "%00", "a%2Fb", "clean", "validate", "events", "%F0%9F%90%93", "a".repeat(3_000), "'%20OR%201=1"]) {
      const { status, text } = await http(daemon.url, `/api/swarms/${name}`);
      assert.ok(status === 404 || status === 400, `${name.slice(0, 20)}: ${status} ${text}`);
      const task = await sendJson(daemon.url, "POST", `/api/swarms/s/agents/${name}/task`, { task: "x" });
      assert.ok(task.status === 404 || task.status === 400, `${name.slice(0, 20)}: ${task.status} ${task.text}`);
    }
    assert.equal((await http(daemon.url, "/api/swarms/%ff")).status, 400);
  });

  test("queries that make no sense", async () => {
    for (const query of ["since=x", "since=-1", "since=1.5", "limit=x", "since[a]=1", `since=${"9".repeat(40)}`]) {
      const { status } = await of.send("GET", `/swarms/s/events/feed?${query}`);
      assert.ok([200, 400].includes(status), `${query}: ${status}`);
    }
    for (const query of ["level[$ne]=x", "limit=1e99", "minutes=99999999999999999999", "agent[]=1", "after[$gt]=1"]) {
      const { status } = await of.send("GET", `/swarms/s/events?${query}`);
      assert.ok([200, 400].includes(status), `${query}: ${status}`);
    }
    const { count } = await of.get("/swarms/s/events?minutes=18446744073709551615&limit=0");
    assert.equal(count, 0);
  });

  test("texts that are odd are kept as they are, or refused", async () => {
    const odd = "\u{1f413} ‮x\u0007 <script> ${x} {{y}}\r\n'; --";
    await of.good("POST", "/swarms/s/agents/a/task", { task: odd });
    const { status } = await of.send("POST", "/swarms/s/agents/a/task", { task: "a\0b" });
    assert.equal(status, 400);
    const { history } = await eventually(
      () => of.get("/swarms/s/agents/a/history"),
      ({ history }) => history.length === 1,
      "it is told",
    );
    assert.equal(history[0].content, odd);
  });

  test("pages of other origins may not", async () => {
    for (const [headers, wanted] of [
      [{ origin: "https://evil.example" }, 403], [{ host: "evil.example" }, 403], [{ origin: "http://localhost:5173" }, 200],
    ]) {
      const { status, headers: told } = await http(daemon.url, "/api/swarms", { headers });
      assert.equal(status, wanted);
      if (wanted === 200) assert.equal(told["access-control-allow-origin"], headers.origin);
    }
  });
});
