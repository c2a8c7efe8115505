// Clients that hear of their boards only.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Tab, refused, register } from "../support/people.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

onEveryDatabase("Board channels", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Tab} */
  let writer;
  before(async () => {
    daemon = await Daemon.start(database);
    writer = await Tab.open(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const scoped = (auth) => Tab.open(daemon.url, { scope: "board", ...auth });
  const board = async (by = writer, fields = {}) =>
    (await by.call("create", "boards", { name: "a board", ...fields }, {})).board_id;
  const session = async (board_id, by = writer) => (await by.call("create", "sessions", { board_id }, {})).session_id;
  const say = (session_id, content, by = writer) => by.call("create", "messages", { session_id, content }, {});
  const told = async (tab) => (await tab.told()).map(({ event, record }) => [event, record.content ?? record.name ?? ""]);

  const WAYS = {
    "presence create": (tab, boardId) => tab.call("create", "presence", { boardId }, {}),
    "cursor-move": (tab, boardId) => tab.point(boardId, 1),
    "get boards/<id>": (tab, boardId) => tab.call("get", "boards", boardId, {}),
    "get by the start of the id": (tab, boardId) => tab.call("get", "boards", boardId.slice(0, 13), { $select: ["board_id"] }),
  };
  for (const [way, enter] of Object.entries(WAYS)) {
    test(`a client hears all until it is on a board, and then of that: ${way}`, async () => {
      const [here, there] = [await board(), await board()];
      const [on, off] = [await session(here), await session(there)];
      const nowhere = await writer.call("create", "sessions", {}, {});
      const tabs = { plain: await scoped(), stamped: await scoped({ since: "now" }), everybody: await Tab.open(daemon.url) };
      const write = async () => {
        await say(off, "there");
        await say(on, "here");
        await say(nowhere.session_id, "nowhere");
        await writer.call("create", "tasks", { session_id: on }, {});
        await writer.call("patch", "sessions", on, { status: "running" }, {});
        await writer.call("patch", "boards", here, { name: "renamed" }, {});
        await writer.call("patch", "boards", there, { name: "renamed, too" }, {});
        await writer.call("create", "repos", { slug: `r${Math.random()}`.replace(".", "") }, {});
      };
      const own = [
        ["messages created", "here"],
        ["tasks created", ""],
        ["sessions patched", ""],
        ["boards patched", "renamed"],
      ];
      await write();
      for (const tab of Object.values(tabs)) assert.equal((await told(tab)).length, 8);
      await Promise.all(Object.values(tabs).map((tab) => enter(tab, here)));
      await write();
      assert.deepEqual(await told(tabs.plain), own);
      const stamped = await tabs.stamped.told();
      assert.deepEqual(
        stamped.map(({ event, record }) => [event, record.content ?? record.name ?? ""]),
        own,
      );
      assert.ok(stamped.every(({ seq }) => /^[0-9a-f]{8}-\d+$/.test(seq)));
      assert.equal((await told(tabs.everybody)).length, 8, "who asked for nothing hears all");
    });
  }

  test("a client is on several boards, and leaves each by itself", async () => {
    const [one, two] = [await board(), await board()];
    const sessions = [await session(one), await session(two)];
    const tab = await scoped();
    await tab.call("create", "presence", { boardId: one }, {});
    await tab.point(two, 1);
    const write = () => Promise.all(sessions.map((id, index) => say(id, `${index + 1}`)));
    await write();
    assert.equal((await told(tab)).length, 2);
    tab.socket.emit("cursor-leave", { boardId: two });
    await tab.call("find", "health", {});
    await write();
    assert.deepEqual(await told(tab), [["messages created", "1"]]);
    await tab.call("remove", "presence", one, {});
    await write();
    assert.deepEqual(await told(tab), [], "who was on a board does not hear all again");
    await tab.call("get", "boards", two, {});
    await tab.call("get", "boards", two, {});
    await write();
    assert.deepEqual(await told(tab), [["messages created", "2"]]);
    assert.equal((await tab.call("remove", "presence", two, {})).boardId, two);
    assert.equal((await refused(tab.call("remove", "presence", two, {}))).code, 404);
    await write();
    assert.deepEqual(await told(tab), []);
  });

  test("a session that moves takes its events along", async () => {
    const [from, to] = [await board(), await board()];
    const moving = await session(from);
    const [before, after] = [await scoped({ boards: [from] }), await scoped({ boards: [to] })];
    await say(moving, "before");
    await writer.call("create", `boards/${to}/sessions`, { sessionId: moving }, {});
    await say(moving, "on both");
    await writer.call("patch", "boards", from, { sessions: [], name: "without it" }, {});
    await say(moving, "after");
    await writer.call("remove", "sessions", moving, {});
    const [left, come] = [await told(before), await told(after)];
    assert.deepEqual(left, [
      ["messages created", "before"],
      ["messages created", "on both"],
      ["boards patched", "without it"],
    ]);
    assert.deepEqual(
      come.filter(([event]) => event.startsWith("messages")),
      [
        ["messages created", "on both"],
        ["messages created", "after"],
        // What goes with the session.
        ["messages removed", "before"],
        ["messages removed", "on both"],
        ["messages removed", "after"],
      ],
    );
    assert.deepEqual(come.map(([event]) => event).filter((event) => event.startsWith("sessions")), ["sessions removed"]);
    await writer.call("remove", "boards", to, {});
    assert.deepEqual((await told(after)).map(([event]) => event), ["boards removed"]);
  });

  test("a client that resumes on its boards hears what it would have heard", async () => {
    const [one, two, other] = [await board(), await board(), await board()];
    const sessions = [await session(one), await session(two), await session(other)];
    const whole = await scoped({ since: "now", boards: [one, two] });
    const away = await scoped({ since: "now", boards: [one, two] });
    const write = async (count) => {
      for (let index = 0; index < count; index++) await say(sessions[index % 3], `${index}`);
    };
    await write(6);
    const seen = await away.told();
    away.socket.close();
    // More than is handed over at once.
    await Promise.all(Array.from({ length: 8 }, () => write(240)));
    const again = await scoped({ since: seen.at(-1).seq, boards: [one, two] });
    await write(6);
    const last = await say(sessions[1], "last");
    for (const tab of [whole, again]) {
      const isLast = ({ record }) => record.message_id === last.message_id;
      await tab.until(() => tab.items.some(isLast), "the last message");
    }
    const lines = (items) => items.map(({ event, record, seq }) => [seq, event, record.message_id]);
    assert.deepEqual(lines([...seen, ...again.items]), lines(whole.items));
    assert.equal(whole.items.length, 4 + 8 * 160 + 4 + 1);
    assert.ok(whole.items.every(({ record }) => sessions.indexOf(record.session_id) < 2));
    // The boards count at the next connection, too, and more come by themselves.
    await again.call("get", "boards", other, {});
    await say(sessions[2], "other");
    assert.deepEqual((await told(again)).at(-1), ["messages created", "other"]);
  });

  test("the daemon's setting counts where the client says nothing", async () => {
    const scoping = await Daemon.start(database, { env: { CHANNELS: "board" } });
    try {
      const by = await Tab.open(scoping.url);
      const [here, there] = [await board(by), await board(by)];
      const tabs = [await Tab.open(scoping.url), await Tab.open(scoping.url, { scope: "everybody" })];
      await Promise.all(tabs.map((tab) => tab.call("get", "boards", here, {})));
      const sessions = [await session(here, by), await session(there, by)];
      for (const tab of tabs) await tab.told();
      for (const id of sessions) await say(id, id === sessions[0] ? "here" : "there", by);
      assert.deepEqual(await told(tabs[0]), [["messages created", "here"]]);
      assert.equal((await told(tabs[1])).length, 2);
      const feathers = await Tab.open(scoping.url, {}, { transports: ["polling"] });
      await feathers.call("get", "boards", there, {});
      await say(sessions[0], "here", by);
      await say(sessions[1], "there", by);
      assert.deepEqual(await told(feathers), [["messages created", "there"]]);
    } finally {
      await scoping.stop();
    }
  });

  test("a handshake that cannot be read is refused", async () => {
    const long = Array.from({ length: 1_001 }, (_, index) => `${index}`);
    for (const auth of [{ scope: "boards" }, { scope: 5 }, { boards: "x" }, { boards: [5] }, { boards: [""] }, { boards: long }]) {
      const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, reconnection: false, auth });
      keep(() => socket.close());
      const error = await soon(new Promise((resolve) => socket.once("connect_error", resolve)), "connect_error");
      assert.match(error.message, /`(scope|boards)` must be/);
    }
  });

  test("private boards stay private, whoever names them, and whenever somebody leaves", async () => {
    const required = await Daemon.start(database, { args: ["--auth", "required"] });
    try {
      const people = await register(required.url, ["admin", "ann", "bob"]);
      const open = (name, auth) => Tab.open(required.url, { token: people[name].token, scope: "board", ...auth });
      const ann = await open("ann");
      const secret = await board(ann, { visibility: "private", name: "secret" });
      const talk = await session(secret, ann);
      const named = await open("bob", { boards: [secret], since: "0" });
      const bob = await open("bob");
      for (const enter of Object.values(WAYS)) assert.equal((await refused(enter(bob, secret))).code, 404);
      await say(talk, "psst", ann);
      assert.deepEqual(await told(named), []);
      // Who could not join a board hears all that it may, as before.
      await ann.call("create", "boards", { name: "public" }, {});
      assert.deepEqual(await told(bob), [["boards created", "public"]]);

      const { member_id } = await ann.call("create", "board-members", { board_id: secret, user_id: people.bob.id }, {});
      await bob.call("create", "presence", { boardId: secret }, {});
      await bob.told();
      await say(talk, "now you know", ann);
      assert.deepEqual(await told(bob), [["messages created", "now you know"]]);
      assert.equal((await told(named)).at(-1)[1], "now you know");
      await ann.call("remove", "board-members", member_id, {});
      await say(talk, "psst", ann);
      for (const tab of [bob, named]) assert.deepEqual(await told(tab), []);

      // A login on a socket that hears nothing yet names its boards then.
      const late = await Tab.open(required.url, { scope: "board", boards: [secret] });
      await late.call("create", "authentication", { strategy: "jwt", accessToken: people.ann.token }, {});
      await say(talk, "late", ann);
      await ann.call("create", "boards", { name: "elsewhere" }, {});
      assert.deepEqual(await told(late), [["messages created", "late"]]);
    } finally {
      await required.stop();
    }
  });

  test("500 viewers on 50 boards each hear of their own board, all of it and nothing else", async () => {
    const [BOARDS, EACH, MESSAGES] = [50, 10, 4];
    const boards = [];
    for (let index = 0; index < BOARDS; index++) boards.push(await board());
    const places = boards.flatMap((boardId) => Array.from({ length: EACH }, () => boardId));
    const ways = Object.values(WAYS).slice(0, 3);
    const viewers = await Promise.all(
      places.map(async (boardId, index) => {
        const tab = await scoped(index % 2 ? { since: "now" } : {});
        await ways[index % 3](tab, boardId);
        return { tab, boardId };
      }),
    );
    await Promise.all(viewers.map(({ tab }) => tab.told()));
    const expected = new Map(boards.map((boardId) => [boardId, []]));
    await Promise.all(
      boards.map(async (boardId) => {
        const id = await session(boardId);
        const messages = [];
        for (let index = 0; index < MESSAGES; index++) messages.push((await say(id, `${index}`)).message_id);
        expected.get(boardId).push(id, boardId, ...messages);
      }),
    );
    const mover = await Tab.open(daemon.url);
    await Promise.all(boards.map((boardId) => mover.point(boardId, 42)));
    let deliveries = 0;
    for (const { tab, boardId } of viewers) {
      await tab.hears("cursor-moved", { boardId, x: 42 });
      const cursors = tab.items.filter(({ event, record }) => event.startsWith("cursor") && record.boardId !== boardId);
      assert.deepEqual(cursors, []);
      const ids = (await tab.told()).map(({ record }) => record.message_id ?? record.session_id ?? record.board_id);
      assert.deepEqual(ids, expected.get(boardId));
      deliveries += ids.length;
    }
    assert.equal(deliveries, BOARDS * EACH * (2 + MESSAGES));
  });

  test("the stream of events is filtered by board, too", async () => {
    const [here, there] = [await board(writer, { name: "here" }), await board(writer, { name: "there" })];
    await say(await session(there), "there");
    await say(await session(here), "here");
    const stop = new AbortController();
    keep(() => stop.abort());
    const headers = { accept: "text/event-stream" };
    const response = await fetch(`${daemon.url}/events?since=0&board=${here}`, { headers, signal: stop.signal });
    let text = "";
    for await (const chunk of response.body) {
      text += Buffer.from(chunk).toString();
      if (text.includes('"content":"here"')) break;
    }
    const names = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data));
    assert.deepEqual(
      names.map(({ source, name }) => `${source} ${name}`),
      ["boards created", "sessions created", "boards patched", "messages created"],
    );
    assert.ok(names.every(({ topics }) => topics.includes(`board:${here}`)));
    await call(writer.socket, "find", "health", {});
  });
});
