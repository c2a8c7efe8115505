// Where callers must log in: Feathers' authentication client over both transports, and everybody who
// does not log in.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import feathers from "@feathersjs/client";
import { EventSource } from "eventsource";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const ANN = { email: "ann@example.com", password: "correct horse" };
const BOB = { email: "bob@example.com", password: "battery staple", role: "viewer" };

onEveryDatabase("Authentication", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required", "--token-secs", "60"] });
    const first = await post("/users", ANN);
    assert.deepEqual([first.status, first.body.role], [201, "admin"], "who comes first looks after the daemon");
    const { accessToken } = await login(ANN);
    const second = await post("/users", BOB, accessToken);
    assert.deepEqual([second.status, second.body.role], [201, "viewer"]);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** A REST call; the status and the JSON. */
  async function post(path, data, token, method = "POST") {
    const headers = { "content-type": "application/json" };
    if (token) headers.authorization = `Bearer ${token}`;
    const response = await fetch(daemon.url + path, { method, headers, body: data && JSON.stringify(data) });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  }

  async function login(user) {
    const { status, body } = await post("/authentication", { strategy: "local", ...user });
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  }

  /** A Feathers client over a socket, with Feathers' own authentication. */
  function client(options = {}) {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, ...options });
    // The client would log in again when it is closed.
    keep(() => socket.off("disconnect").close());
    const app = feathers().configure(feathers.socketio(socket)).configure(feathers.authentication());
    return { app, socket };
  }

  const refused = (code, message) => (error) => {
    assert.deepEqual([error.code, error.message], [code, message]);
    return true;
  };

  test("a stranger's calls are refused and a stranger hears nothing, whatever the way in", async () => {
    const { app, socket } = client();
    const heard = [];
    socket.onAny((event) => heard.push(event));
    const resuming = client({ auth: { since: "0" } });
    resuming.socket.onAny((event) => heard.push(event));
    for (const service of ["boards", "sessions", "tasks", "messages", "repos", "users"]) {
      await assert.rejects(app.service(service).find(), refused(401, "Not authenticated"));
      await assert.rejects(app.service(service).create({ email: "x@y" }), refused(401, "Not authenticated"));
      assert.equal((await post(`/${service}`, null, null, "GET")).status, 401);
    }
    assert.equal((await post("/health", null, null, "GET")).status, 200, "the health is everybody's");
    await resuming.app.service("health").find();

    const stream = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream`);
    const [, response] = await soon(
      new Promise((resolve) => stream.on("unexpected-response", (...args) => resolve(args)).on("error", () => {})),
      "the stream is refused",
    );
    assert.equal(response.statusCode, 403);
    const events = await fetch(`${daemon.url}/events?since=0`, { headers: { accept: "text/event-stream" } });
    assert.equal(events.status, 401);

    const { accessToken } = await login(ANN);
    await post("/boards", { name: "secret" }, accessToken);
    // What was sent to anybody before this answer has arrived by now.
    await app.service("health").find();
    await resuming.app.service("health").find();
    assert.deepEqual(heard, []);
  });

  test("a login over the socket lets in, and a logout puts out", async () => {
    const { app, socket } = client();
    const heard = [];
    app.service("boards").on("created", (board) => heard.push(board.name));
    const { user, accessToken, authentication } = await app.authenticate({ strategy: "local", ...ANN });
    assert.equal(user.email, ANN.email);
    assert.equal(user.password, undefined);
    assert.equal(authentication.payload.sub, user.user_id);
    await app.service("boards").create({ name: "while logged in" });
    assert.deepEqual(heard, ["while logged in"]);

    await app.logout();
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
    await post("/boards", { name: "after the logout" }, accessToken);
    await app.service("health").find();
    assert.deepEqual(heard, ["while logged in"]);
    await assert.rejects(
      call(socket, "remove", "authentication", null, {}),
      refused(401, "Invalid authentication information (no `strategy` set)"),
    );

    await app.authenticate({ strategy: "jwt", accessToken });
    await app.service("boards").create({ name: "again" });
    assert.deepEqual(heard, ["while logged in", "again"]);
  });

  test("a client that reconnects logs in by itself and goes on", async () => {
    const { app, socket } = client({ reconnectionDelay: 10 });
    await app.authenticate({ strategy: "local", ...ANN });
    const again = new Promise((resolve) => socket.io.once("reconnect", resolve));
    socket.io.engine.close();
    await soon(again, "the client reconnects");
    await app.service("boards").find();
  });

  test("a resuming client gets what it missed once it has logged in", async () => {
    const { accessToken } = await login(ANN);
    const { body: board } = await post("/boards", { name: "missed" }, accessToken);
    const { app, socket } = client({ auth: { since: "0" } });
    const missed = new Promise((resolve) => {
      socket.on("boards created", (record, stamp) => record.board_id === board.board_id && resolve(stamp));
    });
    await app.authenticate({ strategy: "jwt", accessToken });
    assert.match((await soon(missed, "the missed board comes")).seq, /-\d+$/);
  });

  test("a client with stamps that was logged out is sent what it missed when it logs in again", async () => {
    const { accessToken } = await login(ANN);
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, auth: { since: "now" } });
    keep(() => socket.close());
    const enter = () => call(socket, "create", "authentication", { strategy: "jwt", accessToken }, {});
    const leave = () => call(socket, "remove", "authentication", null, {});
    const board = async (name) => (await post("/boards", { name }, accessToken)).body;
    await enter();
    const names = [];
    const last = new Promise((resolve) => {
      socket.on("boards created", ({ name }) => names.push(name) && name === "last" && resolve());
    });
    await board("before");
    await leave();
    await board("meanwhile");
    await board("a moment later");
    await enter();
    await leave();
    await board("out again");
    await enter();
    await board("last");
    await soon(last, "the last board comes");
    assert.deepEqual(names, ["before", "meanwhile", "a moment later", "out again", "last"]);
  });

  test("logging out and in while the past is sent loses and repeats nothing", async () => {
    const { accessToken } = await login(ANN);
    const { body: session } = await post("/sessions", {}, accessToken);
    const { session_id } = session;
    const bulk = Array.from({ length: 1_000 }, (_, index) => ({ session_id, index, content: "x".repeat(500) }));
    await post("/messages", bulk, accessToken);
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, auth: { since: "0" } });
    keep(() => socket.close());
    const heard = [];
    const all = new Promise((resolve) => {
      socket.on("messages created", ({ index }) => heard.push(index) === bulk.length && resolve());
    });
    for (let times = 0; times < 20; times++) {
      await call(socket, "create", "authentication", { strategy: "jwt", accessToken }, {});
      await call(socket, "remove", "authentication", null, {});
    }
    await call(socket, "create", "authentication", { strategy: "jwt", accessToken }, {});
    await soon(all, "every message comes");
    const last = new Promise((resolve) => socket.once("messages created", resolve));
    await post("/messages", { session_id, index: 1_000, content: "the last" }, accessToken);
    await soon(last, "the last message comes");
    assert.deepEqual(heard, Array.from({ length: 1_001 }, (_, index) => index));
  });

  test("a token at the handshake lets in, as a header and as auth.token", async () => {
    const { accessToken } = await login(ANN);
    for (const options of [
      { auth: { token: accessToken } },
      { extraHeaders: { authorization: `Bearer ${accessToken}` } },
    ]) {
      const { app } = client(options);
      const heard = new Promise((resolve) => app.service("boards").once("created", resolve));
      await app.service("boards").create({ name: "by handshake" });
      await soon(heard, "the client hears");
    }
    const { socket } = client({ auth: { token: "rubbish" }, reconnection: false });
    const error = await soon(new Promise((resolve) => socket.once("connect_error", resolve)), "a refusal");
    assert.equal(error.message, "jwt malformed");
  });

  test("streams take a token as a parameter", async () => {
    const { accessToken } = await login(BOB);
    const url = `${daemon.url.replace("http", "ws")}/ws/stream`;
    for (const [at, options] of [
      [`${url}?token=${accessToken}`],
      [url, { headers: { "x-dashboard-token": accessToken } }],
    ]) {
      const stream = new WebSocket(at, options);
      keep(() => stream.terminate());
      await soon(new Promise((resolve, reject) => stream.on("open", resolve).on("error", reject)), "it opens");
    }
    const source = new EventSource(`${daemon.url}/events?since=0&token=${accessToken}`);
    keep(() => source.close());
    await soon(new Promise((resolve) => source.addEventListener("message", resolve)), "the log comes");
  });

  test("a reverse proxy learns who may come in", async () => {
    const { accessToken } = await login(ANN);
    const verify = async (headers) => (await fetch(`${daemon.url}/auth/verify`, { headers })).status;
    assert.equal(await verify({}), 401);
    assert.equal(await verify({ authorization: `Bearer ${accessToken}` }), 204);
    assert.equal(await verify({ authorization: "Bearer rubbish" }), 401);
    assert.equal(await verify({ "x-original-uri": `/events?token=${accessToken}` }), 204);
    assert.equal(await verify({ "x-forwarded-uri": `/ws/stream?since=0&token=${accessToken}` }), 204);
    assert.equal(await verify({ "x-original-uri": "/events?token=rubbish" }), 401);
    assert.equal(await verify({ "x-original-uri": "/events" }), 401);
  });

  test("REST takes the token that Feathers' client keeps", async () => {
    const app = feathers().configure(feathers.rest(daemon.url).fetch(fetch)).configure(feathers.authentication());
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
    await app.authenticate({ strategy: "local", ...BOB });
    assert.ok((await app.service("boards").find()).total > 0);
    await assert.rejects(app.service("boards").create({}), refused(403, "You need member access to create boards"));
    await app.logout();
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
  });

  test("what is no login is refused in Feathers' words", async () => {
    const cases = [
      [{}, "Invalid authentication information (no `strategy` set)"],
      [{ strategy: "magic" }, "Invalid authentication information (strategy not allowed in authStrategies)"],
      [{ strategy: "anonymous" }, "Invalid authentication information (strategy not allowed in authStrategies)"],
      [{ strategy: "local", email: ANN.email }, "Invalid login"],
      [{ strategy: "local", email: ANN.email, password: "wrong" }, "Invalid login"],
      [{ strategy: "local", email: "nobody@example.com", password: "x" }, "Invalid login"],
      [{ strategy: "local", email: ANN.email, password: "x".repeat(2_000_000) }, "Invalid login"],
      [{ strategy: "local", email: { $ne: "" }, password: "x" }, "Invalid login"],
      [{ strategy: "jwt" }, "No access token"],
      [{ strategy: "jwt", accessToken: "rubbish" }, "jwt malformed"],
    ];
    const { socket } = client();
    for (const [data, message] of cases) {
      const { status, body } = await post("/authentication", data);
      assert.deepEqual([status, body.message, body.className], [401, message, "not-authenticated"]);
      await assert.rejects(call(socket, "create", "authentication", data, {}), refused(401, message));
    }
  });

  test("a refresh token is good once; a second use ends the whole login", async () => {
    const { refreshToken } = await login(ANN);
    const refresh = (refreshToken) => post("/authentication/refresh", { refreshToken });
    const next = await refresh(refreshToken);
    assert.equal(next.status, 201);
    assert.equal((await post("/boards", null, next.body.accessToken, "GET")).status, 200);
    const third = await refresh(next.body.refreshToken);
    assert.equal(third.status, 201);
    for (const token of [refreshToken, third.body.refreshToken, "rt_rubbish", 5, null]) {
      const { status, body } = await refresh(token);
      assert.deepEqual([status, body.message], [401, "Invalid or expired refresh token"]);
    }
  });

  test("people change themselves, but not what they may do", async () => {
    const { accessToken, user } = await login(BOB);
    const path = `/users/${user.user_id}`;
    const named = await post(path, { name: "Bob" }, accessToken, "PATCH");
    assert.deepEqual([named.status, named.body.name], [200, "Bob"]);
    for (const [target, data] of [
      [path, { role: "admin" }],
      [path, { role: "owner" }],
      ["/users", { email: "eve@example.com", password: "x" }],
    ]) {
      const method = target === "/users" ? "POST" : "PATCH";
      assert.equal((await post(target, data, accessToken, method)).status, 403, JSON.stringify(data));
    }
    const { body: everybody } = await post("/users", null, accessToken, "GET");
    const ann = everybody.data.find(({ email }) => email === ANN.email);
    assert.equal((await post(`/users/${ann.user_id}`, { name: "x" }, accessToken, "PATCH")).status, 403);
    assert.equal((await post(`/users/${ann.user_id}`, null, accessToken, "DELETE")).status, 403);
    const admin = await login(ANN);
    assert.equal((await post(path, { role: "owner" }, admin.accessToken, "PATCH")).status, 403);
    assert.equal((await post("/users", { email: "BOB@example.com" }, admin.accessToken)).status, 409);
    assert.equal((await post("/users", { email: "no email" }, admin.accessToken)).status, 400);

    await post(path, { password: "new words" }, accessToken, "PATCH");
    assert.equal((await post("/authentication", { strategy: "local", ...BOB })).status, 401);
    await login({ ...BOB, password: "new words" });
    await post(path, { password: BOB.password }, accessToken, "PATCH");
    assert.doesNotMatch(JSON.stringify(everybody), /argon|password/);
  });

  test("who loses a role loses it at once, and who is removed hears nothing more", async () => {
    const { accessToken } = await login(ANN);
    const eve = { email: "eve@example.com", password: "x", role: "member" };
    const { body: user } = await post("/users", eve, accessToken);
    const { app, socket } = client();
    await app.authenticate({ strategy: "local", ...eve });
    const { accessToken: evesToken } = await login(eve);
    const stream = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream?token=${evesToken}`);
    keep(() => stream.terminate());
    await soon(new Promise((resolve) => stream.on("open", resolve)), "the stream opens");
    const heard = [];
    stream.on("message", (text) => heard.push(`${text}`));
    socket.onAny((event) => heard.push(event));

    await app.service("boards").create({});
    await post(`/users/${user.user_id}`, { role: "viewer" }, accessToken, "PATCH");
    await assert.rejects(app.service("boards").create({}), refused(403, "You need member access to create boards"));
    assert.deepEqual(heard.splice(0), ["boards created", "users patched"]);

    const closed = new Promise((resolve) => stream.once("close", resolve));
    await post(`/users/${user.user_id}`, null, accessToken, "DELETE");
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
    const { body: session } = await post("/sessions", {}, accessToken);
    await post("/messages", { session_id: session.session_id }, accessToken);
    await assert.rejects(app.service("boards").find(), refused(401, "Not authenticated"));
    assert.equal(await soon(closed, "the stream ends"), 1008);
    assert.deepEqual(heard, []);
    assert.equal((await post("/authentication", { strategy: "local", ...eve })).status, 401);
  });

  test("no log line holds a password or a token", async () => {
    const { accessToken, refreshToken } = await login(ANN);
    const secrets = [ANN.password, BOB.password, accessToken, refreshToken];
    for (const line of daemon.log) for (const secret of secrets) assert.ok(!line.includes(secret), line);
  });
});

