// API keys: every way to show one, what their scopes let through, and what ends with them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import feathers from "@feathersjs/client";
import { EventSource } from "eventsource";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const ANN = { email: "ann@example.com", password: "correct horse" };
const BOB = { email: "bob@example.com", password: "battery staple", role: "member" };
const EVE = { email: "eve@example.com", password: "open sesame", role: "viewer" };

/** A key that looks good and is nobody's. */
const WRONG = `ap_${"x".repeat(43)}`;

onEveryDatabase("API keys", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** Access tokens and ids of the people, by name. */
  const people = {};
  /** Everything that must never be logged, told or kept. */
  const secrets = [ANN, BOB, EVE].map(({ password }) => password);
  before(async () => {
    const args = ["--auth", "required", "--token-secs", "600"];
    // Whatever libraries say of what passes through them.
    daemon = await Daemon.start(database, { args, env: { LOG: "trace" } });
    for (const [name, user] of Object.entries({ ann: ANN, bob: BOB, eve: EVE })) {
      assert.equal((await rest("POST", "/users", user, people.ann?.token)).status, 201);
      const { body } = await rest("POST", "/authentication", { strategy: "local", ...user });
      people[name] = { token: body.accessToken, id: body.user.user_id };
      secrets.push(body.accessToken, body.refreshToken);
    }
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** A REST call with a token or key, or with headers; the status and the JSON. */
  async function rest(method, path, data, shown) {
    const headers = typeof shown === "string" ? { authorization: `Bearer ${shown}` } : { ...shown };
    if (data) headers["content-type"] = "application/json";
    const response = await fetch(daemon.url + path, { method, headers, body: data && JSON.stringify(data) });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  }

  /** A new key of somebody's. */
  async function make(name, data = {}) {
    const { status, body } = await rest("POST", "/api-keys", { name: "test", ...data }, people[name].token);
    assert.equal(status, 201, JSON.stringify(body));
    assert.match(body.key, /^ap_[\w-]{43}$/);
    assert.equal(body.prefix, body.key.slice(0, 9));
    secrets.push(body.key);
    return body;
  }

  const revoke = ({ id }) => rest("DELETE", `/api-keys/${id}`, null, people.ann.token);

  /** A Feathers client over a socket, and all that it hears. */
  function client(auth, options = {}) {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, auth, ...options });
    keep(() => socket.off("disconnect").close());
    const app = feathers().configure(feathers.socketio(socket)).configure(feathers.authentication());
    const heard = [];
    socket.onAny((event) => heard.push(event));
    return { app, socket, heard };
  }

  /** A WebSocket stream that is open. */
  async function stream(key) {
    const stream = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream?token=${key}`);
    keep(() => stream.terminate());
    await soon(once(stream, "open"), "the stream opens");
    return stream;
  }

  /** An event stream that is open. */
  async function events(key) {
    const source = new EventSource(`${daemon.url}/events?since=0&token=${key}`);
    keep(() => source.close());
    await soon(once(source, "message"), "the log comes");
    return source;
  }

  const refused = (code, message) => (error) => {
    assert.deepEqual([error.code, error.message], [code, message]);
    return true;
  };

  test("a key lets in, however it is shown", async () => {
    const { key, user_id } = await make("bob");
    for (const headers of [
      { "x-api-key": key },
      { "api-key": key },
      { "x-dashboard-token": key },
      { authorization: `Bearer ${key}` },
      { authorization: key },
    ]) {
      assert.equal((await rest("GET", "/boards", null, headers)).status, 200, JSON.stringify(headers));
      assert.equal((await rest("GET", "/auth/verify", null, headers)).status, 204);
    }
    assert.equal((await rest("GET", `/boards?token=${key}`)).status, 200);
    assert.equal((await rest("GET", "/auth/verify", null, { "x-original-uri": `/x?token=${key}` })).status, 204);
    for (const [auth, options] of [
      [{ token: key }],
      [{ api_key: key }],
      [{}, { extraHeaders: { "x-api-key": key } }],
      [{}, { extraHeaders: { authorization: `Bearer ${key}` } }],
    ]) {
      const { app, heard } = client(auth, options);
      const { created_by } = await app.service("sessions").create({});
      assert.equal(created_by ?? user_id, user_id);
      assert.deepEqual(heard, ["sessions created"]);
    }
    await stream(key);
    await events(key);
  });

  test("Feathers' client logs in with a key, comes back with it and logs out", async () => {
    const { key, user_id, id } = await make("bob");
    const { app, socket } = client({}, { reconnectionDelay: 10 });
    const login = await app.authenticate({ strategy: "apiKey", apiKey: key });
    assert.deepEqual([login.accessToken, login.user.user_id], [key, user_id]);
    const payload = { sub: user_id, jti: id, scopes: ["write"] };
    assert.deepEqual(login.authentication, { strategy: "apiKey", payload });
    await app.service("boards").find();
    const again = new Promise((resolve) => socket.io.once("reconnect", resolve));
    socket.io.engine.close();
    await soon(again, "the client reconnects");
    await app.service("boards").find();
    assert.equal((await app.logout()).user.user_id, user_id);
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));

    const over = feathers().configure(feathers.rest(daemon.url).fetch(fetch)).configure(feathers.authentication());
    await over.authenticate({ strategy: "apiKey", apiKey: key });
    await over.service("boards").find();
  });

  test("a wrong key is refused like a wrong token", async () => {
    const header = await rest("GET", "/boards", null, { "x-api-key": "rubbish" });
    assert.deepEqual([header.status, header.body.message], [401, "Invalid API key"]);
    assert.equal((await rest("GET", "/boards", null, WRONG)).status, 401);
    assert.equal((await rest("GET", `/boards?token=${WRONG}`)).status, 401);
    assert.equal((await rest("GET", "/auth/verify", null, { "api-key": WRONG })).status, 401);
    for (const [data, message] of [
      [{ strategy: "apiKey" }, "No API key"],
      [{ strategy: "apiKey", apiKey: { $ne: "" } }, "No API key"],
      [{ strategy: "apiKey", apiKey: WRONG }, "Invalid API key"],
      [{ strategy: "apiKey", apiKey: people.bob.token }, "Invalid API key"],
      [{ strategy: "jwt", accessToken: WRONG }, "Invalid API key"],
    ]) {
      const { status, body } = await rest("POST", "/authentication", data);
      assert.deepEqual([status, body.message], [401, message]);
    }
    const { socket } = client({ api_key: WRONG }, { reconnection: false });
    const [error] = await soon(once(socket, "connect_error"), "a refusal");
    assert.equal(error.message, "Invalid API key");
  });

  test("a key's scopes take away from what its user may, and add nothing", async () => {
    const board = async (key) => (await rest("POST", "/boards", { name: "x" }, key)).status;
    const read = await make("ann", { scopes: ["read"] });
    const write = await make("ann", { scopes: ["read", "write"] });
    const admin = await make("ann", { scopes: ["admin"] });
    const eves = await make("eve", { scopes: ["admin"] });
    assert.deepEqual(await Promise.all([read, write, admin, eves].map(({ key }) => board(key))), [403, 201, 201, 403]);
    assert.equal((await rest("GET", "/boards", null, read.key)).status, 200);
    const { body } = await rest("POST", "/boards", {}, read.key);
    assert.equal(body.message, "An API key needs the scope `write` for this");

    // A private board of somebody else's is seen by admins only.
    const secret = await rest("POST", "/boards", { name: "s", visibility: "private" }, people.bob.token);
    const sees = async (key) => (await rest("GET", `/boards/${secret.body.board_id}`, null, key)).status;
    assert.deepEqual(await Promise.all([read, write, admin].map(({ key }) => sees(key))), [404, 404, 200]);

    // What is less than a login gets no login out of its user.
    const own = `/users/${people.ann.id}`;
    for (const { key } of [read, write]) {
      for (const [method, path, data] of [
        ["PATCH", own, { password: "stolen" }],
        ["PATCH", own, { email: "mallory@example.com" }],
        ["POST", "/users", { email: "mallory@example.com", password: "x" }],
        ["POST", "/api-keys", { name: "more", scopes: ["admin"] }],
        ["PATCH", `/api-keys/${admin.id}`, { name: "mine" }],
        ["DELETE", `/api-keys/${admin.id}`],
      ]) {
        assert.equal((await rest(method, path, data, key)).status, 403, `${method} ${path}`);
      }
    }
    const made = await rest("POST", "/api-keys", { name: "by a key", scopes: ["read"] }, admin.key);
    assert.equal(made.status, 201);
    secrets.push(made.body.key);
    // Who is demoted takes the keys along.
    assert.equal((await rest("PATCH", `/users/${people.bob.id}`, { role: "viewer" }, admin.key)).status, 200);
    const bobs = await make("bob", { scopes: ["admin"] });
    assert.equal(await board(bobs.key), 403);
    await rest("PATCH", `/users/${people.bob.id}`, { role: "member" }, admin.key);
    assert.equal(await board(bobs.key), 201);
  });

  test("keys are listed without the key, to their user and to admins", async () => {
    const mine = await make("bob", { name: "mine", expires_at: "2999-01-01T00:00:00.000Z" });
    const annes = await make("ann", { name: "hers" });
    const list = async (name) => (await rest("GET", "/api-keys?$limit=1000", null, people[name].token)).body.data;
    const bobs = await list("bob");
    assert.ok(bobs.every(({ user_id }) => user_id === people.bob.id));
    const { key, ...told } = mine;
    assert.deepEqual(bobs.find(({ id }) => id === mine.id), told);
    assert.deepEqual(Object.keys(told), ["id", "name", "prefix", "user_id", "scopes", "created_at", "expires_at"]);
    const ids = (await list("ann")).map(({ id }) => id);
    assert.ok(ids.includes(mine.id) && ids.includes(annes.id));

    for (const [method, data] of [["GET"], ["PATCH", { name: "x" }], ["PUT", { name: "x" }], ["DELETE"]]) {
      const { status } = await rest(method, `/api-keys/${annes.id}`, data, people.bob.token);
      assert.equal(status, 404, method);
    }
    await rest("GET", "/boards", null, key);
    // Nobody waits for the note of that use, but what is written later is written behind it.
    await make("bob", { name: "later" });
    const read = await rest("GET", `/api-keys/${mine.id}`, null, people.bob.token);
    const { last_used_at, ...rested } = read.body;
    assert.deepEqual(rested, told);
    assert.ok(Date.parse(last_used_at) >= Date.parse(told.created_at));
  });

  test("what is no key is refused with a reason", async () => {
    const { id } = await make("bob", { name: "named" });
    const invalid = [
      [{ name: "" }, 400],
      [{ name: "x".repeat(201) }, 400],
      [{ scopes: [] }, 400],
      [{ scopes: ["root"] }, 400],
      [{ scopes: "write" }, 400],
      [{ expires_at: "2001-01-01" }, 400],
      [{ expires_at: "soon" }, 400],
      [{ expires_at: 5 }, 400],
      [{ user_id: people.ann.id }, 403],
      [{ user_id: "nobody" }, 403],
      [{ agent_id: "nobody" }, 400],
    ];
    for (const [data, expected] of invalid) {
      const { status, body } = await rest("POST", "/api-keys", { name: "x", ...data }, people.bob.token);
      assert.equal(status, expected, JSON.stringify(body));
    }
    assert.equal((await rest("POST", "/api-keys", [{ name: "x" }], people.bob.token)).status, 405);
    assert.equal((await rest("POST", "/api-keys", { name: "x" })).status, 401);
    assert.equal((await rest("POST", "/api-keys", { name: "x", user_id: "no" }, people.ann.token)).status, 400);
    // Whatever a client sends of what is the daemon's.
    const sent = { digest: "d", prefix: "p", id: "i", key: WRONG, last_used_at: "2001-01-01" };
    const made = await make("bob", sent);
    assert.ok(made.id !== "i" && made.key !== WRONG && !("last_used_at" in made));

    const path = `/api-keys/${id}`;
    assert.equal((await rest("PATCH", path, { name: "renamed" }, people.bob.token)).body.name, "renamed");
    for (const change of [{ scopes: ["admin"] }, { user_id: people.ann.id }, { expires_at: null }, { prefix: "x" }]) {
      const { status } = await rest("PATCH", path, change, people.bob.token);
      assert.equal(status, "expires_at" in change ? 200 : 400, JSON.stringify(change));
    }
    const { body: whole } = await rest("GET", path, null, people.bob.token);
    assert.equal((await rest("PUT", path, { ...whole, name: "again" }, people.bob.token)).body.name, "again");
  });

  test("only its user hears of a key", async () => {
    const [ann, bob, eve] = ["ann", "bob", "eve"].map((name) => client({ token: people[name].token }));
    for (const { app } of [ann, bob, eve]) await app.service("health").find();
    const { id } = await make("bob");
    await rest("PATCH", `/api-keys/${id}`, { name: "x" }, people.bob.token);
    await revoke({ id });
    await ann.app.service("boards").create({});
    for (const { app } of [bob, eve]) await app.service("health").find();
    assert.deepEqual(ann.heard, ["boards created"]);
    assert.deepEqual(eve.heard, ["boards created"]);
    const told = ["created", "patched", "removed"].map((name) => `api-keys ${name}`);
    assert.deepEqual(bob.heard, [...told, "boards created"]);
  });

  /** What a key has open, each way: nothing of it is left once `end` has ended the key. */
  async function losesAll(key, end) {
    const { app, heard } = client({ api_key: key });
    await app.service("boards").find();
    const plain = await stream(key);
    const closed = once(plain, "close");
    const source = await events(key);
    const failed = new Promise((resolve) => {
      source.addEventListener("error", ({ code }) => code === 401 && resolve(code));
    });
    await end();
    const [code, reason] = await soon(closed, "the stream ends");
    assert.deepEqual([code, `${reason}`], [1008, "the login has ended"]);
    await soon(failed, "the event stream ends and is refused");
    heard.length = 0;
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
    await rest("POST", "/boards", { name: "later" }, people.ann.token);
    await app.service("health").find();
    assert.deepEqual(heard, []);
    assert.equal((await rest("GET", "/boards", null, key)).status, 401);
  }

  test("who holds a key that is revoked loses everything at once", async () => {
    const key = await make("bob");
    await losesAll(key.key, async () => assert.equal((await revoke(key)).status, 200));
    assert.equal((await rest("GET", `/api-keys/${key.id}`, null, people.bob.token)).status, 404);
  });

  test("who holds a key that expires loses everything then", async () => {
    const expires_at = new Date(Date.now() + 2_000).toISOString();
    const { key, id } = await make("bob", { expires_at });
    await losesAll(key, () => {});
    const { body } = await rest("GET", "/boards", null, key);
    assert.equal(body.message, "The API key has expired");
    assert.equal((await rest("GET", `/api-keys/${id}`, null, people.bob.token)).status, 200, "it is listed still");
  });

  test("a removed user's keys are gone", async () => {
    const mallory = { email: "mallory@example.com", password: "x1", role: "member" };
    const { body: user } = await rest("POST", "/users", mallory, people.ann.token);
    const { body } = await rest("POST", "/api-keys", { name: "m", user_id: user.user_id }, people.ann.token);
    secrets.push(body.key);
    assert.equal((await rest("GET", "/boards", null, body.key)).status, 200);
    await losesAll(body.key, () => rest("DELETE", `/users/${user.user_id}`, null, people.ann.token));
    assert.equal((await rest("GET", `/api-keys/${body.id}`, null, people.ann.token)).status, 404);
  });

  test("what was revoked stays so after a restart, and what was not is good", async () => {
    const [good, bad] = [await make("bob"), await make("bob")];
    await revoke(bad);
    const log = daemon.log;
    await daemon.restart();
    daemon.log.unshift(...log);
    assert.equal((await rest("GET", "/boards", null, good.key)).status, 200);
    assert.equal((await rest("GET", "/boards", null, bad.key)).status, 401);
  });

  test("no log line holds a key, a token or a password, and no event does", async () => {
    const told = [];
    const source = new EventSource(`${daemon.url}/events?since=0&token=${people.bob.token}`);
    keep(() => source.close());
    const all = new Promise((resolve) => {
      source.addEventListener("message", ({ data }) => {
        told.push(data);
        if (data.includes("the marker")) resolve();
      });
    });
    await rest("POST", "/boards", { name: "the marker" }, people.bob.token);
    await soon(all, "the whole log comes");
    assert.ok(told.some((data) => data.includes("api-keys")));
    const socket = client({ token: people.bob.token }).socket;
    const { key } = await call(socket, "create", "api-keys", { name: "by socket" }, {});
    await call(socket, "create", "authentication", { strategy: "apiKey", apiKey: key }, {});
    await call(socket, "create", "authentication", { strategy: "local", ...BOB }, {});
    secrets.push(key);
    assert.ok(daemon.log.some((line) => line.includes("TRACE")), "the log says all there is to say");
    for (const line of [...daemon.log, ...told]) {
      for (const secret of secrets) assert.ok(!line.includes(secret), line);
    }
  });
});
