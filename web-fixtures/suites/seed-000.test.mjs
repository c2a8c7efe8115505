// Agrenting's page about its channels: its programs run as they stand, but for the host and the keys, where
// ROOST_SEEDS says in which folder the pages are; and the same calls, written anew.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Cast, rest } from "../support/agrenting.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { connect, REVISIONS, tool } from "../support/mcp.mjs";
import { Programs } from "../support/programs.mjs";
import { blocks, noPages as skip } from "../support/seeds.mjs";
import { closeAll, soon } from "../support/wait.mjs";

/** What the page's programs find around them. */
const PRELUDE = `
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
Object.assign(globalThis, JSON.parse(process.env.GLOBALS));
globalThis.render = (...chunk) => console.log(JSON.stringify(chunk));
console.warn = (reason) => console.log(JSON.stringify(reason));
`;

/** The same calls as the page's, of an agent and of a hirer. */
const ANEW = [
  `import { Socket } from "phoenix";
const connection = new Socket("wss://agrenting.com/socket/agent", { params: { api_key: "ap_your_agent_key" } });
connection.connect();
const own = connection.channel("agent:" + agentId);
own.join().receive("ok", () => console.log("online"));
own.push("task.stream_chunk", { task_id: taskId, content: "Working on it…", kind: "chat" });`,
  `import { Socket } from "phoenix";
const connection = new Socket("wss://agrenting.com/socket/hirer", { params: { api_key: "ap_your_user_token" } });
connection.connect();
const watched = connection.channel("task_stream:" + taskId);
watched.on("stream.chunk", ({ seq, content, kind }) => render(seq, content, kind));
watched.on("stream.done", () => console.log("done"));
watched.on("stream.error", (reason) => console.warn(reason));
watched.join().receive("ok", ({ seq }) => console.log("joined at seq", seq));`,
];

/** The same calls as the page's, with curl and of a tool. */
const EMITTED_ANEW = [
  `curl -X POST https://agrenting.com/api/v1/tasks/<task_id>/chunk -H "X-API-Key: ap_your_agent_key" \\
  -H "Content-Type: application/json" -d '{"content": "Working on it…", "kind": "chat"}'`,
  '{"name": "task_emit_chunk", "arguments": {"task_id": "...", "content": "Working on it...", "kind": "chat"}}',
];

onEveryDatabase("Agrenting's page", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Cast} */
  let cast;
  let programs;
  before(async () => {
    daemon = await Daemon.start(database);
    cast = await Cast.gather(daemon.url);
    programs = await Programs.beside(PRELUDE, { phoenix: "phoenix-1.8.16", ws: "ws" });
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
    await programs.remove();
  });

  /** Runs a program; waits for each line that it is to print. */
  function run(program, name, globals) {
    const swapped = program
      .replace("wss://agrenting.com", daemon.url.replace("http", "ws"))
      .replace("ap_your_agent_key", cast.provider.key)
      .replace("ap_your_user_token", cast.people.ann.key);
    const { read } = programs.run(swapped, name, { GLOBALS: JSON.stringify(globals) });
    return async (...expected) => {
      for (const line of expected) {
        const { value } = await soon(read.next(), `${name} prints ${line}`);
        assert.equal(value, line);
      }
    };
  }

  async function tell([agent, hirer]) {
    const taskId = await cast.task();
    const globals = { taskId, agentId: cast.provider.id };
    const watched = run(hirer, "hirer", globals);
    await watched("joined at seq 0");
    const worked = run(agent, "agent", globals);
    await worked("online");
    await watched('[1,"Working on it…","chat"]');
    // Another that comes late.
    const late = run(hirer, "late", globals);
    await late("joined at seq 1", '[1,"Working on it…","chat"]');
    await cast.emit(taskId, "more");
    await cast.complete(taskId, "all");
    for (const viewer of [watched, late]) await viewer('[2,"more","artifact"]', "done");
    const failed = run(hirer, "failed", { taskId: await failing() });
    await failed("joined at seq 0", '{"error":"failed"}');
  }

  async function failing() {
    const task = await cast.task();
    await cast.admin.post(`/tasks/${task}/fail`, {});
    return task;
  }

  /** Emits as the page says, with curl and with the tool. */
  async function emit([command, call]) {
    const task = await cast.task();
    const here = command
      .replace("https://agrenting.com", daemon.url)
      .replace("ap_your_agent_key", cast.provider.key)
      .replace("<task_id>", task);
    const { stdout } = await promisify(execFile)("bash", ["-c", here]);
    const { data, errors } = JSON.parse(stdout);
    assert.deepEqual([data.task_id, data.seq, data.kind, errors], [task, 1, "chat", []]);
    const { name, arguments: given } = JSON.parse(call);
    for (const revision of REVISIONS) {
      const client = await connect(daemon.url, revision, cast.provider.key);
      assert.ok((await client.listTools()).tools.some((tool) => tool.name === name), "S0-30");
      assert.equal((await tool(client, name, { ...given, task_id: task })).answer.kind, "chat");
    }
    const { data: chunks } = await rest(daemon.url, cast.client.key).get(`/tasks/${task}/chunks`);
    assert.deepEqual(chunks.map(({ content }) => content), ["Working on it…", ...REVISIONS.map(() => "Working on it...")]);
  }

  test("S0-29 S0-30 S0-31 the page's command and tool call, written anew, emit chunks", () => emit(EMITTED_ANEW));

  test("S0-42 the page's calls, written anew, do what the page says", () => tell(ANEW));

  test("S0-42 the page's programs run as they stand", { skip }, async () => tell(await blocks("000", "javascript")));

  test("S0-29 S0-30 S0-31 the page's command and tool call run as they stand", { skip }, async () => {
    const [command] = await blocks("000", "bash");
    const [call] = await blocks("000", "json");
    await emit([command, call]);
  });
});
