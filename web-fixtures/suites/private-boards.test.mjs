// Private boards: who is no member sees nothing of them or of what is on them, in no way.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const PEOPLE = ["admin", "ann", "bob", "eve"];

onEveryDatabase("Private boards", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** A socket, a token and an id for each. @type {Record<string, {socket: any, token: string, id: string, heard: any[]}>} */
  const people = {};

  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    let token;
    for (const name of PEOPLE) {
      const user = { email: `${name}@example.com`, password: name };
      const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, auth: { token, since: "now" } });
      keep(() => socket.close());
      await call(socket, "create", "users", user, {});
      const login = await call(socket, "create", "authentication", { strategy: "local", ...user }, {});
      if (name === "admin") token = login.accessToken;
      const heard = [];
      socket.onAny((event, record, stamp) => heard.push({ event, record, seq: stamp?.seq }));
      people[name] = { socket, token: login.accessToken, id: login.user.user_id, heard };
    }
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const as = (name, ...packet) => call(people[name].socket, ...packet);
  const refused = (promise) => promise.then((answer) => assert.fail(JSON.stringify(answer)), (error) => error);

  /** What each has heard since the last time, once everything has arrived. */
  async function heard() {
    const all = {};
    for (const name of PEOPLE) {
      await as(name, "find", "health", {});
      all[name] = people[name].heard.splice(0).map(({ event }) => event);
    }
    return all;
  }

  /** A private board of Ann's with a session, a task and a message on it. */
  async function secret() {
    const board = await as("ann", "create", "boards", { name: "secret", visibility: "private" }, {});
    const session = await as("ann", "create", "sessions", { board_id: board.board_id }, {});
    const task = await as("ann", "create", "tasks", { session_id: session.session_id }, {});
    const message = await as("ann", "create", "messages", { session_id: session.session_id, content: "psst" }, {});
    return { board, session, task, message };
  }

  test("a removed board's id is not given again, and its story stays with those who were told it", async () => {
    const board_id = "0192abcd-0000-4000-8000-00000000dead";
    await as("ann", "create", "boards", { board_id, name: "gone soon", visibility: "private" }, {});
    await as("ann", "remove", "boards", board_id, {});
    for (const visibility of ["public", "private"]) {
      const error = await refused(as("bob", "create", "boards", { board_id, visibility }, {}));
      assert.deepEqual([error.code, error.message], [409, "A record with this id or unique value already exists"]);
    }
    await heard();
  });

  test("the start of an id tells nothing of boards that one does not see", async () => {
    const ids = ["1", "2"].map((end) => `0777abcd-0000-4000-8000-00000000000${end}`);
    for (const board_id of ids) await as("ann", "create", "boards", { board_id, visibility: "private" }, {});
    assert.match((await refused(as("ann", "get", "boards", "0777", {}))).message, /^Ambiguous ID prefix/);
    const missing = await refused(as("bob", "get", "boards", "0777", {}));
    assert.deepEqual([missing.code, missing.message], [404, "No record found for id '0777'"]);
    await heard();
  });

  test("a board that is sent back as it was read keeps a session that is on a hidden board, too", async () => {
    const { board, session } = await secret();
    const hidden = await as("admin", "create", "boards", { visibility: "private" }, {});
    await as("admin", "create", `boards/${hidden.board_id}/sessions`, { sessionId: session.session_id }, {});
    const sessions = [session.session_id];
    const patched = await as("ann", "patch", "boards", board.board_id, { sessions }, {});
    assert.deepEqual(patched.sessions, sessions);
    await heard();
  });

  test("only its members and admins see it, and what is on it", async () => {
    await heard();
    const { board, session, task, message } = await secret();
    const told = ["boards created", "sessions created", "boards patched", "tasks created", "messages created"];
    assert.deepEqual(await heard(), { admin: told, ann: told, bob: [], eve: [] });

    const { board_id } = board;
    const { session_id } = session;
    for (const [service, id] of [
      ["boards", board_id],
      ["sessions", session_id],
      ["tasks", task.task_id],
      ["messages", message.message_id],
    ]) {
      assert.ok(await as("ann", "get", service, id, {}));
      for (const packet of [
        ["get", service, id, {}],
        ["patch", service, id, {}, {}],
        ["update", service, id, {}, {}],
        ["remove", service, id, {}],
      ]) {
        const error = await refused(as("bob", ...packet));
        const nobodys = await refused(as("bob", packet[0], service, `${id.slice(0, -1)}x`, ...packet.slice(3)));
        assert.equal(error.code, 404, packet.join(" "));
        assert.equal(error.message.replace(id, ""), nobodys.message.replace(/'[^']*'/, "''"));
      }
      const found = await as("bob", "find", service, { $limit: 1000 });
      assert.ok(!JSON.stringify(found).includes(board_id) && !JSON.stringify(found).includes(session_id));
      assert.equal((await as("bob", "find", service, { $limit: 0 })).total, found.data.length);
    }
    const writes = [
      ["create", "messages", { session_id }, {}],
      ["create", "tasks", { session_id }, {}],
      ["create", "messages/bulk", [{ session_id }], {}],
      ["create", "sessions", { board_id }, {}],
      ["create", "boards", { sessions: [session_id] }, {}],
      ["create", `sessions/${session_id}/fork`, { prompt: "x" }, {}],
      ["find", `sessions/${session_id}/genealogy`, {}],
      ["create", `tasks/${task.task_id}/complete`, {}, {}],
      ["create", `boards/${board_id}/sessions`, { sessionId: session_id }, {}],
      ["create", "board-members", { board_id, user_id: people.bob.id }, {}],
    ];
    for (const packet of writes) {
      const error = await refused(as("bob", ...packet));
      assert.ok([400, 404].includes(error.code), `${packet.join(" ")}: ${error.code} ${error.message}`);
    }
    assert.deepEqual(await heard(), { admin: [], ann: [], bob: [], eve: [] });
  });

  test("a member sees it from then on, until it is no member any more", async () => {
    const { board, session } = await secret();
    await heard();
    const { board_id } = board;
    const member = await as("ann", "create", "board-members", { board_id, user_id: people.bob.id }, {});
    const write = () => as("ann", "create", "messages", { session_id: session.session_id }, {});
    await write();
    const told = ["board-members created", "messages created"];
    assert.deepEqual(await heard(), { admin: told, ann: told, bob: told, eve: [] });
    assert.equal((await as("bob", "get", "boards", board_id, {})).name, "secret");
    await as("bob", "create", "messages", { session_id: session.session_id }, {});

    for (const packet of [
      ["create", "board-members", { board_id, user_id: people.eve.id }, {}],
      ["patch", "board-members", member.member_id, { role: "owner" }, {}],
      ["patch", "boards", board_id, { visibility: "public" }, {}],
      ["remove", "boards", board_id, {}],
    ]) {
      assert.equal((await refused(as("bob", ...packet))).code, 403, packet.join(" "));
    }
    await heard();
    await as("ann", "remove", "board-members", member.member_id, {});
    await write();
    const { bob, eve } = await heard();
    assert.deepEqual({ bob, eve }, { bob: [], eve: [] });
    assert.equal((await refused(as("bob", "get", "boards", board_id, {}))).code, 404);
  });

  test("what becomes public is heard by all, and what becomes private by members", async () => {
    const { board, session } = await secret();
    const show = (visibility) => as("ann", "patch", "boards", board.board_id, { visibility }, {});
    await heard();
    await show("public");
    await as("ann", "patch", "sessions", session.session_id, { status: "running" }, {});
    const told = ["boards patched", "sessions patched"];
    assert.deepEqual(await heard(), { admin: told, ann: told, bob: told, eve: told });
    await show("private");
    await as("ann", "patch", "sessions", session.session_id, { status: "idle" }, {});
    assert.deepEqual(await heard(), { admin: told, ann: told, bob: [], eve: [] });
    assert.equal((await refused(as("ann", "remove", "boards", board.board_id, {}))).code, 409);
  });

  test("neither replay nor any stream tells a stranger to the board", async () => {
    await secret();
    const marker = await as("admin", "create", "boards", { name: "marker" }, {});
    const listeners = {
      async socket(token) {
        const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, auth: { token, since: "0" } });
        keep(() => socket.close());
        const seen = [];
        await new Promise((resolve) => {
          socket.onAny((event, record) => {
            seen.push(JSON.stringify(record));
            if (record?.board_id === marker.board_id) resolve();
          });
        });
        return seen;
      },
      async events(token) {
        const source = new EventSource(`${daemon.url}/events?since=0&token=${token}`);
        keep(() => source.close());
        const seen = [];
        await new Promise((resolve) => {
          source.addEventListener("message", ({ data }) => {
            seen.push(data);
            if (JSON.parse(data).data.board_id === marker.board_id) resolve();
          });
        });
        return seen;
      },
      async stream(token) {
        const { session_id } = await as("admin", "create", "sessions", {}, {});
        const stream = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream?since=0&token=${token}`);
        keep(() => stream.terminate());
        const seen = [];
        await new Promise((resolve, reject) => {
          stream.on("error", reject).on("message", (data) => {
            seen.push(`${data}`);
            if (`${data}`.includes(session_id)) resolve();
          });
          stream.on("open", () => as("admin", "create", "messages", { session_id }, {}));
        });
        return seen;
      },
    };
    for (const [name, listen] of Object.entries(listeners)) {
      const mentions = (seen) => seen.filter((text) => text.includes("secret") || text.includes("psst")).length;
      const [ann, eve] = await soon(Promise.all([listen(people.ann.token), listen(people.eve.token)]), name);
      assert.ok(mentions(ann) > 0, `${name}: a member is told`);
      assert.equal(mentions(eve), 0, `${name}: a stranger is not`);
    }
  });

  test("after a restart it is as private as before", async () => {
    const { board } = await secret();
    await daemon.restart();
    for (const [name, status] of [
      ["ann", 200],
      ["admin", 200],
      ["eve", 404],
    ]) {
      const headers = { authorization: `Bearer ${people[name].token}` };
      const response = await fetch(`${daemon.url}/boards/${board.board_id}`, { headers });
      assert.equal(response.status, status, name);
    }
  });
});
