// Hive's guide: its programs run as they stand, but for hosts and keys, where ROOST_SEEDS says in which folder the
// pages are; and the same calls, written anew.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { Watcher, hiveUrl, tell } from "../support/hive.mjs";
import { register } from "../support/people.mjs";
import { Programs } from "../support/programs.mjs";
import { python } from "../support/python.mjs";
import { ANEW, GO, verbatim } from "../support/seed-004.mjs";
import { noPages } from "../support/seeds.mjs";
import { closeAll, keep, until } from "../support/wait.mjs";

const SECRET = "a secret that only issuers of tokens know";
const GOPATH = process.env.GOPATH ?? "/usr/share/gocode";
const PACKAGES = ["websockets==17.4", "PyJWT==2.15.1", "httpx==0.28.1"];

/** What the page's programs find around them. */
const PRELUDE = `
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
globalThis.updateDashboard = (event) => console.log("dashboard", event.type);
`;

/** React, as far as the hook asks: what is set is printed, functions are asked what they make of nothing. */
const REACT = `
export const useState = (first) => [first, (next) => console.log(JSON.stringify(typeof next === "function" ? next([]) : next))];
export const useEffect = (effect) => void effect();
`;

/** @type {Daemon} */
let daemon;
let url;
/** @type {Programs} */
let pages;
const interpreter = await python(...PACKAGES);

before(async () => {
  daemon = await Daemon.start(sqlite, { args: ["stream", "--port", "0"] });
  url = hiveUrl(daemon);
  pages = await Programs.beside(PRELUDE, { ws: "ws" });
  pages.add("react", REACT);
});
after(async () => {
  await closeAll();
  await daemon.stop();
  await pages.remove();
});

afterEach(closeAll);

/** What runs a program, by its name's end. */
const COMMANDS = {
  ".py": (file) => [interpreter.path, "-u", file],
  // With the browser's WebSocket.
  ".js": (file) => [process.execPath, "--experimental-websocket", file],
  ".go": (file) => ["go", "run", file],
};

/** Runs a program; what it has printed. @param {string} name @param {string} program */
function run(name, program) {
  const here = program.replaceAll("ws://localhost:8765", url.replace("http", "ws"));
  return pages.run(here, name, { GO111MODULE: "off", GOPATH }, COMMANDS[extname(name)]).lines;
}