describe("Logins end", () => {
  test("a login that ends leaves the socket, which hears nothing until somebody logs in again", async () => {
    const { sqlite } = await import("../support/databases.mjs");
    const daemon = await Daemon.start(sqlite, { args: ["--auth", "required", "--token-secs", "2"] });
    try {
      const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
      keep(() => socket.close());
      await call(socket, "create", "users", ANN, {});
      await call(socket, "create", "authentication", { strategy: "local", ...ANN }, {});
      const heard = [];
      socket.onAny((event) => heard.push(event));
      await call(socket, "create", "boards", {}, {});
      assert.deepEqual(heard, ["boards created"]);
      const ended = async () => {
        for (;;) {
          const code = await call(socket, "find", "boards", {}).then(
            () => 200,
            ({ code }) => code,
          );
          if (code === 401) return;
        }
      };
      await soon(ended(), "the login ends");
      assert.ok(socket.connected);
      await call(socket, "create", "authentication", { strategy: "local", ...ANN }, {});
      await call(socket, "create", "boards", {}, {});
      assert.deepEqual(heard, ["boards created", "boards created"]);
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
});

describe("Logins end where none is required", () => {
  test("a client goes on hearing and calling as everybody does", async () => {
    const { sqlite } = await import("../support/databases.mjs");
    const daemon = await Daemon.start(sqlite, { args: ["--token-secs", "1"] });
    try {
      const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
      keep(() => socket.close());
      const user = await call(socket, "create", "users", ANN, {});
      await call(socket, "create", "authentication", { strategy: "local", ...ANN }, {});
      const heard = [];
      socket.onAny((event) => heard.push(event));
      // As long as the login lasts, people may not raise their own role; the local owner may.
      const raise = () => call(socket, "patch", "users", user.user_id, { role: "owner" }, {});
      const ended = async () => {
        while (!(await raise().then(() => true, () => false)));
      };
      await soon(ended(), "the login ends");
      await call(socket, "remove", "users", user.user_id, {});
      assert.deepEqual(heard.splice(0), ["users patched", "users removed"]);
      // The daemon looks once a second whose login has ended.
      const time = async () => (await call(socket, "find", "health", {})).timestamp;
      const later = (await time()) + 2_500;
      let made = 0;
      for (; (await time()) < later; made++) await call(socket, "create", "boards", {}, {});
      assert.deepEqual(heard, Array(made).fill("boards created"));
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
});

describe("Looking without a name", () => {
  test("whoever is let in without a name sees what is public and changes nothing", async () => {
    const { sqlite } = await import("../support/databases.mjs");
    const daemon = await Daemon.start(sqlite, { args: ["--auth", "required", "--allow-anonymous"] });
    try {
      const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
      keep(() => socket.close());
      await call(socket, "create", "users", ANN, {});
      await assert.rejects(call(socket, "find", "boards", {}), { code: 401 });
      const { user, accessToken } = await call(socket, "create", "authentication", { strategy: "anonymous" }, {});
      assert.deepEqual([user.user_id, user.role, accessToken], ["anonymous", "viewer", ""]);
      assert.equal((await call(socket, "find", "boards", {})).total, 1);
      await assert.rejects(call(socket, "create", "boards", {}, {}), { code: 403 });
      const heard = [];
      socket.onAny((event, { name }) => heard.push(name));
      const ann = io(daemon.url, { transports: ["websocket"], forceNew: true });
      keep(() => ann.close());
      await call(ann, "create", "authentication", { strategy: "local", ...ANN }, {});
      await call(ann, "create", "boards", { name: "theirs", visibility: "private" }, {});
      await call(ann, "create", "boards", { name: "everybody's" }, {});
      await call(socket, "find", "health", {});
      assert.deepEqual(heard, ["everybody's"]);
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
});
