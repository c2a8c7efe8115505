// Agrenting's REST: agents, tasks, hirings and what they stream, for users and agents with keys.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { agent, api, keyOf } from "../support/market.mjs";
import { register } from "../support/people.mjs";
import { answer, clients, open as connect } from "../support/phoenix.mjs";
import { closeAll } from "../support/wait.mjs";

const NOWHERE = "00000000-0000-4000-8000-000000000000";

onEveryDatabase("Agrenting's REST", (database) => {
  /** Nobody has to log in to it. @type {Daemon} */
  let open;
  /** @type {Daemon} */
  let daemon;
  let people, ann, bob, writer, other;
  /** The keys that were used. */
  const keys = [];
  before(async () => {
    open = await Daemon.start(database, { env: { LOG: "debug" } });
    daemon = await Daemon.start(database, {
      args: ["--auth", "required"],
      env: { LOG: "debug", CHUNKS_PER_SEC: "2", CALLS_PER_SEC: "0" },
    });
    people = await register(daemon.url, ["admin", "ann", "bob"]);
    const key = async (name, more) => (await keyOf(daemon.url, people[name], more)).key;
    [ann, bob] = [api(daemon.url, await key("ann")), api(daemon.url, await key("bob"))];
    const admin = await key("admin", { scopes: ["admin"] });
    writer = await agent(daemon.url, "writer", {}, admin);
    other = await agent(daemon.url, "other", { capabilities: ["code"], base_price: "5" }, admin);
    keys.push(admin, ...[ann, bob, writer, other].map(({ key }) => key));
  });
  after(async () => {
    await closeAll();
    await Promise.all([open.stop(), daemon.stop()]);
  });

  const task = (by = ann, more = {}) =>
    by.good("POST", "/tasks", { provider_agent_id: writer.id, capability: "text", input: "Write!", ...more });
  const hiring = async (by = ann, more = {}) => {
    const asked = { task_description: "A poem", capability_requested: "text", price: "25.00", ...more };
    return (await by.good("POST", `/agents/${encodeURIComponent(writer.did)}/hire`, asked)).hiring;
  };
  /** What somebody's inbox was told of a session, oldest first. */
  const told = async (who, session) => {
    const headers = { "x-api-key": who.key };
    const query = `source=inbox&session=${session}&$sort[seq]=1&$limit=50`;
    const { json } = await http(daemon.url, `/events?${query}`, { headers });
    assert.ok(json.data, JSON.stringify(json));
    return json.data;
  };
  const names = (events) => events.map(({ name }) => name);

  test("S0-7 an agent is registered and is told its key, which looks like ap_…, once", async () => {
    assert.match(writer.key, /^ap_[\w-]{43}$/);
    const seen = await ann.good("GET", `/agents/${encodeURIComponent(writer.did)}`);
    assert.equal(seen.id, writer.id);
    assert.equal(seen.base_price, "25.00");
    assert.ok(!JSON.stringify(seen).includes(writer.key));
    // A daemon to which nobody logs in registers whoever asks; one with logins asks for an admin.
    const self = await agent(open.url, "self");
    assert.equal((await self.good("GET", `/agents/${self.id}`)).name, "self");
    assert.equal(await api(daemon.url).bad("POST", "/agents/register", { name: "x" }), "401 UNAUTHORIZED");
    assert.equal(await ann.bad("POST", "/agents/register", { name: "x" }), "403 FORBIDDEN");
    assert.equal(await api(open.url, "ap_wrong").bad("POST", "/agents/register", { name: "x" }), "401 UNAUTHORIZED");
  });

  test("a key comes as X-API-Key, Api-Key or Bearer, or as a token that was made of it", async () => {
    for (const [header, value] of [
      ["x-api-key", ann.key],
      ["api-key", ann.key],
      ["authorization", `Bearer ${ann.key}`],
    ]) {
      await api(daemon.url, value, header).good("GET", "/tasks");
    }
    const made = await writer.good("POST", "/auth/authenticate", {});
    assert.deepEqual(made.agent, { id: writer.id, name: "writer" });
    const inBody = await api(daemon.url).good("POST", "/auth/authenticate", { api_key: writer.key });
    for (const { token, expires_at } of [made, inBody]) {
      assert.ok(new Date(expires_at) - Date.now() <= 3_600_000);
      keys.push(token);
      const tasks = api(daemon.url, `Bearer ${token}`, "authorization");
      await tasks.good("GET", "/tasks");
      assert.equal(await tasks.bad("POST", "/auth/authenticate", {}), "401 UNAUTHORIZED");
    }
  });

  test("a key is needed always, also where nobody has to log in", async () => {
    for (const url of [open.url, daemon.url]) {
      for (const [key, header] of [
        [undefined],
        ["ap_wrong"],
        ["wrong", "api-key"],
        ["Bearer ap_wrong", "authorization"],
        ["Basic YTpi", "authorization"],
        [ann.key.slice(0, -1)],
      ]) {
        const who = api(url, key, header);
        for (const [method, path] of [
          ["GET", "/tasks"],
          ["POST", "/tasks"],
          ["GET", "/agents/discover"],
          ["POST", `/tasks/${NOWHERE}/chunk`],
          ["GET", "/webhooks"],
          ["GET", "/ledger/balance"],
          ["POST", "/auth/authenticate"],
        ]) {
          assert.equal(await who.bad(method, path), "401 UNAUTHORIZED", `${method} ${path} ${key}`);
        }
      }
      assert.equal((await api(url).good("GET", "/health")).status, "ok");
    }
  });

  test("a key that was revoked, and its token, open nothing", async () => {
    const admin = people.admin;
    const key = await keyOf(daemon.url, admin, { agent_id: other.id });
    const who = api(daemon.url, key.key);
    const { token } = await who.good("POST", "/auth/authenticate", {});
    const headers = { authorization: `Bearer ${admin.token}` };
    await http(daemon.url, `/api-keys/${key.id}`, { method: "DELETE", headers });
    assert.equal(await who.bad("GET", "/tasks"), "401 UNAUTHORIZED");
    const late = api(daemon.url, `Bearer ${token}`, "authorization");
    assert.equal(await late.bad("GET", "/tasks"), "401 UNAUTHORIZED");
    keys.push(key.key, token);
  });

  test("S0-11 a hiring goes from its beginning to its end over REST alone", async () => {
    const made = await hiring(ann, { task_input: { about: "rain" } });
    assert.equal(made.status, "queued");
    const [seen, mine] = [await writer.good("GET", "/hirings"), await writer.good("GET", `/hirings/${made.id}`)];
    assert.ok(seen.hirings.some(({ id }) => id === made.id));
    assert.deepEqual(mine.task_input, { about: "rain" });
    await writer.good("POST", `/hirings/${made.id}/messages`, { content: "Long?", message_type: "question" });
    let asked = await ann.good("GET", `/hirings/${made.id}`);
    assert.deepEqual(asked.open_questions.map(({ content }) => content), ["Long?"]);
    await ann.good("POST", `/tasks/${made.task_id}/messages`, { message: "Short.", message_type: "feedback" });
    asked = await ann.good("GET", `/hirings/${made.id}`);
    assert.deepEqual(asked.open_questions, []);
    await writer.good("POST", `/tasks/${made.task_id}/chunk`, { content: "Rain,", kind: "chat" });
    await writer.good("POST", `/tasks/${made.task_id}/chunk`, { content: "poem.txt" });
    await writer.good("PUT", `/tasks/${made.task_id}/progress`, { progress_percent: 50 });
    const done = await writer.good("PUT", `/tasks/${made.task_id}/complete`, { output: { text: "Rain." } });
    assert.deepEqual([done.status, done.output], ["completed", { text: "Rain." }]);
    const over = await ann.good("GET", `/hirings/${made.id}`);
    assert.deepEqual([over.status, over.final, over.task_output], ["completed", true, { text: "Rain." }]);
    assert.deepEqual(over.artifacts.map(({ content }) => content), ["poem.txt"]);
    const said = over.messages.map(({ sender_type, message_type }) => `${sender_type} ${message_type}`);
    assert.deepEqual(said, ["client task", "agent question", "client feedback", "agent output"]);
    const { events } = await ann.good("GET", `/tasks/${made.task_id}/timeline`);
    const steps = events.map(({ event_type }) => event_type);
    assert.deepEqual(steps, ["pending", "in_progress", "progress", "completed"]);
    const { chunks, seq } = await ann.good("GET", `/tasks/${made.task_id}/chunks?after=1`);
    assert.deepEqual([chunks.length, chunks[0].seq, seq], [1, 2, 2]);
  });

  test("S0-13 an agent hears of hirings, tasks and messages", async () => {
    const made = await hiring();
    await ann.good("POST", `/hirings/${made.id}/messages`, { content: "Hurry" });
    await ann.good("POST", `/hirings/${made.id}/cancel`);
    const events = await told(writer, made.session_id);
    const expected = ["hiring.created", "task.assigned", "message.received", "hiring.cancelled", "task.cancelled"];
    assert.deepEqual(names(events), expected);
    assert.equal(events[0].data.hiring_id, made.id);
    assert.equal(events[1].data.id, made.task_id);
    assert.equal(events[2].data.content, "Hurry");
    assert.deepEqual(await told(other, made.session_id), []);
  });

  for (const [id, end, name] of [
    ["S0-17 and S0-18", ["PUT", "complete", { output: "x" }], "hiring.completed"],
    ["S0-19", ["POST", "cancel", { reason: "late" }], "hiring.cancelled"],
    ["S0-17", ["PUT", "fail", { error_reason: "tired" }], "hiring.failed"],
  ]) {
    test(`${id} a hirer hears of hiring.created and ${name}`, async () => {
      const made = await hiring();
      const [method, word, data] = end;
      await (word === "cancel" ? ann : writer).good(method, `/tasks/${made.task_id}/${word}`, data);
      const events = await told(ann, made.session_id);
      assert.deepEqual(names(events), ["hiring.created", "task.submitted", name]);
      const { data: over } = events[2];
      assert.deepEqual([over.hiring_id, over.agent_id], [made.id, writer.id]);
      assert.deepEqual(await told(bob, made.session_id), []);
    });
  }

  test("S0-20 a hirer hears of task.submitted for a task without a hiring, and of its end", async () => {
    const made = await task();
    await writer.good("PUT", `/tasks/${made.id}/complete`, {});
    const events = await told(ann, made.session_id);
    assert.deepEqual(names(events), ["task.submitted", "task.completed"]);
    assert.equal(events[0].data.id, made.id);
  });

  test("S0-21 whatever is addressed to a user reaches that user, and nobody else", async () => {
    const made = await hiring(bob);
    const events = await told(bob, made.session_id);
    assert.ok(events.every(({ topics }) => topics.includes(`user:${people.bob.id}`)));
    assert.deepEqual(await told(ann, made.session_id), []);
  });

  test("S0-29 a chunk is emitted with POST /tasks/<id>/chunk", async () => {
    const { id } = await task();
    const answer = await writer.send("POST", `/tasks/${id}/chunk`, { content: "Working on it…", kind: "chat" });
    assert.equal(answer.status, 201);
    const { timestamp, ...data } = answer.json.data;
    assert.deepEqual(data, { task_id: id, seq: 1, kind: "chat" });
    assert.ok(Date.parse(timestamp));
    const chunk = { content: "x" };
    assert.equal(await api(daemon.url).bad("POST", `/tasks/${id}/chunk`, chunk), "401 UNAUTHORIZED");
    assert.equal(await other.bad("POST", `/tasks/${id}/chunk`, chunk), "403 FORBIDDEN");
    assert.equal(await ann.bad("POST", `/tasks/${id}/chunk`, chunk), "403 FORBIDDEN");
    assert.equal(await writer.bad("POST", `/tasks/${NOWHERE}/chunk`, chunk), "404 NOT_FOUND");
    await ann.good("POST", `/tasks/${id}/cancel`);
    assert.equal(await writer.bad("POST", `/tasks/${id}/chunk`, chunk), "409 TASK_CLOSED");
    const fast = await task();
    const many = Array.from({ length: 40 }, () => writer.send("POST", `/tasks/${fast.id}/chunk`, chunk));
    const answers = await Promise.all(many);
    const refused = answers.filter(({ status }) => status !== 201);
    assert.ok(refused.length > 0);
    for (const { status, headers, json } of refused) {
      assert.deepEqual([status, json.errors[0].code], [429, "RATE_LIMIT_EXCEEDED"]);
      assert.ok(Number(headers["retry-after"]) > 0);
    }
    const { seq } = await ann.good("GET", `/tasks/${fast.id}/chunks`);
    assert.equal(seq, answers.length - refused.length, "what was taken is there");
  });

  test("S0-34 a chunk is an artifact if nothing is said; chat stays chat, other kinds are refused", async () => {
    const { id } = await task();
    const emit = (data) => writer.good("POST", `/tasks/${id}/chunk`, data);
    assert.equal((await emit({ content: "a" })).kind, "artifact");
    assert.equal((await emit({ content: "a", kind: "chat" })).kind, "chat");
    for (const wrong of [
      { content: "a", kind: "song" },
      { content: "a", kind: 5 },
      { kind: "chat" },
      { content: "" },
      { content: 5 },
      { content: ["a"] },
      { content: "a".repeat(65_537) },
      { content: "a", metadata: [] },
      {},
    ]) {
      assert.equal(await writer.bad("POST", `/tasks/${id}/chunk`, wrong), "422 VALIDATION_ERROR");
    }
    for (const wrong of ["[]", "{", '"a"', "\0", "null"]) {
      assert.equal(await writer.bad("POST", `/tasks/${id}/chunk`, wrong), "422 VALIDATION_ERROR", wrong);
    }
    assert.equal((await ann.good("GET", `/tasks/${id}/chunks`)).seq, 2);
  });

  describe("tasks", () => {
    test("are seen by their sides, and ended by whose say it is", async () => {
      const { id } = await task();
      for (const who of [other, bob]) {
        assert.equal(await who.bad("GET", `/tasks/${id}`), "404 NOT_FOUND");
        assert.equal(await who.bad("PUT", `/tasks/${id}/complete`, { output: "mine" }), "404 NOT_FOUND");
        assert.equal(await who.bad("POST", `/tasks/${id}/messages`, { message: "mine" }), "404 NOT_FOUND");
      }
      assert.equal(await ann.bad("PUT", `/tasks/${id}/complete`, { output: "x" }), "403 FORBIDDEN");
      assert.equal(await writer.bad("POST", `/tasks/${id}/cancel`), "403 FORBIDDEN");
      assert.equal(await writer.bad("PUT", `/tasks/${id}/fail`, {}), "422 VALIDATION_ERROR");
      await writer.good("PUT", `/tasks/${id}/fail`, { error_reason: "no words" });
      const failed = await ann.good("GET", `/tasks/${id}`);
      assert.deepEqual([failed.status, failed.error_reason], ["failed", "no words"]);
    });

    test("end once, whoever tries at the same time", async () => {
      const { id } = await task();
      const complete = () => writer.send("PUT", `/tasks/${id}/complete`, { output: "x" });
      const ends = await Promise.all(Array.from({ length: 8 }, complete));
      const codes = ends.map(({ status, json }) => `${status} ${json.errors[0]?.code}`).sort();
      assert.deepEqual(codes, ["200 undefined", ...Array(7).fill("409 TASK_CLOSED")]);
    });

    test("are listed in pages that stay right", async () => {
      const who = await agent(daemon.url, "lister", {}, keys[0]);
      keys.push(who.key);
      const made = [];
      for (let n = 0; n < 5; n += 1) made.unshift(await task(who));
      const pages = [];
      let cursor = "";
      do {
        const { json } = await who.send("GET", `/tasks?limit=2${cursor && `&cursor=${cursor}`}`);
        const { pagination } = json.meta;
        assert.equal(pagination.total_count, 5 + pages.length);
        pages.push(json.data.map(({ id }) => id));
        cursor = pagination.has_more ? pagination.cursor : undefined;
        // What comes meanwhile shifts nothing.
        await task(who);
      } while (cursor);
      assert.deepEqual(pages.flat(), made.map(({ id }) => id));
      await who.good("POST", `/tasks/${made[0].id}/cancel`);
      const stopped = await who.good("GET", `/tasks?status=cancelled&agent_id=${who.id}`);
      assert.deepEqual(stopped.map(({ id }) => id), [made[0].id]);
      for (const query of ["limit=0", "limit=x", "cursor=x", "cursor=bnVsbA", "status=running"]) {
        assert.equal(await who.bad("GET", `/tasks?${query}`), "422 VALIDATION_ERROR", query);
      }
    });
  });

  test("agents are listed and discovered", async () => {
    const found = async (query) => (await ann.good("GET", `/agents/discover?${query}`)).map(({ name }) => name);
    assert.ok((await found("capability=text&limit=100")).includes("writer"));
    assert.deepEqual(await found("capability=code"), ["other"]);
    assert.deepEqual(await found("max_price=10"), ["other"]);
    assert.deepEqual((await found("sort_by=base_price")).slice(0, 1), ["other"]);
    assert.deepEqual(await found("min_reputation=1"), []);
    const writers = await ann.good("GET", "/agents?capability=text");
    assert.ok(writers.every(({ capabilities }) => capabilities.includes("text")));
    const { json } = await ann.send("GET", "/agents?limit=1");
    const { cursor, has_more, total_count } = json.meta.pagination;
    assert.ok(has_more && total_count >= 2);
    const next = await ann.good("GET", `/agents?limit=1&cursor=${cursor}`);
    assert.notEqual(next[0].id, json.data[0].id);
    for (const query of ["min_price=x", "limit=-1", "sort_by=shoes", "cursor=x"]) {
      assert.equal(await ann.bad("GET", `/agents?${query}`), "422 VALIDATION_ERROR", query);
    }
    const capabilities = await ann.good("GET", "/capabilities");
    assert.ok(capabilities.some(({ name, agent_count }) => name === "text" && agent_count >= 1));
    const changed = await writer.good("PATCH", `/agents/${writer.id}`, { description: "Writes" });
    assert.equal(changed.description, "Writes");
    assert.equal(await other.bad("PATCH", `/agents/${writer.id}`, { description: "x" }), "403 FORBIDDEN");
  });

  test("S0-39 an agent is found online as soon as it is, and no longer than it is", async () => {
    const key = keys[0];
    const present = await agent(daemon.url, "present", { capabilities: ["presence"] }, key);
    keys.push(present.key);
    const found = async (online) => (await ann.good("GET", `/agents/discover?capability=presence${online}`))[0];
    assert.equal(await found("&online_only=true"), undefined);
    assert.equal((await found("")).availability_status, "offline");
    const [{ phoenix }] = clients;
    const params = { api_key: present.key };
    const socket = await connect(phoenix, "WebSocket", `${daemon.url}/socket/agent`, { params });
    const joined = await answer(socket.channel(`agent:${present.id}`, {}).join());
    assert.equal(joined[0], "ok");
    for (const online of ["&online_only=true", "&online=true"]) {
      assert.equal((await found(online)).availability_status, "available");
    }
    const { id } = await ann.good("POST", "/tasks", { provider_agent_id: present.id, capability: "presence" });
    await present.good("POST", `/tasks/${id}/chunk`, { content: "at it" });
    assert.equal((await found("&online_only=true")).availability_status, "busy");
    socket.disconnect();
    let seen;
    do seen = await found("&online=1");
    while (seen);
    assert.equal((await found("")).availability_status, "offline");
  });

  test("hiring is repeated safely with a key, in the body or as a header", async () => {
    const [first, again] = [
      await hiring(ann, { client_idempotency_key: "k1" }),
      await hiring(ann, { client_idempotency_key: "k1" }),
    ];
    assert.equal(again.id, first.id);
    const path = `/agents/${writer.id}/hire`;
    const asked = { task_description: "Another poem", client_idempotency_key: "k1" };
    assert.equal(await ann.bad("POST", path, asked), "422 IDEMPOTENCY_MISMATCH");
    const headers = { "x-api-key": ann.key, "idempotency-key": "k2", "content-type": "application/json" };
    const send = async () => {
      const body = JSON.stringify({ task_description: "x" });
      return (await http(daemon.url, `/api/v1${path}`, { method: "POST", headers, body })).json.data.hiring.id;
    };
    const ids = await Promise.all([send(), send(), send()]);
    assert.equal(new Set(ids).size, 1);
  });

  test("a hiring that failed is tried again", async () => {
    const made = await hiring();
    assert.equal(await ann.bad("POST", `/hirings/${made.id}/retry`), "409 CONFLICT");
    await writer.good("PUT", `/tasks/${made.task_id}/fail`, { error_reason: "tired" });
    assert.equal(await bob.bad("POST", `/hirings/${made.id}/retry`), "404 NOT_FOUND");
    const again = await ann.good("POST", `/hirings/${made.id}/retry`, { reason: "please" });
    assert.deepEqual([again.status, again.failed_reason], ["queued", undefined]);
    const { attempts } = await ann.good("GET", `/tasks/${again.task_id}/attempts`);
    assert.deepEqual(attempts.map(({ attempt, status }) => [attempt, status]), [[1, "failed"], [2, "pending"]]);
    const page = await ann.good("GET", "/hirings?limit=1&page=2");
    assert.deepEqual([page.hirings.length, page.page, page.per_page], [1, 2, 1]);
    assert.equal(page.total_pages, page.total);
  });

  test("bad hirings and tasks are refused", async () => {
    for (const [wrong, expected] of [
      [{ task_description: "" }, "422 VALIDATION_ERROR"],
      [{ task_description: 5 }, "422 VALIDATION_ERROR"],
      [{ price: "free" }, "422 VALIDATION_ERROR"],
      [{ delivery_mode: "pigeon" }, "422 VALIDATION_ERROR"],
      [{ repo_access_token: "ghp_x" }, "422 VALIDATION_ERROR"],
      [{ task_input: [1] }, "422 VALIDATION_ERROR"],
    ]) {
      const asked = { task_description: "x", ...wrong };
      assert.equal(await ann.bad("POST", `/agents/${writer.id}/hire`, asked), expected, JSON.stringify(wrong));
    }
    assert.equal(await ann.bad("POST", "/agents/did:example:nobody/hire", { task_description: "x" }), "404 NOT_FOUND");
    const [none, path, number] = [{}, { provider_agent_id: "a/b" }, { provider_agent_id: 5 }];
    for (const wrong of [none, path, number, { provider_agent_id: writer.id }]) {
      assert.equal(await ann.bad("POST", "/tasks", wrong), "422 VALIDATION_ERROR");
    }
    const resting = await agent(daemon.url, "resting", { status: "inactive" }, keys[0]);
    keys.push(resting.key);
    const asked = await ann.send("POST", `/agents/${resting.id}/hire`, { task_description: "x" });
    assert.deepEqual([asked.status, asked.json.errors[0].code], [503, "AGENT_UNAVAILABLE"]);
    assert.ok(asked.headers["retry-after"]);
  });

  test("what there is not is said in the envelope", async () => {
    for (const [method, path, expected] of [
      ["GET", "/nothing", "404 ROUTE_NOT_FOUND"],
      ["GET", "/tasks/a/b/c", "404 ROUTE_NOT_FOUND"],
      ["DELETE", "/tasks", "405 METHOD_NOT_ALLOWED"],
      ["POST", "/agents/discover", "405 METHOD_NOT_ALLOWED"],
      ["POST", "/ledger/deposit", "501 NOT_IMPLEMENTED"],
      ["GET", `/tasks/${NOWHERE}/payments`, "501 NOT_IMPLEMENTED"],
      ["POST", `/tasks/${NOWHERE}/dispute`, "501 NOT_IMPLEMENTED"],
      ["POST", "/uploads", "501 NOT_IMPLEMENTED"],
      ["GET", `/tasks/${NOWHERE}`, "404 NOT_FOUND"],
      ["GET", "/agents/nobody", "404 NOT_FOUND"],
    ]) {
      assert.equal(await ann.bad(method, path), expected, `${method} ${path}`);
    }
    const { total } = await ann.good("GET", "/ledger/balance");
    assert.equal(total, "0.00");
  });

  test("a body that is too large is refused, a large one is not", async () => {
    const { id } = await task();
    const large = { output: "a".repeat(2 * 1024 * 1024) };
    await writer.good("PUT", `/tasks/${id}/complete`, large);
    const huge = { output: "a".repeat(11 * 1024 * 1024) };
    assert.equal(await writer.bad("PUT", `/tasks/${id}/complete`, huge), "413 PAYLOAD_TOO_LARGE");
  });

  test("S0-10 no line of the log holds a key or token", () => {
    for (const { log } of [open, daemon]) {
      for (const key of keys) assert.ok(!log.some((line) => line.includes(key)));
    }
  });
});
