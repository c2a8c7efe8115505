// S1-40: swarms over Genswarms' REST, on the server that everything else is on.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { api, atRest, echo, eventually, ring } from "../support/swarms.mjs";
import { closeAll } from "../support/wait.mjs";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

onEveryDatabase("S1-40 swarms over REST", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  before(async () => {
    daemon = await Daemon.start(database);
    of = api(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("GET /api says what is here; GET / is Roost's", async () => {
    const { name, endpoints, websocket } = await of.get("");
    assert.equal(name, "Genswarms API");
    assert.equal(endpoints.swarms, "/api/swarms");
    assert.equal(websocket.channel, "swarm:{swarm_name}");
    assert.ok(websocket.events.server_to_client.includes("heartbeat"));
  });

  test("a swarm is made, listed, looked at, stopped, purged", async () => {
    assert.deepEqual(await of.make({ ...ring("one", 2) }), { status: "created", swarm_name: "one" });
    const { swarms, count } = await of.get("/swarms");
    assert.equal(count, 1);
    const [{ started_at, ...listed }] = swarms;
    assert.match(started_at, ISO);
    const told = { name: "one", status: "running", agent_count: 2, object_count: 0, agents: 2, objects: 0, board_id: null };
    assert.deepEqual(listed, told);

    const status = await atRest(of, "one").then(() => of.get("/swarms/one"));
    assert.equal(status.status, "running");
    assert.deepEqual(status.agent_counts, { idle: 2 });
    assert.deepEqual(status.config, { agent_count: 2, object_count: 0, topology_edges: 2 });
    assert.deepEqual(status.objects, []);
    assert.deepEqual(status.topology, [
      { from: "a0", targets: ["a1"] },
      { from: "a1", targets: ["a0"] },
    ]);
    assert.deepEqual(status.file_paths, { config: null, data_dir: null, log: null });
    const { pid, ...agent } = status.agents[0];
    assert.match(pid, /^#PID<\d+\.\d+\.\d+>$/);
    const container = { container_name: null, container_status: null };
    assert.deepEqual(agent, { name: "a0", state: "idle", backend_type: "echo", skills_paths: [], ...container });

    const twice = await of.bad("POST", "/swarms", { config: ring("one", 2) });
    assert.deepEqual(twice, [400, "The swarm one is running already"]);
    const stopped = { status: "stopped", swarm_name: "one", config_path: null };
    assert.deepEqual(await of.good("DELETE", "/swarms/one"), stopped);
    assert.equal((await of.get("/swarms/one")).status, "stopped");
    assert.equal((await of.good("DELETE", "/swarms/one?purge=true")).status, "purged");
    for (const [method, path] of [["GET", ""], ["DELETE", ""], ["POST", "/pause"], ["POST", "/resume"]]) {
      assert.deepEqual(await of.bad(method, `/swarms/one${path}`), [404, "Swarm not found"], path);
    }
    const restart = await of.bad("POST", "/swarms/one/restart");
    assert.deepEqual(restart, [404, "Swarm not found or no config path"]);
  });

  test("it is paused, resumed, restarted", async () => {
    await of.make({ name: "paused", agents: [echo("a")] });
    const paused = await of.good("POST", "/swarms/paused/pause");
    assert.deepEqual(paused, { status: "paused", swarm_name: "paused", containers_paused: paused.containers_paused });
    assert.equal((await of.get("/swarms/paused")).status, "paused");
    assert.equal((await of.good("POST", "/swarms/paused/resume")).status, "resumed");
    const restarted = { status: "restarted", swarm_name: "paused", delete_data: false };
    assert.deepEqual(await of.good("POST", "/swarms/paused/restart"), restarted);
    const anew = await of.good("POST", "/swarms/paused/restart?delete=true");
    assert.equal(anew.delete_data, true);
  });

  test("a definition may be a text or a file; what is wrong is told by line and field", async () => {
    const toml = 'name = "text"\n[[agents]]\nname = "a"\nbackend = "echo"\n';
    await of.good("POST", "/swarms", { content: toml, format: "toml" }, 201);
    const file = join(await folder(daemon), "file.toml");
    await writeFile(file, toml.replace("text", "file"));
    await of.good("POST", "/swarms", { config_path: file }, 201);
    assert.equal((await of.get("/swarms/file")).file_paths.config, file);
    const wrong = await of.send("POST", "/swarms", { content: toml.replace('"echo"', '"ehco"'), format: "toml" });
    assert.equal(wrong.status, 400);
    assert.match(wrong.json.error, /^line 4: agents\[0\]\.backend: must be one of/);
    assert.equal(wrong.json.errors[0].line, 4);
    assert.equal(wrong.json.errors[0].field, "agents[0].backend");
    assert.deepEqual(await of.bad("POST", "/swarms", { config_path: "/nowhere.toml" }), [400, "Invalid config_path"]);
    const nothing = [400, "Missing 'config' or 'config_path' parameter"];
    assert.deepEqual(await of.bad("POST", "/swarms", {}), nothing);
    assert.deepEqual(await of.bad("POST", "/swarms"), nothing);
  });

  test("a definition is checked without being made", async () => {
    const { valid, config } = await of.good("POST", "/config/validate", { config: ring("checked", 2) });
    assert.equal(valid, true);
    assert.deepEqual(config.topology, [{ from: "a0", to: "a1" }, { from: "a1", to: "a0" }]);
    assert.deepEqual(Object.keys(config.agents[0]), ["name", "backend", "skills", "model"]);
    const wrong = await of.send("POST", "/config/validate", { config: { name: "1" } });
    assert.deepEqual([wrong.status, wrong.json.valid], [400, false]);
    assert.match(wrong.json.errors[0], /name/);
    const file = await of.send("POST", "/config/validate", { config_path: "/nowhere.json" });
    assert.deepEqual([file.status, file.json.valid], [404, false]);
    const nothing = await of.send("POST", "/config/validate", {});
    assert.equal(nothing.status, 400);
    assert.ok(nothing.json.error && nothing.json.usage);
    assert.deepEqual(await of.bad("GET", "/swarms/checked"), [404, "Swarm not found"]);
  });

  test("agents are given tasks, looked at, restarted; what they were told and said is kept", async () => {
    await of.make(ring("talk", 3));
    const sent = await of.good("POST", "/swarms/talk/agents/a0/task", { task: "@a1: @a2: hello" });
    assert.deepEqual([sent.status, sent.agent, sent.task], ["sent", "a0", "@a1: @a2: hello"]);
    await eventually(
      () => of.get("/swarms/talk/agents/a2/history"),
      ({ history }) => history.length === 1,
      "a2 is told",
    );
    await atRest(of, "talk");
    const { swarm, agents } = await of.get("/swarms/talk/agents");
    assert.deepEqual([swarm, agents.map(({ name }) => name)], ["talk", ["a0", "a1", "a2"]]);
    const status = await of.get("/swarms/talk/agents/a1");
    assert.deepEqual(status, agents[1]);
    for (const key of ["name", "swarm_name", "state", "backend", "inbox_size", "message_count", "skills", "started_at", "last_activity"]) {
      assert.ok(key in status, key);
    }
    const { history } = await of.get("/swarms/talk/agents/a1/history");
    assert.deepEqual(history.map(({ type, content, from, to }) => ({ type, content, from, to })), [
      { type: "outgoing", content: "hello", from: undefined, to: "a2" },
      { type: "incoming", content: "@a2: hello", from: "a0", to: undefined },
    ]);
    assert.equal((await of.get("/swarms/talk/agents/a1/history?limit=1")).history.length, 1);
    const { logs } = await of.get("/swarms/talk/agents/a1/logs");
    assert.deepEqual(Object.keys(logs[0]), ["session_id", "timestamp", "role", "content"]);
    const { messages } = await of.get("/swarms/talk/messages?limit=10");
    assert.equal(messages.length, 2);
    assert.ok(messages.every(({ category }) => category === "routing"));
    assert.equal(messages[0].metadata.to, "a2");
    const restarted = await of.good("POST", "/swarms/talk/agents/a1/restart");
    assert.deepEqual(restarted, { status: "restarted", agent: "a1" });
  });

  test("agents that are not there, not up or without a task are told so", async () => {
    await of.make({ name: "few", agents: [echo("a")] });
    for (const [method, path] of [
      ["GET", ""], ["DELETE", ""], ["GET", "/history"], ["GET", "/logs"], ["GET", "/skills"], ["POST", "/restart"], ["GET", "/events"],
    ]) {
      assert.deepEqual(await of.bad(method, `/swarms/few/agents/b${path}`), [404, "Agent not found"], path);
    }
    const task = (agent, data) => of.bad("POST", `/swarms/few/agents/${agent}/task`, data);
    assert.deepEqual(await task("b", { task: "x" }), [404, "Agent not found"]);
    for (const data of [{}, { task: "" }, { task: 1 }, { task: null }]) {
      assert.deepEqual(await task("a", data), [400, "Missing 'task' parameter"], JSON.stringify(data));
    }
    await of.good("DELETE", "/swarms/few");
    assert.deepEqual(await task("a", { task: "x" }), [400, "agent_stopped"]);
  });

  test("skills are given to agents, and their files are read by nobody", async () => {
    const skills = ["../../etc/passwd", { name: "known", content: "old" }];
    await of.make({ name: "skilled", agents: [echo("a", { skills })] });
    const at = "/swarms/skilled/agents/a/skills";
    assert.deepEqual(await of.good("PUT", `${at}/known`, { content: "new" }), { status: "updated", skill: "known" });
    const { skills: told } = await of.get(at);
    assert.deepEqual(told, [
      { name: "passwd", content: null, path: "../../etc/passwd" },
      { name: "known", content: "new", path: null },
    ]);
    for (const name of ["..", "a.b", "%2e%2e%2fx", "1"]) {
      const [status] = await of.bad("PUT", `${at}/${name}`, { content: "x" });
      assert.ok([400, 404].includes(status), name);
    }
    assert.deepEqual(await of.get("/skills?path=/etc"), { skills: [], base_path: ".", count: 0 });
    assert.deepEqual(await of.bad("GET", "/skills/..%2f..%2fetc%2fpasswd"), [404, "Skill not found"]);
  });

  test("edges, agents and groups change while it runs", async () => {
    await of.make({ name: "changing", agents: [echo("a"), echo("b")], topology: [["a", "b"]] });
    const at = "/swarms/changing";
    assert.deepEqual(await of.get(`${at}/topology`), { topology: [{ from: "a", targets: ["b"] }] });
    const rewired = await of.good("PATCH", `${at}/topology`, { add: [["b", "a"], { from: "a", to: "a" }], remove: [["a", "b"]] });
    assert.deepEqual(rewired, { status: "ok", added: 2, removed: 1 });
    assert.equal((await of.bad("PATCH", `${at}/topology`, { add: [["a", "nobody"]] }))[0], 400);
    assert.equal((await of.bad("PATCH", `${at}/topology`, { add: "a" }))[0], 400);
    const added = await of.good("POST", `${at}/agents`, { name: "c", backend: "echo", connections: ["a"], incoming: ["b"] }, 201);
    assert.deepEqual(added, { status: "added", name: "c" });
    assert.equal((await of.bad("POST", `${at}/agents`, { name: "c", backend: "echo" }))[0], 400);
    assert.deepEqual(await of.good("DELETE", `${at}/agents/c`), { status: "removed", name: "c" });
    const scaled = await of.good("POST", `${at}/agents/a/scale`, { count: 3 });
    assert.deepEqual(scaled, { status: "ok", result: { added: ["a_1", "a_2"], removed: [], failed: [] } });
    for (const count of [-1, 1.5, "3", null, 1e9]) {
      const refused = await of.bad("POST", `${at}/agents/a/scale`, { count });
      assert.deepEqual(refused, [400, "Missing or invalid 'count'"], JSON.stringify(count));
    }
  });

  test("of two who scale at the same time both are answered, and nothing is twice", async () => {
    await of.make({ name: "contested", agents: [echo("a")] });
    const counts = [4, 2, 6, 3, 5, 1, 6];
    const scale = (count) => of.good("POST", "/swarms/contested/agents/a/scale", { count });
    const answers = await Promise.all(counts.map(scale));
    assert.ok(answers.every(({ result }) => result.failed.length === 0), JSON.stringify(answers));
    const now = new Set(["a"]);
    const names = async () => (await of.get("/swarms/contested/agents")).agents.map(({ name }) => name);
    const last = await names();
    assert.ok(counts.includes(last.length));
    assert.equal(new Set(last).size, last.length);
    for (const { result } of answers) for (const name of [...result.added, ...result.removed]) now.add(name);
    assert.ok(now.size <= 6);
  });

  test("messages are passed in an agent's name; who may not is told in the answer", async () => {
    await of.make({ name: "posts", agents: [echo("a"), echo("b")], topology: [["a", "b"]] });
    const post = (from, to) => of.good("POST", "/swarms/posts/message", { from, to, content: "hi" });
    const { delivered, ...routed } = await post("a", "b");
    assert.deepEqual([delivered, routed], [true, { status: "routed", from: "a", to: "b", swarm: "posts", reason: null }]);
    assert.equal((await post("b", "a")).reason, ":invalid_route");
    assert.equal((await post("a", "nobody")).reason, ":target_not_found");
    const missing = [400, "Missing 'from', 'to', or 'content' parameter"];
    assert.deepEqual(await of.bad("POST", "/swarms/posts/message", { from: "a" }), missing);
  });

  test("events are looked up by level, category, agent, type and age", async () => {
    await of.make({ name: "told", agents: [echo("a"), echo("b")], topology: [["a", "b"]] });
    await of.good("POST", "/swarms/told/agents/a/task", { task: "@nobody: x\n@b: y" });
    await eventually(() => of.get("/swarms/told/agents/b/history"), ({ history }) => history.length, "b is told");
    await atRest(of, "told");
    const look = (query) => of.get(`/swarms/told/events?${query}`);
    const all = await look("limit=1000");
    assert.deepEqual([all.swarm, all.count], ["told", all.events.length]);
    const ids = all.events.map(({ id }) => id);
    assert.deepEqual(ids, [...ids].sort().reverse(), "newest first");
    const keys = ["id", "timestamp", "level", "category", "swarm", "agent", "event_type", "message", "metadata"];
    assert.deepEqual(Object.keys(all.events[0]), keys);
    assert.ok(all.events.every(({ timestamp }) => ISO.test(timestamp)));
    assert.deepEqual((await look("level=warning")).events.map(({ event_type }) => event_type), ["target_not_found"]);
    const routing = await look("category=routing");
    assert.ok(routing.count >= 2);
    assert.deepEqual(await look("category=router"), routing, "the dashboard's word");
    assert.equal((await look("event_type=swarm_started")).count, 1);
    assert.equal((await look("minutes=5&limit=1")).count, 1);
    assert.equal((await look("level=loud")).count, 0);
    const after = await look(`after=${ids.at(-1)}&limit=1000`);
    assert.deepEqual(after.events.map(({ id }) => id), ids.slice(0, -1).reverse());
    const ofAgent = await of.get("/swarms/told/agents/b/events");
    assert.deepEqual([ofAgent.swarm, ofAgent.agent], ["told", "b"]);
    assert.ok(ofAgent.events.every(({ agent }) => agent === "b"));
    const everywhere = await of.get("/events?swarm=told&level=warning");
    assert.deepEqual([everywhere.count, everywhere.query], [1, { swarm: "told", level: "warning" }]);
    for (const wrong of ["limit=x", "minutes=-1"]) {
      assert.equal((await of.bad("GET", `/swarms/told/events?${wrong}`))[0], 400, wrong);
    }
    assert.deepEqual(await of.bad("GET", "/swarms/nobody/events"), [404, "Swarm not found"]);
  });

  test("what is not offered is refused with a sentence: objects, containers, snapshots", async () => {
    await of.make({ name: "plain", agents: [echo("a")] });
    assert.deepEqual(await of.get("/swarms/plain/objects"), { objects: [] });
    assert.deepEqual(await of.bad("GET", "/swarms/plain/objects/o"), [404, "Object not found"]);
    assert.deepEqual(await of.get("/swarms/plain/overlay"), { swarm: "plain", events: [] });
    assert.deepEqual(await of.bad("GET", "/swarms/nobody/overlay"), [404, "Swarm not found"]);
    const docker = { name: "boxed", agents: [{ name: "a", backend: "docker" }] };
    for (const [method, path, data] of [
      ["POST", "/swarms/plain/objects", { name: "o" }],
      ["DELETE", "/swarms/plain/objects/o"],
      ["PATCH", "/swarms/plain/objects/o/config", { config: {} }],
      ["POST", "/swarms/plain/snapshot"],
      ["DELETE", "/swarms/plain/overlay"],
      ["POST", "/swarms", { config: docker }],
      ["POST", "/swarms", { config: { ...docker, agents: [echo("a")], objects: [{ name: "o" }] } }],
      ["POST", "/swarms/plain/agents", { name: "b", backend: ["docker", "image", {}] }],
      ["POST", "/swarms", { content: 'name = "boxed"\n[[agents]]\nname = "a"\nbackend = "docker"', format: "toml" }],
      ["POST", "/swarms", { content: JSON.stringify({ ...docker, agents: [], objects: [{}] }), format: "json" }],
    ]) {
      const [status, text] = await of.bad(method, path, data);
      assert.equal(status, 501, `${method} ${path}: ${text}`);
      assert.match(text, /not offered|cannot be cleared/);
    }
  });

  test("what is stopped is cleaned away", async () => {
    await of.make({ name: "rest", agents: [echo("a")] });
    await of.good("DELETE", "/swarms/rest");
    const cleaned = await of.good("POST", "/swarms/clean");
    assert.equal(cleaned.status, "cleaned");
    assert.ok(cleaned.swarms_removed >= 1 && cleaned.events_cleared >= 1, JSON.stringify(cleaned));
    assert.deepEqual(await of.bad("GET", "/swarms/rest"), [404, "Swarm not found"]);
    await of.good("POST", "/swarms/clean?all=true");
    assert.deepEqual(await of.get("/swarms"), { count: 0, swarms: [] });
  });
});

/** A folder for definitions. */
async function folder(daemon) {
  const at = daemon.folder;
  await mkdir(join(at, "swarms"), { recursive: true });
  return join(at, "swarms");
}