/** Tells something again and again until a program that connects has it. */
async function reach(event, has, what) {
  let done = false;
  const asking = (async () => {
    while (!done) {
      await tell(daemon.url, event);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await until(has, what).finally(() => (done = true));
  await asking;
}

const of = (type, stream_id, data = {}, execution_id = "e-1") => ({ type, stream_id, execution_id, data });

async function quickStart(program) {
  const printed = run("quick-start", program);
  await reach(of("execution_started", "webhook"), () => printed.length, "the quick start is told");
  await tell(daemon.url, of("custom", "webhook"), of("execution_completed", "other"), of("goal_progress", "webhook", { progress: 0.5 }));
  await until(() => printed.includes("dashboard goal_progress"), "the quick start is told what it asked for");
  const types = new Set(printed.filter((line) => line.startsWith("dashboard")));
  assert.deepEqual([...types], ["dashboard execution_started", "dashboard goal_progress"]);
  assert.ok(printed.includes("goal_progress: { progress: 0.5 }"), String(printed));
}

async function hook(program) {
  const printed = run("hook", `${program}\nuseAgentStream("hooked");\n`);
  await reach(of("custom", "hooked"), () => printed.length, "the hook is told");
  const steps = ["execution_started", "goal_progress", "execution_completed", "execution_failed"];
  await tell(daemon.url, of("execution_started", "other"), ...steps.map((type) => of(type, "hooked", type === "goal_progress" ? { progress: 0.25 } : {})));
  await until(() => printed.includes('"failed"'), "the hook shows the end");
  assert.deepEqual(printed.filter((line) => !line.startsWith("[")), ['"running"', "25", '"completed"', '"failed"']);
}

async function bridge(program) {
  const posted = [];
  const server = createServer(async (request, response) => {
    posted.push({ headers: request.headers, body: JSON.parse(await text(request)) });
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  keep(() => server.closeAllConnections() ?? server.close());
  const webhook = `http://127.0.0.1:${server.address().port}/hook`;
  run("bridge.py", program.replace("https://api.example.com/webhooks/agent-events", webhook));
  const stream = "production-agent-1";
  await reach(of("custom", stream), () => posted.length, "the webhook is called");
  const told = await tell(daemon.url, of("execution_started", "other"), of("execution_completed", stream, { output: { "kéy": [1, null] } }));
  await until(() => posted.some(({ body }) => body.type === "execution_completed"), "the webhook is told the event");
  assert.ok(posted.every(({ headers, body }) => headers["x-stream-id"] === stream && body.stream_id === stream));
  const { body } = posted.at(-1);
  assert.deepEqual(body, told[1]);
  assert.deepEqual((await tell(daemon.url, body)).type, body.type);
}

async function monitor(program) {
  const printed = run("monitor.py", program);
  await reach(of("EXECUTION_FAILED", "a", { error: "first" }), () => printed.length, "the monitor prints");
  // A real run, too, and nothing of what it did not ask for.
  const watcher = await Watcher.of(url, { event_types: ["execution_failed"] });
  const send = (method, path, data) =>
    fetch(daemon.url + path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(data) }).then((answer) => answer.json());
  const { session_id } = await send("POST", "/sessions", {});
  const { task_id } = await send("POST", "/tasks", { session_id, status: "running" });
  await send("PATCH", `/tasks/${task_id}`, { status: "failed", error: "No words" });
  await watcher.has(1);
  await tell(daemon.url, of("custom", "a"), of("goal_progress", "a"), of("CONSTRAINT_VIOLATION", "a", { constraint_id: "c1", description: "dear" }));
  await until(() => printed.some((line) => line.startsWith("[WARNING]")), "the monitor warns");
  const others = printed.filter((line) => line !== "[ERROR] Agent failed: first (exec: e-1)");
  const warning = "[WARNING] Constraint violated: {'constraint_id': 'c1', 'description': 'dear'} (exec: e-1)";
  assert.deepEqual(others, [`[ERROR] Agent failed: No words (exec: ${task_id})`, warning]);
}

async function orchestrator(program) {
  const printed = run("orchestrator.py", `${program}\nasyncio.run(AgentOrchestrator().orchestrate())\n`);
  const first = "Starting data-analyzer with input: {'output': 1}";
  await reach(of("execution_completed", "data-collector", { output: 1 }), () => printed.includes(first), "the next agent is started");
  await tell(daemon.url, of("execution_failed", "data-analyzer"), of("execution_completed", "data-analyzer", { output: 2 }));
  await until(() => printed.at(-1) === "Starting report-generator with input: {'output': 2}", "and the last");
}

async function issuer(program) {
  const own = await Daemon.start(sqlite, { args: ["--auth", "required"], env: { HIVE_SECRET: SECRET } });
  try {
    const { admin } = await register(own.url, ["admin"]);
    const issue = `${program}\nprint(WebSocketAuth(${JSON.stringify(SECRET)}).generate_token(${JSON.stringify(admin.id)}, ["a"]))\n`;
    const printed = run("issuer.py", issue);
    await until(() => printed.length, "a token is printed");
    const watcher = await Watcher.open(own.url);
    assert.deepEqual(await watcher.ask({ action: "auth", token: printed[0] }), { type: "authenticated" });
    assert.equal((await watcher.ask({ action: "subscribe", stream_id: "b" })).message, "Access denied to stream: b");
    await watcher.subscribe({ stream_id: "a" });
    watcher.socket.terminate();
  } finally {
    await own.stop();
  }
}

const SAMPLES = [
  ["quickStart", "S4-6 S4-42 the quick start", quickStart],
  ["hook", "S4-13 S4-42 useAgentStream", hook],
  ["bridge", "S4-14 S4-42 the webhook bridge", bridge],
  ["monitor", "S4-15 S4-42 the monitor", monitor],
  ["orchestrator", "S4-16 S4-42 the orchestrator", orchestrator],
  ["issuer", "S4-34 S4-36 tokens that PyJWT makes", issuer],
];
const programs = noPages ? {} : await verbatim();

describe("Hive's guide", () => {
  for (const [name, title, sample] of SAMPLES) {
    const noPython = /import (asyncio|jwt)/.test(ANEW[name]) && interpreter.missing;
    test(`${title}, written anew`, { skip: noPython || false }, () => sample(ANEW[name]));
    const skip = noPython || noPages;
    test(`${title}, as it stands`, { skip }, () => sample(programs[name]));
  }

  test("S4-42 the browser's WebSocket", async () => {
    const printed = run("browser.js", `globalThis.updateDashboard = () => {};\n${ANEW.quickStart}`);
    const told = "execution_started: { from: 'afar' }";
    await reach(of("execution_started", "webhook", { from: "afar" }), () => printed.includes(told), "it is told");
  });

  const gorilla = `${GOPATH}/src/github.com/gorilla/websocket`;
  const noGo = !existsSync(gorilla) && `there is no ${gorilla} (Debian: golang-go, golang-github-gorilla-websocket-dev)`;
  test("S4-42 gorilla, for Go", { skip: noGo }, async () => {
    const printed = run("client.go", GO);
    await reach(of("custom", "go", { from: "afar" }), () => printed.length, "it is told");
    assert.equal(printed[0], "custom go map[from:afar]");
  });
});
