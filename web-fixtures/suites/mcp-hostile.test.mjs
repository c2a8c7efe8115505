// MCP's endpoints against who has no key, sends rubbish, asks for others' sessions, or does not leave.

import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { after, before, test } from "node:test";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase, sqlite } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { connect, Events, HEADERS, hello, messages, NEWEST, post, request, session, tool } from "../support/mcp.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const WRONG = `ap_${"x".repeat(43)}`;
const UNKNOWN = "0192abcd-0000-4000-8000-000000000000";

onEveryDatabase("MCP and its enemies", (database) => {
  /** @type {Daemon} */
  let daemon;
  const keys = {};
  const revoke = {};
  before(async () => {
    // Whatever libraries say of what passes through them; one megabyte at most.
    const args = ["--auth", "required", "--max-message", "1000000"];
    daemon = await Daemon.start(database, { args, env: { LOG: "trace,rmcp=trace" }, forgives: /"target":"rmcp/ });
    const people = await register(daemon.url, ["ann", "bob"]);
    for (const [name, { token }] of Object.entries(people)) {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
      keys[name] = async () => {
        const body = JSON.stringify({ name: "mcp", scopes: ["admin"] });
        const made = await (await fetch(`${daemon.url}/api-keys`, { method: "POST", headers, body })).json();
        revoke[made.key] = () => fetch(`${daemon.url}/api-keys/${made.id}`, { method: "DELETE", headers });
        return made.key;
      };
    }
  });
  after(async () => {
    await closeAll();
    const secrets = Object.keys(revoke);
    for (const line of daemon.log) for (const secret of secrets) assert.ok(!line.includes(secret), "no key is logged");
    await daemon.stop();
  });

  const as = (key) => ({ "x-api-key": key });
  /** Opens the older transport; its stream, and where to post. */
  async function legacy(key) {
    const events = await Events.open(daemon.url, "/mcp/sse", as(key));
    assert.equal(events.status, 200);
    return { events, path: (await events.next("endpoint")).data };
  }

  /** What all refusals have. */
  function refused({ status, json, headers }, expected, code = -32000) {
    assert.equal(status, expected);
    assert.deepEqual([json.jsonrpc, json.id, json.error.code, json.error.data.code], ["2.0", null, code, expected]);
    assert.ok(json.error.message);
    assert.equal(headers["www-authenticate"], expected === 401 ? "Bearer" : undefined);
  }

  test("nobody comes in without a key that is good", async () => {
    for (const headers of [{}, as(WRONG), { authorization: "Bearer nonsense" }, { authorization: `Bearer ${WRONG}` }]) {
      refused(await post(daemon.url, hello(), headers), 401);
      refused(await http(daemon.url, "/mcp", { headers: { ...headers, accept: "text/event-stream" } }), 401);
      refused(await http(daemon.url, "/mcp", { method: "DELETE", headers }), 401);
      refused(await http(daemon.url, "/mcp/sse", { headers }), 401);
      refused(await post(daemon.url, hello(), headers, `/mcp/messages/${UNKNOWN}`), 401);
    }
  });

  test("a key comes in whichever way it is sent", async () => {
    const key = await keys.ann();
    for (const headers of [as(key), { "api-key": key }, { authorization: `Bearer ${key}` }]) {
      await session(daemon.url, headers);
      const stream = await Events.open(daemon.url, "/mcp/sse", headers);
      await stream.next("endpoint");
    }
    assert.equal((await post(daemon.url, hello(), {}, `/mcp?token=${key}`)).status, 200);
    const stream = await Events.open(daemon.url, `/mcp/sse?token=${key}`);
    // Where messages go to says nothing of the key.
    assert.match((await stream.next("endpoint")).data, /^\/mcp\/messages\/[0-9a-f-]{36}$/);
  });

  test("foreign pages and names are refused", async () => {
    const key = as(await keys.ann());
    for (const foreign of [{ host: "evil.example" }, { origin: "http://evil.example" }]) {
      for (const path of ["/mcp", "/mcp/sse", `/mcp/messages/${UNKNOWN}`]) {
        const answer = await post(daemon.url, hello(), { ...key, ...foreign }, path);
        assert.equal(answer.status, 403);
      }
    }
  });

  test("what is no message is refused with a reason, and harms nobody", async () => {
    const key = as(await keys.ann());
    const { events, path } = await legacy(key["x-api-key"]);
    const paths = ["/mcp", path];
    for (const to of paths) {
      for (const body of ["", "{", "nonsense", '{"jsonrpc":"2.0",', "\u0000", Buffer.from([0xff, 0xfe])]) {
        refused(await post(daemon.url, body, key, to), 400, -32700);
      }
      for (const body of ["[]", "7", "null", '"text"', "{}", '{"jsonrpc":"1.0","id":1,"method":"ping"}', '{"jsonrpc":"2.0"}']) {
        refused(await post(daemon.url, body, key, to), 400, -32600);
      }
      const large = hello();
      large.params.clientInfo.name = "x".repeat(2_000_000);
      refused(await post(daemon.url, large, key, to), 413);
      refused(await post(daemon.url, [JSON.stringify(large).slice(0, 1_500_000)].join(""), key, to), 413);
    }
    const plain = { ...key, "content-type": "text/plain" };
    assert.equal((await post(daemon.url, hello(), plain)).status, 415);
    assert.equal((await post(daemon.url, hello(), { ...key, accept: "application/json" })).status, 406);
    assert.equal((await http(daemon.url, "/mcp", { method: "PUT", headers: { ...HEADERS, ...key } })).status, 405);
    // The older session is as it was.
    await post(daemon.url, hello("2024-11-05"), key, path);
    const { result } = JSON.parse((await events.next("message")).data);
    assert.equal(result.protocolVersion, "2024-11-05");
  });

  test("rubbish in a call is answered, and the session goes on", async () => {
    const key = as(await keys.ann());
    const headers = { ...key, "mcp-session-id": await session(daemon.url, key) };
    const ask = async (method, params) => messages((await post(daemon.url, request(method, params), headers)).text)[0];
    for (const [method, params, code] of [
      ["no/such/method", {}, -32601],
      ["prompts/list", {}, -32601],
      ["resources/read", { uri: "hiring://pending" }, -32002],
      ["resources/read", { uri: "file:///etc/passwd" }, -32002],
      ["resources/read", {}, -32601],
      ["resources/subscribe", { uri: "hiring://pending" }, -32002],
      ["completion/complete", { ref: { type: "ref/prompt", name: "x" }, argument: { name: "a", value: "" } }, -32601],
      ["tools/call", { name: "no_such_tool" }, -32602],
    ]) {
      const { error } = await ask(method, params);
      assert.equal(error?.code, code, `${method}: ${JSON.stringify(error)}`);
    }
    for (const params of [{}, { name: 7 }, { name: "get_board", arguments: "text" }, { name: "get_board", arguments: [] }]) {
      assert.ok((await ask("tools/call", params)).error, JSON.stringify(params));
    }
    const deep = '{"board_id":'.repeat(100) + "1" + "}".repeat(100);
    assert.equal((await ask("tools/call", { name: "get_board", arguments: JSON.parse(deep) })).result.isError, true);
    assert.deepEqual((await ask("ping", {})).result, {});
  });

  test("a session is its opener's: nobody else posts to it, hears it or ends it", async () => {
    const [ann, bob] = [as(await keys.ann()), as(await keys.bob())];
    const id = await session(daemon.url, ann);
    const other = as(await keys.ann());
    for (const foreign of [bob, other]) {
      const headers = { ...foreign, "mcp-session-id": id };
      refused(await post(daemon.url, request("tools/list"), headers), 404);
      const stream = { ...headers, accept: "text/event-stream" };
      refused(await http(daemon.url, "/mcp", { headers: stream }), 404);
      refused(await http(daemon.url, "/mcp", { method: "DELETE", headers }), 404);
    }
    const own = await post(daemon.url, request("tools/list"), { ...ann, "mcp-session-id": id });
    assert.equal(own.status, 200);
    // So with the older transport.
    const { events, path } = await legacy(ann["x-api-key"]);
    for (const foreign of [bob, other]) refused(await post(daemon.url, hello(), foreign, path), 404);
    refused(await post(daemon.url, hello(), {}, path), 401);
    assert.equal((await post(daemon.url, hello("2024-11-05"), ann, path)).status, 202);
    await events.next("message");
  });

  test("a session that is not there, or no more, is 404", async () => {
    const key = as(await keys.ann());
    const unknown = { ...key, "mcp-session-id": UNKNOWN };
    assert.equal((await post(daemon.url, request("tools/list"), unknown)).status, 404);
    refused(await post(daemon.url, hello(), key, `/mcp/messages/${UNKNOWN}`), 404);
    const headers = { ...key, "mcp-session-id": await session(daemon.url, key) };
    const stream = await Events.open(daemon.url, "/mcp", headers);
    assert.equal((await http(daemon.url, "/mcp", { method: "DELETE", headers })).status, 202);
    await soon(stream.ended, "its stream ends");
    assert.equal((await post(daemon.url, request("tools/list"), headers)).status, 404);
  });

  test("the older session ends with its stream", async () => {
    const key = as(await keys.ann());
    const { events, path } = await legacy(key["x-api-key"]);
    assert.equal((await post(daemon.url, hello("2024-11-05"), key, path)).status, 202);
    events.close();
    let status;
    do ({ status } = await post(daemon.url, request("ping"), key, path));
    while (status === 202);
    assert.equal(status, 404);
  });

  test("who asks over the older transport and does not read is refused more, and has every answer when it reads", async () => {
    const key = await keys.ann();
    const reader = connectTcp(daemon.port);
    keep(() => reader.destroy());
    let text = "";
    reader.setEncoding("utf8").on("data", (part) => void (text += part));
    reader.write(`GET /mcp/sse HTTP/1.1\r\nhost: 127.0.0.1:${daemon.port}\r\nx-api-key: ${key}\r\n\r\n`);
    await until(() => /data: (\S+)/.test(text), "the endpoint comes");
    const [, path] = /data: (\S+)/.exec(text);
    await post(daemon.url, hello("2024-11-05"), as(key), path);
    await post(daemon.url, { jsonrpc: "2.0", method: "notifications/initialized" }, as(key), path);
    await until(() => text.includes("protocolVersion"), "the hello is answered");
    reader.pause();
    let [asked, answer] = [0, { status: 202 }];
    while (answer.status === 202 && asked < 5_000) {
      answer = await post(daemon.url, request("tools/list", {}, `ask-${++asked}`), as(key), path);
    }
    refused(answer, 429);
    reader.resume();
    await until(() => text.includes(`"ask-${asked - 1}"`), "the last answer comes");
    assert.deepEqual(new Set(text.match(/"ask-\d+"/g)).size, asked - 1);
    assert.equal((await post(daemon.url, request("ping", {}, "again"), as(key), path)).status, 202);
    await until(() => text.includes('"again"'), "it goes on");
  });

  test("what was asked in the middle of an end is done, and the daemon serves others", async () => {
    const key = as(await keys.ann());
    const made = await fetch(`${daemon.url}/boards`, { method: "POST", headers: { ...HEADERS, ...key }, body: '{"name":"x"}' });
    const { board_id } = await made.json();
    const call = request("tools/call", { name: "get_board", arguments: { board_id } });
    for (let round = 0; round < 10; round++) {
      const headers = { ...key, "mcp-session-id": await session(daemon.url, key) };
      const asked = Array.from({ length: 10 }, () => post(daemon.url, call, headers));
      const ended = http(daemon.url, "/mcp", { method: "DELETE", headers });
      // Answered, cut short or too late, but never left alone.
      for (const { status } of await Promise.all(asked)) assert.ok([200, 404, 500].includes(status), `${status}`);
      assert.equal((await ended).status, 202);
    }
    const client = await connect(daemon.url, "2025-11-25", key["x-api-key"]);
    assert.equal((await tool(client, "get_board", { board_id })).answer.board_id, board_id);
  });

  test("a revoked key ends its sessions and their streams, and no others", async () => {
    const [gone, stays] = [await keys.ann(), await keys.ann()];
    const streams = {};
    for (const key of [gone, stays]) {
      const headers = { ...as(key), "mcp-session-id": await session(daemon.url, as(key)) };
      streams[key] = { headers, common: await Events.open(daemon.url, "/mcp", headers), older: await legacy(key) };
    }
    assert.equal((await revoke[gone]()).status, 200);
    await soon(Promise.all([streams[gone].common.ended, streams[gone].older.events.ended]), "its streams end");
    refused(await post(daemon.url, request("ping"), streams[gone].headers), 401);
    const { headers, common, older } = streams[stays];
    assert.equal((await post(daemon.url, request("ping"), headers)).status, 200);
    assert.equal((await post(daemon.url, hello("2024-11-05"), as(stays), older.path)).status, 202);
    await older.events.next("message");
    assert.ok(!common.over && !older.events.over);
  });

  test("one login opens so many sessions, and others still theirs", async () => {
    const greedy = as(await keys.bob());
    const ids = [];
    let answer;
    for (;;) {
      answer = await post(daemon.url, hello(), greedy);
      if (answer.status !== 200) break;
      ids.push(answer.headers["mcp-session-id"]);
    }
    refused(answer, 429);
    assert.equal(answer.headers["retry-after"], "60");
    assert.equal(ids.length, 128);
    await session(daemon.url, as(await keys.ann()));
    const headers = { ...greedy, "mcp-session-id": ids[0] };
    assert.equal((await http(daemon.url, "/mcp", { method: "DELETE", headers })).status, 202);
    assert.equal((await post(daemon.url, hello(), greedy)).status, 200);
  });

  test("the daemon stops promptly, whatever is open, and says goodbye", async () => {
    const args = ["--auth", "required", "--drain-secs", "60"];
    const stopping = await Daemon.start(sqlite, { args });
    const [{ token }] = Object.values(await register(stopping.url, ["ann"]));
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const made = await fetch(`${stopping.url}/api-keys`, { method: "POST", headers, body: '{"name":"mcp"}' });
    const key = as((await made.json()).key);
    const opened = { ...key, "mcp-session-id": await session(stopping.url, key) };
    const streams = [await Events.open(stopping.url, "/mcp", opened), await Events.open(stopping.url, "/mcp/sse", key)];
    const { data: path } = await streams[1].next("endpoint");
    await post(stopping.url, hello("2024-11-05"), key, path);
    await streams[1].next("message");
    const idle = await Events.open(stopping.url, "/mcp/sse", key);
    await Promise.all([soon(Promise.all([...streams, idle].map(({ ended }) => ended)), "streams end"), stopping.stop()]);
  });
});

test("a call that waits for ever holds up no stop, on either kind of session", async () => {
  const daemon = await Daemon.start(sqlite, { binary: CONFORMANCE, args: ["--drain-secs", "60"] });
  // It asks the client, who does not answer.
  const call = request("tools/call", { name: "test_sampling", arguments: { prompt: "?" } });
  const greeting = hello();
  greeting.params.capabilities.sampling = {};
  const opened = await post(daemon.url, greeting, {}, "/fixtures/mcp");
  const headers = { ...HEADERS, "mcp-session-id": opened.headers["mcp-session-id"] };
  const waiting = await fetch(`${daemon.url}/fixtures/mcp`, { method: "POST", headers, body: JSON.stringify(call) });
  assert.equal(waiting.status, 200);
  const meta = { "io.modelcontextprotocol/protocolVersion": NEWEST, "io.modelcontextprotocol/clientCapabilities": {} };
  const listen = request("subscriptions/listen", { notifications: { resourceSubscriptions: ["test://watched-resource"] }, _meta: meta });
  const modern = { ...HEADERS, "mcp-protocol-version": NEWEST, "mcp-method": "subscriptions/listen" };
  const listening = await fetch(`${daemon.url}/fixtures/mcp`, { method: "POST", headers: modern, body: JSON.stringify(listen) });
  assert.equal(listening.status, 200);
  const ended = [waiting, listening].map((response) => response.text().catch(() => ""));
  await Promise.all([soon(Promise.all(ended), "streams end"), daemon.stop()]);
  const [asked, acknowledged] = await Promise.all(ended);
  assert.match(asked, /sampling\/createMessage/);
  assert.match(acknowledged, /subscriptions\/acknowledged/);
});

test("an open daemon serves everybody on this machine, but the older transport to who has a key only", async () => {
  const daemon = await Daemon.start(sqlite);
  try {
    await session(daemon.url);
    const page = await post(daemon.url, hello(), { origin: "http://localhost:5173" });
    const allowed = ["access-control-allow-origin", "access-control-expose-headers"].map((name) => page.headers[name]);
    assert.deepEqual(allowed, ["http://localhost:5173", "mcp-session-id"]);
    for (const headers of [{}, { "x-api-key": WRONG }]) {
      const answer = await http(daemon.url, "/mcp/sse", { headers });
      assert.deepEqual([answer.status, answer.headers["www-authenticate"]], [401, "Bearer"]);
      assert.match(answer.json.error.message, /API key/);
    }
    const described = await (await fetch(daemon.url)).json();
    assert.deepEqual(described.protocols.mcp, { http: "/mcp", sse: "/mcp/sse" });
  } finally {
    await closeAll();
    await daemon.stop();
  }
});

test("S0-11 the older transport as a client in Elixir uses it: stream, hello, call, each answer over the stream", async () => {
  const daemon = await Daemon.start(sqlite);
  try {
    const user = { email: "ann@example.com", password: "correct horse" };
    const send = (path, data, headers = {}) =>
      http(daemon.url, path, { method: "POST", headers: { ...HEADERS, ...headers }, body: JSON.stringify(data) });
    await send("/users", user);
    const { json: login } = await send("/authentication", { strategy: "local", ...user });
    const { json: made } = await send("/api-keys", { name: "mcp" }, { authorization: `Bearer ${login.accessToken}` });
    const key = { "x-api-key": made.key };
    const events = await Events.open(daemon.url, "/mcp/sse", key);
    assert.equal(events.headers.get("content-type"), "text/event-stream");
    const { data: path } = await events.next("endpoint");
    const only = { "content-type": "application/json", ...key };
    assert.equal((await http(daemon.url, path, { method: "POST", headers: only, body: JSON.stringify(hello("2024-11-05")) })).status, 202);
    const answer = JSON.parse((await events.next("message")).data);
    assert.deepEqual([answer.id, answer.result.protocolVersion], [1, "2024-11-05"]);
    await send(path, { jsonrpc: "2.0", method: "notifications/initialized" }, key);
    await send(path, request("tools/call", { name: "list_boards", arguments: {} }, 2), key);
    const called = JSON.parse((await events.next("message", 2)).data);
    assert.equal(called.id, 2);
    assert.deepEqual(Object.keys(called.result), ["content", "isError"]);
    assert.equal(called.result.content.length, 1);
    assert.equal(JSON.parse(called.result.content[0].text).total, 1);
  } finally {
    await closeAll();
    await daemon.stop();
  }
});
