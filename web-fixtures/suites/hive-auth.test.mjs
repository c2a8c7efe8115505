// Who may watch Hive's streams: the first frame says who it is, and its token what may be watched.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { rest } from "../support/agrenting.mjs";
import { roost } from "../support/command.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, hiveUrl } from "../support/hive.mjs";
import { register } from "../support/people.mjs";
import { closeAll, until } from "../support/wait.mjs";

const SECRET = "a secret that only issuers of tokens know";
const now = () => Math.floor(Date.now() / 1000);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token as any library makes it. */
function sign(claims, { secret = SECRET, alg = "HS256", typ = "JWT" } = {}) {
  const signed = `${part({ alg, typ })}.${part(claims)}`;
  const hash = { HS256: "sha256", HS512: "sha512" }[alg];
  return `${signed}.${hash ? createHmac(hash, secret).update(signed).digest("base64url") : ""}`;
}

onEveryDatabase("Hive where callers log in", (database) => {
  /** @type {Daemon} */
  let daemon;
  let url;
  let people;
  let admin;
  before(async () => {
    const env = { HIVE_SECRET: SECRET, CALLS_PER_SEC: "0" };
    daemon = await Daemon.start(database, { args: ["--auth", "required", "--hive-listen", "127.0.0.1:0"], env });
    url = hiveUrl(daemon);
    people = await register(daemon.url, ["admin", "ann", "bob", "eve"]);
    admin = rest(daemon.url, people.admin.token);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const claims = (name, more = {}) => ({ user_id: people[name].id, streams: ["*"], exp: now() + 3_600, ...more });
  const token = (name, more, options) => sign(claims(name, more), options);
  /** Sends a first frame. */
  async function greet(frame) {
    const watcher = await Watcher.open(url);
    watcher.send(frame);
    return watcher;
  }
  async function enter(name, more) {
    const watcher = await greet({ action: "auth", token: token(name, more) });
    await until(() => watcher.frames.length === 2, `${name} is let in`);
    return watcher;
  }
  const told = (stream_id, data = {}) => admin.post("/hive/events", { type: "custom", stream_id, data });

  test("S4-29 who says first who they are is let in, and then welcomed", async () => {
    const watcher = await enter("ann");
    assert.deepEqual(watcher.frames.map(({ type }) => type), ["authenticated", "connected"]);
    await watcher.subscribe({ stream_id: "s" });
    await told("s");
    await watcher.has(1);
    // Another token does no harm, and changes nothing.
    assert.deepEqual(await watcher.ask({ action: "auth", token: "rubbish" }), { type: "error", message: "Auth failed: Invalid token" });
    assert.deepEqual(await watcher.ask({ action: "auth", token: token("bob", { streams: [] }) }), { type: "authenticated" });
    await told("s");
    await watcher.has(2);
    assert.deepEqual(await watcher.ask({ action: "ping" }), { type: "pong" });
  });

  test("S4-30 whose first frame says something else is turned away", async () => {
    for (const frame of [{ action: "subscribe" }, { action: "ping" }, { action: "nope" }, {}]) {
      const watcher = await greet(frame);
      assert.deepEqual(await watcher.end(), { code: 1008, reason: "Auth required" });
      assert.deepEqual(watcher.frames, []);
    }
    assert.deepEqual(await (await greet("rubbish")).end(), { code: 1008, reason: "Auth failed: Invalid JSON" });
    // Logins of other doors are none here.
    for (const options of [{ headers: { authorization: `Bearer ${people.ann.token}` } }, {}]) {
      const watcher = await Watcher.open(`${daemon.url}/stream?token=${people.ann.token}`, options);
      watcher.send({ action: "subscribe" });
      assert.equal((await watcher.end()).reason, "Auth required");
    }
  });

  test("S4-31 who says nothing for five seconds is turned away", async () => {
    const watcher = await Watcher.open(url);
    assert.deepEqual(await watcher.end(), { code: 1008, reason: "Auth failed: timeout" });
    assert.deepEqual(watcher.frames, []);
  });

  test("S4-32 a token that has ended", async () => {
    const ended = { code: 1008, reason: "Auth failed: Token expired" };
    assert.deepEqual(await (await greet({ action: "auth", token: token("ann", { exp: now() - 1 }) })).end(), ended);
  });

  test("S4-33 S4-34 a token that is not good: HS256 alone, each claim as it should be, and a user who is there", async () => {
    const without = (name) => (({ [name]: _, ...rest }) => sign(rest))(claims("ann"));
    for (const [what, bad] of Object.entries({
      none: token("ann", {}, { alg: "none" }),
      hs512: token("ann", {}, { alg: "HS512" }),
      signature: token("ann", {}, { secret: "another secret of thirty-two characters" }),
      user: without("user_id"),
      streams: without("streams"),
      list: token("ann", { streams: "*" }),
      audience: token("ann", { aud: "roost" }),
      early: token("ann", { nbf: now() + 60 }),
      stranger: token("ann", { user_id: "nobody" }),
      empty: token("ann", { user_id: "" }),
      feathers: people.ann.token,
      access: token("ann", {}, { typ: "access" }),
      text: "rubbish",
      parts: "a.b.c",
      null: null,
      number: 7,
      object: { a: 1 },
    })) {
      const watcher = await greet({ action: "auth", token: bad });
      assert.deepEqual(await watcher.end(), { code: 1008, reason: "Auth failed: Invalid token" }, what);
      assert.deepEqual(watcher.frames, []);
    }
    // Nor is one of Hive's good elsewhere.
    assert.equal((await rest(daemon.url, token("admin")).send("GET", "/users")).status, 401);
    assert.equal((await rest(daemon.url, token("admin", { aud: "roost", iss: "roost", sub: people.admin.id })).send("GET", "/users")).status, 401);
  });

  test("S4-35 a token lets its user watch its streams, and no others", async () => {
    const [all, some, none] = [await enter("ann"), await enter("bob", { streams: ["a", "b"] }), await enter("eve", { streams: [] })];
    const denied = { type: "error", message: "Access denied to stream: c" };
    for (const watcher of [some, none]) assert.deepEqual(await watcher.ask({ action: "subscribe", stream_id: "c" }), denied);
    for (const watcher of [all, some, none]) await watcher.subscribe();
    for (const watcher of [some, none]) assert.deepEqual(await watcher.ask({ action: "subscribe", stream_id: "c" }), denied);
    for (const stream of ["a", "c", "b"]) await told(stream);
    await all.has(3);
    await some.has(2);
    assert.deepEqual(some.events.map(({ stream_id }) => stream_id), ["a", "b"]);
    const since = await enter("bob", { streams: ["b"] });
    await since.subscribe({ since: "0" });
    await since.has(1);
    assert.deepEqual([none.events, since.events.map(({ stream_id }) => stream_id)], [[], ["b"]]);
  });

  test("what somebody may not see at all no token shows", async () => {
    const board = await rest(daemon.url, people.ann.token).post("/boards", { name: "Hers", visibility: "private" });
    const hers = rest(daemon.url, people.ann.token);
    const { session_id } = await hers.post("/sessions", { board_id: board.board_id });
    const [ann, bob] = [await enter("ann"), await enter("bob")];
    for (const watcher of [ann, bob]) await watcher.subscribe({ event_types: ["execution_started", "custom"] });
    await bob.subscribe({ stream_id: session_id });
    await hers.post("/tasks", { session_id, status: "running" });
    await ann.has(1);
    assert.equal(ann.events[0].stream_id, session_id);
    await bob.subscribe({ since: "0", event_types: ["execution_started", "custom"] });
    await told("marker", { last: true });
    await until(() => bob.events.some(({ data }) => data.last), "the marker comes");
    assert.ok(bob.events.every(({ stream_id }) => stream_id !== session_id));
  });

  test("a token that ends while it is used ends the connection, and so does its user's going", async () => {
    const watcher = await enter("ann", { exp: now() + 2 });
    await watcher.subscribe();
    assert.deepEqual(await watcher.end(), { code: 1008, reason: "Token expired" });
    const eve = await enter("eve");
    const shown = token("eve");
    await admin.remove(`/users/${people.eve.id}`);
    assert.deepEqual(await eve.end(), { code: 1008, reason: "Invalid token" });
    assert.equal((await (await greet({ action: "auth", token: shown })).end()).reason, "Auth failed: Invalid token");
  });

  test("S4-36 the command line and the service make tokens; nobody makes them for others but admins", async () => {
    const fresh = { url: "sqlite://none.db", folder: daemon.folder };
    const by = (who, ...args) =>
      roost({ ...fresh, env: { ROOST_URL: daemon.url, ROOST_TOKEN: people[who].token } }, ["token", ...args]);
    const { out, err, code } = await by("admin", "--user", "bob@example.com", "--stream", "a", "b");
    assert.deepEqual([code, out.split("\n").length], [0, 2], err);
    const made = JSON.parse(Buffer.from(out.split(".")[1], "base64url"));
    assert.deepEqual([made.user_id, made.streams], [people.bob.id, ["a", "b"]]);
    assert.equal(made.exp - made.iat, 86_400);
    const watcher = await greet({ action: "auth", token: out.trim() });
    await until(() => watcher.frames.length === 2, "it is good");
    const own = await by("bob", "--user", people.bob.id, "--stream", "*", "--hours", "1", "--json");
    assert.equal(JSON.parse(own.out).streams[0], "*");
    assert.match((await by("bob", "--user", people.ann.id, "--stream", "*")).err, /admin access/);
    assert.match((await by("admin", "--user", "nobody@example.com", "--stream", "*")).err, /there is no user/);
    const bob = rest(daemon.url, people.bob.token);
    for (const data of [{}, { streams: [] }, { streams: [7] }, { streams: ["a"], hours: 0 }, { streams: ["a"], user_id: people.admin.id }]) {
      const { status } = await bob.send("POST", "/hive/tokens", data);
      assert.ok(status === 400 || status === 403, JSON.stringify(data));
    }
    const { key } = await bob.post("/api-keys", { name: "k", scopes: ["write"] });
    assert.equal((await rest(daemon.url, key).send("POST", "/hive/tokens", { streams: ["*"] })).status, 403);
    assert.equal((await rest(daemon.url).send("POST", "/hive/tokens", { streams: ["*"] })).status, 401);
    const log = daemon.log.join("\n");
    assert.ok(!log.includes(out.trim()) && !log.includes(SECRET));
  });

  test("events are told by members, not by viewers, strangers or agents", async () => {
    const event = { type: "custom", stream_id: "s" };
    const viewer = await admin.post("/users", { email: "vic@example.com", password: "vic", role: "viewer" });
    assert.equal(viewer.role, "viewer");
    const { accessToken } = await rest(daemon.url).post("/authentication", { strategy: "local", email: "vic@example.com", password: "vic" });
    const agent = await admin.post("/agents", { name: "a" });
    const { key } = await admin.post("/api-keys", { name: "a", agent_id: agent.id });
    for (const [shown, expected] of [[people.bob.token, 201], [accessToken, 403], [undefined, 401], [key, 403], [token("bob"), 401]]) {
      assert.equal((await rest(daemon.url, shown).send("POST", "/hive/events", event)).status, expected);
      assert.equal((await rest(url, shown).send("POST", "/hive/events", event)).status, expected);
    }
  });

  test("where nobody has to log in, a good token is answered, and one that is not does no harm", async () => {
    const open = await Daemon.start(database, { env: { HIVE_SECRET: SECRET } });
    try {
      const { user_id } = await rest(open.url).post("/users", { email: "ann@example.com", password: "ann" });
      const watcher = await Watcher.open(open.url);
      assert.deepEqual(await watcher.ask({ action: "auth", token: "rubbish" }), { type: "error", message: "Auth failed: Invalid token" });
      const ended = sign({ user_id, streams: [], exp: now() - 1 });
      assert.deepEqual(await watcher.ask({ action: "auth", token: ended }), { type: "error", message: "Auth failed: Token expired" });
      assert.deepEqual(await watcher.ask({ action: "auth", token: sign({ user_id, streams: [] }) }), { type: "authenticated" });
      await watcher.subscribe({ stream_id: "s" });
      await rest(open.url).post("/hive/events", { type: "custom", stream_id: "s" });
      await watcher.has(1);
    } finally {
      await closeAll();
      await open.stop();
    }
  });
});
