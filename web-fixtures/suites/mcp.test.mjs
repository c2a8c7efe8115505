// MCP: Roost's services as tools, for clients of every revision.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { connect, NEWEST, REVISIONS, tool } from "../support/mcp.mjs";
import { register } from "../support/people.mjs";
import { closeAll } from "../support/wait.mjs";

const READS = [
  "list_sessions",
  "get_session",
  "list_tasks",
  "get_task",
  "list_messages",
  "list_boards",
  "get_board",
  "read_events",
];
/** What a tool does that does not only read. */
const WRITES = {
  send_prompt: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  ...Object.fromEntries(
    ["task_emit_chunk", "submit_hiring_result", "report_hiring_failure", "add_hiring_message"].map((name) => [
      name,
      { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    ]),
  ),
};
const READING = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

const names = ({ tools }) => tools.map(({ name }) => name).sort();

/** What a created record is. */
async function created(sent) {
  const { status, json } = await sent;
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

onEveryDatabase("MCP", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Record<string, {id: string, token: string, key: string}>} */
  let people;
  /** Nobody has to log in to it. @type {Daemon} */
  let open;
  before(async () => {
    open = await Daemon.start(database);
    daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    people = await register(daemon.url, ["admin", "ann", "bob"]);
    for (const person of Object.values(people)) person.key = (await key(person)).key;
  });
  after(async () => {
    await closeAll();
    await Promise.all([open.stop(), daemon.stop()]);
  });

  /** A call by somebody, over REST. */
  async function by({ token }, method, path, data) {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(daemon.url + path, { method, headers, body: data && JSON.stringify(data) });
    const json = await response.json();
    assert.ok(response.ok, JSON.stringify(json));
    return json;
  }
  const key = (person, data = {}) => by(person, "POST", "/api-keys", { name: "mcp", scopes: ["admin"], ...data });
  const create = (path, data) => created(sendJson(open.url, "POST", path, data));

  for (const revision of REVISIONS) {
    describe(`with a client of ${revision}`, () => {
      /** Without a key where that is enough. */
      const local = async () => connect(open.url, revision, revision === "HTTP+SSE" ? await owner() : undefined);
      let ownersKey;
      /** A key of the open daemon: the older transport wants one. */
      async function owner() {
        if (ownersKey) return ownersKey;
        const user = { email: "owner@example.com", password: "correct horse", role: "member" };
        await create("/users", user);
        const login = await create("/authentication", { strategy: "local", ...user });
        const headers = { authorization: `Bearer ${login.accessToken}`, "content-type": "application/json" };
        const body = JSON.stringify({ name: "mcp" });
        const made = await fetch(`${open.url}/api-keys`, { method: "POST", headers, body });
        return (ownersKey = (await made.json()).key);
      }

      test("the tools say what they take, what they answer and what they do", async () => {
        const client = await local();
        assert.deepEqual(client.getServerVersion(), { name: "roost", title: "Roost", version: "0.1.0" });
        assert.match(client.getInstructions(), /read_events/);
        const { tools } = await client.listTools();
        assert.deepEqual(names({ tools }), [...READS, ...Object.keys(WRITES)].sort());
        for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
          assert.ok(title && description, name);
          assert.equal(inputSchema.type, "object", name);
          assert.equal(inputSchema.additionalProperties, false, name);
          for (const [field, { description }] of Object.entries(inputSchema.properties)) assert.ok(description, field);
          assert.equal(outputSchema.type, "object", name);
          assert.deepEqual(annotations, WRITES[name] ?? READING, name);
        }
      });

      test("what is created is found, and listed a page at a time", async () => {
        const client = await local();
        const board = await create("/boards", { name: "with tools" });
        const ids = [];
        for (let index = 0; index < 3; index++) {
          const session = await create("/sessions", { description: `${index}`, board_id: board.board_id });
          ids.unshift(session.session_id);
        }
        const on = { board_id: board.board_id };
        const { answer: all } = await tool(client, "list_sessions", on);
        assert.deepEqual([all.total, all.skip, all.data.map((it) => it.session_id)], [3, 0, ids]);
        const { answer: page } = await tool(client, "list_sessions", { ...on, limit: 1, skip: 1 });
        assert.deepEqual([page.total, page.limit, page.data.map((it) => it.session_id)], [3, 1, [ids[1]]]);
        const { answer: none } = await tool(client, "list_sessions", { ...on, status: "failed" });
        assert.equal(none.total, 0);
        const { answer: session } = await tool(client, "get_session", { session_id: ids[0].slice(0, 8) });
        assert.deepEqual(session, (await (await fetch(`${open.url}/sessions/${ids[0]}`)).json()));
        const { answer: same } = await tool(client, "get_board", on);
        assert.equal(same.name, "with tools");
        const { answer: boards } = await tool(client, "list_boards", { limit: 1000 });
        assert.ok(boards.data.some(({ board_id }) => board_id === board.board_id));
      });

      test("a prompt is followed to its end in the log: nothing is missed, nothing comes twice", async () => {
        const client = await local();
        const { session_id } = await create("/sessions", {});
        let { answer: part } = await tool(client, "read_events", { since: "now" });
        assert.deepEqual([part.events, part.more], [[], false]);
        const since = part.next;
        const { answer: prompted } = await tool(client, "send_prompt", { session_id, prompt: "Hello there" });
        assert.equal(prompted.success, true);
        const heard = [];
        const isOver = ({ source, data }) => source === "sessions" && data.status === "idle";
        // A few at a time, so that there are pages.
        while (!heard.some(isOver)) {
          const next = part.next;
          ({ answer: part } = await tool(client, "read_events", { since: next, session: session_id, limit: 2 }));
          assert.ok(part.events.length <= 2);
          heard.push(...part.events);
        }
        const whole = await fetch(`${open.url}/events?since=${since}&session=${session_id}&$limit=1000`);
        const { data } = await whole.json();
        assert.deepEqual(heard, data.slice(0, heard.length));
        const { answer: task } = await tool(client, "get_task", { task_id: prompted.taskId });
        assert.deepEqual([task.status, task.session_id], ["completed", session_id]);
        const { answer: tasks } = await tool(client, "list_tasks", { session_id });
        assert.deepEqual(tasks.data.map(({ task_id }) => task_id), [prompted.taskId]);
        const { answer: said } = await tool(client, "list_messages", { session_id, task_id: prompted.taskId });
        assert.equal(said.data[0].content, "Hello there");
        const { answer: last } = await tool(client, "list_messages", { session_id, newest_first: true, limit: 1 });
        assert.deepEqual(last.data, said.data.slice(-1));
        // Where nothing can be told, nothing is passed over.
        const { answer: none } = await tool(client, "read_events", { since: since, session: session_id, limit: 0 });
        assert.deepEqual(none, { events: [], next: since, more: true });
        // Without `since` the newest come, in order.
        const { answer: newest } = await tool(client, "read_events", { session: session_id, limit: 2 });
        assert.deepEqual(newest.events, data.slice(-2));
      });

      test("S0-30, S0-31: a chunk is emitted into what a task streams, by who may", async () => {
        const client = await local();
        const { session_id } = await create("/sessions", {});
        const { task_id } = await create("/tasks", { session_id });
        const { answer: before } = await tool(client, "read_events", { since: "now" });
        const emit = (more) => tool(client, "task_emit_chunk", { task_id, content: "fn main() {}", ...more });
        if (revision === "HTTP+SSE") {
          // A user works on no task: agents do, and who owns an open daemon.
          assert.equal((await emit()).error.code, 403);
          return;
        }
        const { answer: first } = await emit();
        assert.deepEqual([first.task_id, first.seq, first.kind], [task_id, 1, "artifact"]);
        const { answer: second } = await emit({ content: "That is all", kind: "chat", metadata: { line: 1 } });
        assert.deepEqual([second.seq, second.kind], [2, "chat"]);
        const stored = await (await fetch(`${open.url}/tasks/${task_id}/chunks`)).json();
        assert.deepEqual(
          stored.data.map(({ seq, content, kind, metadata }) => ({ seq, content, kind, metadata })),
          [
            { seq: 1, content: "fn main() {}", kind: "artifact", metadata: {} },
            { seq: 2, content: "That is all", kind: "chat", metadata: { line: 1 } },
          ],
        );
        const { answer: part } = await tool(client, "read_events", { since: before.next, task: task_id });
        const chunks = part.events.filter(({ data }) => data.content);
        assert.deepEqual(chunks.map(({ data }) => data.seq), [1, 2]);
        for (const [more, code, reason] of [
          [{ kind: "gossip" }, 422, "invalid_kind"],
          [{ content: "" }, 422, "invalid_payload"],
          [{ content: "x".repeat(70_000) }, 422, "invalid_payload"],
          [{ task_id: "0192abcd-0000-4000-8000-000000000000" }, 404, "not_found"],
          [{ metadata: [] }, 400],
        ]) {
          const { error } = await emit(more);
          assert.deepEqual([error.code, error.data?.reason], [code, reason]);
        }
        await created(sendJson(open.url, "POST", `/tasks/${task_id}/complete`, {}));
        const { error: closed } = await emit();
        assert.deepEqual([closed.code, closed.data.reason], [409, "task_closed"]);
      });

      test("S0-30, S0-31: an agent's key opens what concerns the agent, and streams by what it works on", async () => {
        const { agent, api_key } = await create("/agents/register", { name: "Writer" });
        const other = await create("/agents/register", { name: "Other" });
        const { session_id } = await create("/sessions", {});
        const { task_id } = await create("/tasks", { session_id, provider_agent_id: agent.id });
        const foreign = await create("/sessions", {});
        const [its, others] = [await connect(open.url, revision, api_key), await connect(open.url, revision, other.api_key)];
        const own = READS.filter((name) => !/board/.test(name));
        const doings = Object.keys(WRITES).filter((name) => name !== "send_prompt");
        assert.deepEqual(names(await its.listTools()), [...own, ...doings].sort());
        const { answer: sessions } = await tool(its, "list_sessions");
        assert.deepEqual(sessions.data.map((it) => it.session_id), [session_id]);
        assert.equal((await tool(its, "get_session", { session_id: foreign.session_id })).error.code, 404);
        for (const name of ["list_boards", "send_prompt"]) {
          const args = name === "send_prompt" ? { session_id, prompt: "?" } : {};
          assert.equal((await tool(its, name, args)).error.code, 403);
        }
        const { answer: before } = await tool(its, "read_events", { since: "now" });
        const chunk = { task_id, content: "Once upon a time", kind: "chat" };
        const { answer } = await tool(its, "task_emit_chunk", chunk);
        assert.deepEqual([answer.task_id, answer.seq, answer.kind], [task_id, 1, "chat"]);
        const stored = await (await fetch(`${open.url}/tasks/${task_id}/chunks`)).json();
        assert.deepEqual(stored.data.map(({ content }) => content), [chunk.content]);
        // An agent is told what is addressed to it, and what is streamed by what it has part in.
        const { answer: told } = await tool(its, "read_events", { since: before.next });
        assert.deepEqual(told.events.map(({ name, data }) => [name, data.seq]), [["stream:chunk", 1]]);
        // To another agent there is no such task, session or event.
        const { error } = await tool(others, "task_emit_chunk", chunk);
        assert.ok([403, 404].includes(error.code), JSON.stringify(error));
        assert.equal((await tool(others, "get_task", { task_id })).error.code, 404);
        assert.equal((await tool(others, "list_sessions")).answer.total, 0);
        assert.deepEqual((await tool(others, "read_events", { since: before.next })).answer.events, []);
      });

      test("an agent does what it was hired for: it asks, streams and says what came of it, or that it failed", async () => {
        const { agent, api_key } = await create("/agents/register", { name: "Poet" });
        const its = await connect(open.url, revision, api_key);
        const hire = () => create("/hirings", { agent_id: agent.id, task_description: "A poem, please", capability_requested: "poems", price: "1.00" });
        const [one, two] = [await hire(), await hire()];
        const asked = await tool(its, "add_hiring_message", { hiring_id: one.id, content: "Of what?", message_type: "question" });
        assert.equal(asked.answer.content, "Of what?");
        const done = await tool(its, "submit_hiring_result", { hiring_id: one.id, result: { lines: 4 } });
        assert.deepEqual([done.answer.id, done.answer.status], [one.task_id, "completed"]);
        const failed = await tool(its, "report_hiring_failure", { task_id: two.task_id, reason: "No rhyme" });
        assert.deepEqual([failed.answer.status, failed.answer.error_reason], ["failed", "No rhyme"]);
        const hirings = await Promise.all([one, two].map(async ({ id }) => (await fetch(`${open.url}/hirings/${id}`)).json()));
        assert.deepEqual(hirings.map(({ status }) => status), ["completed", "failed"]);
        assert.deepEqual(hirings[0].task_output, { lines: 4 });
        const both = await tool(its, "submit_hiring_result", { hiring_id: one.id, task_id: one.task_id, result: "" });
        assert.equal(both.error.code, 400);
        const other = await create("/agents/register", { name: "Other poet" });
        const others = await connect(open.url, revision, other.api_key);
        const stolen = await tool(others, "submit_hiring_result", { task_id: two.task_id, result: "" });
        assert.ok([403, 404].includes(stolen.error.code));
      });

      test("what is wrong is said, as a result that a model can read", async () => {
        const client = await local();
        const wrong = async (name, args) => (await tool(client, name, args)).error;
        const unknown = "0192abcd-0000-4000-8000-000000000000";
        const missing = await wrong("get_session", { session_id: unknown });
        assert.deepEqual([missing.name, missing.code, missing.className], ["NotFound", 404, "not-found"]);
        assert.equal((await wrong("send_prompt", { session_id: unknown, prompt: "?" })).code, 404);
        for (const [name, args, message] of [
          ["get_session", {}, /Invalid arguments: missing field `session_id`/],
          ["get_session", { session_id: 7 }, /Invalid arguments: invalid type: integer `7`, expected a string/],
          ["list_sessions", { limit: -1 }, /Invalid arguments: invalid value: integer `-1`/],
          ["list_sessions", { colour: "red" }, /Invalid arguments: unknown field `colour`, expected one of/],
          ["list_boards", { limit: 1.5 }, /Invalid arguments/],
          ["read_events", { since: "yesterday" }, /`since` is neither/],
          ["read_events", { level: ["warn"] }, /Invalid arguments/],
          ["send_prompt", { session_id: unknown, prompt: "" }, /./],
        ]) {
          const error = await wrong(name, args);
          assert.equal(error.code, 400, `${name} ${JSON.stringify(args)}`);
          assert.match(error.message, message);
        }
        const gone = await wrong("read_events", { since: "00000000-1" });
        assert.deepEqual([gone.code, gone.data.reason], [410, "other_log"]);
        const call = client.callTool({ name: "no_such_tool", arguments: {} });
        await assert.rejects(call, (error) => error.code === -32602 && /Unknown tool: no_such_tool/.test(error.message));
      });

      test("there are tools, resources that can be subscribed to, and nothing else", async () => {
        const client = await local();
        const known = client.getServerCapabilities();
        assert.deepEqual([Object.keys(known).sort(), known.resources.subscribe], [["resources", "tools"], true]);
      });

      test("people see what they may, and do what their key lets them", async () => {
        const { ann, bob } = people;
        const board = await by(ann, "POST", "/boards", { name: "secret", visibility: "private" });
        const session = await by(ann, "POST", "/sessions", { board_id: board.board_id });
        const { session_id } = session;
        const [hers, his] = [await connect(daemon.url, revision, ann.key), await connect(daemon.url, revision, bob.key)];
        assert.equal((await tool(hers, "get_session", { session_id })).answer.session_id, session_id);
        assert.equal((await tool(his, "get_session", { session_id })).error.code, 404);
        assert.equal((await tool(his, "send_prompt", { session_id, prompt: "?" })).error.code, 404);
        const { answer: sessions } = await tool(his, "list_sessions", { limit: 1000 });
        assert.ok(!sessions.data.some((it) => it.session_id === session_id));
        const about = { session: session_id };
        assert.equal((await tool(hers, "read_events", about)).answer.events.length, 1);
        assert.equal((await tool(his, "read_events", about)).answer.events.length, 0);
        const reader = await connect(daemon.url, revision, (await key(ann, { scopes: ["read"] })).key);
        assert.equal((await tool(reader, "get_session", { session_id })).answer.session_id, session_id);
        const refused = (await tool(reader, "send_prompt", { session_id, prompt: "?" })).error;
        assert.deepEqual([refused.code, refused.message], [403, "An API key needs the scope `write` for this"]);
        // Nobody is shown what they may not use.
        assert.deepEqual(names(await reader.listTools()), [...READS].sort());
        // Hers is written by her.
        const { answer } = await tool(hers, "send_prompt", { session_id, prompt: "mine" });
        const task = await by(ann, "GET", `/tasks/${answer.taskId}`);
        assert.equal(task.created_by, ann.id);
      });
    });
  }

  test("the newest clients and older ones are served side by side, on one path", async () => {
    const auto = await connect(open.url, NEWEST);
    const older = await connect(open.url, "2025-11-25");
    const answers = await Promise.all([auto, older].flatMap((it) => Array(5).fill().map(() => tool(it, "list_boards"))));
    for (const { answer } of answers) assert.deepEqual(answer, answers[0].answer);
  });
});
