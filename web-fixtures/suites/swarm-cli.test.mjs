// S1-41: `roost swarm`, as people and scripts run it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { roost, start } from "../support/command.mjs";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { register } from "../support/people.mjs";
import { api, atRest, echo, everyEvent, eventually, ring, round } from "../support/swarms.mjs";
import { closeAll, until } from "../support/wait.mjs";

const EXAMPLE = fileURLToPath(new URL("../../examples/swarms/ring.toml", import.meta.url));
const STAMP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

onEveryDatabase("S1-41 the command line", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of, folder;
  before(async () => {
    daemon = await Daemon.start(database);
    of = api(daemon.url);
    folder = await mkdtemp(join(tmpdir(), "roost-cli-"));
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
    await rm(folder, { recursive: true });
  });

  /** Where the command runs: no database is there, only the daemon. */
  const here = (env = { ROOST_URL: daemon.url }) => ({ url: "sqlite://none.db", folder, env });
  const run = (...args) => roost(here(), ["swarm", ...args]);
  /** What a command prints that ends well. */
  const good = async (...args) => {
    const { out, err, code } = await run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${err}`);
    return out.trimEnd();
  };
  /** What a command complains of that does not. */
  const bad = async (...args) => {
    const { out, err, code } = await run(...args);
    assert.deepEqual([code, out], [1, ""], `${args.join(" ")}: ${err}`);
    return err.trimEnd();
  };
  const json = async (...args) => JSON.parse(await good(...args, "--json"));
  const lines = (text) => text.split("\n").filter(Boolean);

  test("a swarm is started from a file, listed, looked at, given a task, scaled, stopped, started by name", async () => {
    assert.equal(await good("start", EXAMPLE), "Started ring");
    const listed = lines((await good("list")).replace(STAMP, "T"));
    assert.deepEqual(listed, ["NAME  STATUS   AGENTS  STARTED", "ring  running  3       T"]);
    assert.match(await good("task", "ann", "@bob:", "@cleo:", "hello"), /^Sent to ring\/ann; the task is [\w-]{36}$/);
    await eventually(() => of.get("/swarms/ring/agents/cleo/history"), ({ history }) => history.length, "cleo is told");
    await atRest(of, "ring");
    const status = lines((await good("status")).replace(STAMP, "T"));
    assert.deepEqual(status, [
      "ring  running  since T",
      "AGENT  STATE  BACKEND  WAITING  MESSAGES  LAST ACTIVITY",
      "ann    idle   echo     0        2         T",
      "bob    idle   echo     0        2         T",
      "cleo   idle   echo     0        2         T",
      "ann → bob",
      "bob → cleo",
      "cleo → ann",
    ]);
    const words = lines(await good("logs", "ring", "bob")).map((line) => line.split(/\s{2,}/).slice(1));
    assert.deepEqual(words, [["bob", "user", "@cleo: hello"], ["bob", "assistant", "@cleo: hello"]]);
    assert.equal((await json("logs", "ring")).length, 6);
    assert.equal((await json("logs", "ring", "--limit", "2")).length, 2);
    assert.equal(await good("scale", "ring/ann", "3"), "Added ann_1, ann_2");
    assert.equal(await good("scale", "ann", "1", "--swarm", "ring"), "Removed ann_2, ann_1");
    assert.equal(await good("scale", "ann", "1"), "Nothing changed in ring");
    for (const [how, is] of [["pause", "paused"], ["resume", "running"], ["restart", "running, anew"], ["stop", "stopped"]]) {
      assert.equal(await good(how, "ring"), `ring is ${is}`);
    }
    assert.equal(await good("start", "ring"), "Started ring");
    assert.equal((await of.get("/swarms/ring")).status, "running");
    assert.equal(await good("remove", "ring", "--purge"), "ring is purged");
    assert.equal(await bad("status", "ring"), "roost: Swarm not found");
  });

  test("--json prints one value, and events one a line", async () => {
    const file = join(folder, "j.json");
    await writeFile(file, JSON.stringify({ name: "j", agents: [echo("a"), echo("b")], topology: [["a", "b"]] }));
    assert.deepEqual(await json("start", file), { status: "created", swarm_name: "j" });
    const sent = await json("task", "j/a", "@b: x");
    assert.deepEqual([sent.status, sent.agent], ["sent", "a"]);
    await eventually(() => of.get("/swarms/j/agents/b/history"), ({ history }) => history.length, "b is told");
    await atRest(of, "j");
    assert.equal((await json("list"))[0].name, "j");
    const { agents, topology } = await json("status", "j");
    assert.equal(agents[0].message_count, 2);
    assert.deepEqual(topology, [{ from: "a", targets: ["b"] }]);
    const events = lines(await good("events", "j", "--json", "--limit", "1000")).map((line) => JSON.parse(line));
    assert.deepEqual(events, await everyEvent(of, "j"), "oldest first");
    const some = lines(await good("events", "--json", "--category", "routing", "--level", "info", "--agent", "a")).map((line) => JSON.parse(line));
    assert.deepEqual(some.map(({ event_type, agent }) => [event_type, agent]), [["message_routed", "a"]]);
    assert.deepEqual(await json("scale", "a", "1"), { status: "ok", result: { added: [], removed: [], failed: [] } });
    assert.deepEqual(await json("stop", "j"), { status: "stopped", swarm_name: "j", config_path: null });
    await good("remove", "j", "--purge");
  });

  test("what is wrong is told in a line, with what would help", async () => {
    assert.equal(await bad("status"), "roost: there are no swarms; `roost swarm start FILE` makes one");
    assert.equal(await bad("start", "nobody"), "roost: there is no swarm nobody; `roost swarm start FILE` makes one");
    assert.equal(await bad("start", "none.toml"), "roost: there is no file none.toml");
    assert.equal(await bad("start", "none.yaml"), "roost: none.yaml must end in .toml or .json");
    const file = join(folder, "wrong.toml");
    await writeFile(file, 'name = "wrong"\n\n[[agents]]\nname = "a"\nbackend = "ehco"\n');
    assert.match(await bad("start", file), /^roost: .*wrong\.toml: line 5: agents\[0\]\.backend: must be one of/);
    await writeFile(file, 'name = "wrong\n');
    assert.match(await bad("start", file), /wrong\.toml: line 1: /);
    await writeFile(file, Buffer.from([0x6e, 0xff]));
    assert.match(await bad("start", file), /is not UTF-8$/);
    await of.make({ name: "x", agents: [echo("a")] });
    await of.make({ name: "y", agents: [echo("a")] });
    assert.equal(await bad("task", "a", "hi"), "roost: say which swarm: x, y");
    assert.equal(await bad("task", "x/a", "hi", "--swarm", "y"), "roost: say the swarm once: SWARM/AGENT, or --swarm");
    assert.equal(await bad("task", "x/b", "hi"), "roost: Agent not found");
    assert.equal(await bad("task", "x/../y", "hi"), "roost: Agent not found");
    assert.match(await bad("scale", "x/a", "100000"), /count/);
    await good("stop", "x");
    assert.equal(await bad("task", "x/a", "hi"), "roost: The agent is stopped");
    for (const args of [[], ["task", "a"], ["scale", "a", "-1"], ["scale", "a", "many"], ["events", "--level", "loud"], ["start"]]) {
      assert.equal((await run(...args)).code, 2, args.join(" "));
    }
    for (const name of ["x", "y"]) await good("remove", name, "--purge");
  });

  test("a daemon that is not there is named", async () => {
    const nowhere = (env, ...args) => roost(here(env), ["swarm", "list", ...args]);
    const told = (url) => `roost: no daemon answers at ${url}; does it run, and is --url (ROOST_URL) right?\n`;
    assert.equal((await nowhere({ ROOST_URL: "http://127.0.0.1:9" })).err, told("http://127.0.0.1:9"));
    assert.equal((await nowhere({ SWARM_API_URL: "http://127.0.0.1:8" })).err, told("http://127.0.0.1:8"));
    assert.equal((await nowhere({ LISTEN: "localhost:7" })).err, told("http://127.0.0.1:7"));
    assert.match((await nowhere({ ROOST_URL: "ftp://x" })).err, /no daemon's address/);
    const port = new URL(daemon.url).port;
    for (const env of [{ SWARM_API_URL: daemon.url }, { ROOST_URL: daemon.url, SWARM_API_URL: "http://127.0.0.1:9" }, { LISTEN: `127.0.0.1:${port}` }, { ROOST_URL: "", SWARM_API_URL: daemon.url }]) {
      assert.equal((await nowhere(env, "--json")).out, "[]\n", JSON.stringify(env));
    }
  });

  const skip = existsSync("/usr/bin/script") ? false : "script(1), which makes terminals, is not here";
  test("it reads well in a terminal: colours there only, and not with NO_COLOR; nothing steers it", { skip }, async () => {
    await of.make({ name: "bright", agents: [echo("a")] });
    await of.good("POST", "/swarms/bright/agents/a/task", { task: "red: \u001b[31m\u0007 \u009b31m\nsecond" });
    await atRest(of, "bright");
    const inTerminal = async (env, args) => {
      const command = `${BINARY} swarm ${args} --url ${daemon.url}`;
      const { out } = await roost({ ...here({ TERM: "xterm", ...env }) }, ["-qec", command, "/dev/null"], "script");
      return out;
    };
    const coloured = await inTerminal({}, "list");
    assert.ok(coloured.includes("\u001b[32mrunning"), JSON.stringify(coloured));
    for (const out of [await inTerminal({ NO_COLOR: "1" }, "list"), await good("list"), await good("logs", "bright")]) {
      assert.ok(!/[\u001b\u0007\u009b]/.test(out), JSON.stringify(out));
    }
    const logs = await inTerminal({}, "logs bright");
    assert.ok(!/\u001b\[31m|[\u0007\u009b]/.test(logs), JSON.stringify(logs));
    assert.match(await good("logs", "bright"), /red: \[31m 31m\n {4}second/);
    await good("remove", "bright", "--purge");
  });

  /** A command that goes on, and the lines that it printed. */
  const follow = (...args) => {
    const { child, ended } = start({ ...here(), within: 180_000 }, ["swarm", "events", "--follow", ...args]);
    const [heard, notes] = [[], []];
    createInterface({ input: child.stdout }).on("line", (line) => heard.push(line));
    createInterface({ input: child.stderr }).on("line", (line) => notes.push(line));
    ended.catch(() => {});
    return { ended, heard, notes };
  };

  test("--follow goes on over kills and restarts of the daemon: each event once, in order", async () => {
    const [AGENTS, HOPS] = [5, 10];
    await of.make(ring("followed", AGENTS));
    const all = follow("followed", "--json", "--limit", "1000");
    const routing = follow("followed", "--json", "--category", "routing");
    await until(() => all.heard.length > 0, "it begins with what was");
    for (let task = 0; task < 30; task++) {
      const text = round(AGENTS, task, HOPS, `task ${task}`);
      await of.good("POST", `/swarms/followed/agents/a${task % AGENTS}/task`, { task: text });
      if (task % 10 !== 5) continue;
      await daemon.kill(task === 15 ? "SIGTERM" : "SIGKILL");
      if (task === 25) await until(() => all.notes.length > 0, "it is told that nobody answers");
      await daemon.restart();
    }
    await atRest(of, "followed", 120_000, 250);
    const ids = (events) => events.map(({ id }) => id);
    const heard = ({ heard }) => heard.map((line) => JSON.parse(line).id);
    const kept = await everyEvent(of, "followed");
    await until(() => heard(all).at(-1) === kept.at(-1).id, "the last is told");
    assert.deepEqual(heard(all), ids(kept));
    const routed = ids(kept.filter(({ category }) => category === "routing"));
    assert.equal(routed.length, 30 * HOPS);
    await until(() => routing.heard.length >= routed.length, "all messages are told");
    assert.deepEqual(heard(routing), routed);
    // A swarm that goes is the end.
    await good("remove", "followed", "--purge");
    const { code, err } = await all.ended;
    assert.equal(code, 1);
    assert.match(err, /Waiting for it\.\n.*answers again\.\n/);
    assert.match(err, /roost: Swarm not found\n$/);
  });

  test("--follow ends when nobody reads any more, also while nothing happens", async () => {
    await of.make({ name: "quiet", agents: [echo("a")] });
    const pipeline = `${BINARY} swarm events quiet --follow | head -1; exit "\${PIPESTATUS[0]}"`;
    const { out, code } = await roost(here(), ["-c", pipeline], "bash");
    assert.deepEqual([lines(out).length, code], [1, 0]);
    await good("remove", "quiet", "--purge");
  });
});

onEveryDatabase("S1-41 the command line, where people log in", (database) => {
  /** @type {Daemon} */
  let daemon;
  let people;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    people = await register(daemon.url, ["admin"]);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("who calls is said by ROOST_TOKEN or SWARM_API_TOKEN", async () => {
    const list = (env, ...args) =>
      roost({ url: "sqlite://none.db", folder: daemon.folder, env: { ROOST_URL: daemon.url, ...env } }, ["swarm", "list", "--json", ...args]);
    const { token } = people.admin;
    for (const env of [{ ROOST_TOKEN: token }, { SWARM_API_TOKEN: token }, { ROOST_TOKEN: token, SWARM_API_TOKEN: "wrong" }]) {
      assert.equal((await list(env)).out, "[]\n");
    }
    for (const env of [{}, { ROOST_TOKEN: "wrong" }]) {
      const { code, err } = await list(env);
      assert.equal(code, 1);
      assert.match(err, /; say who calls with a token or API key in ROOST_TOKEN \(or --token\)\n$/);
      assert.ok(!err.includes("wrong"));
    }
  });

  test("following ends when the key that let one in is revoked", async () => {
    const as = (token) => ({ url: "sqlite://none.db", folder: daemon.folder, env: { ROOST_URL: daemon.url, ROOST_TOKEN: token } });
    const made = await roost(as(people.admin.token), ["key", "create", "--name", "ci", "--json"]);
    const { id, key } = JSON.parse(made.out);
    await api(daemon.url, { "x-api-key": key }).make({ name: "heard", agents: [echo("a")] });
    const { child, ended } = start(as(key), ["swarm", "events", "--follow", "--json"]);
    await once(child.stdout, "data");
    assert.equal((await roost(as(people.admin.token), ["key", "revoke", id])).code, 0);
    const { code, err } = await ended;
    assert.equal(code, 1);
    assert.match(err, /^roost: .*; say who calls with a token or API key/);
    assert.ok(!err.includes(key));
  });
});
