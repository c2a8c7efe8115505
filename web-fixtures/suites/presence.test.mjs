// Who views which board, where their cursors are, and that nobody else learns of it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import feathers from "@feathersjs/client";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase, sqlite } from "../support/databases.mjs";
import { Tab, refused, register } from "../support/people.mjs";
import { closeAll, soon } from "../support/wait.mjs";

const NAMES = ["admin", "ann", "bob", "eve"];

onEveryDatabase("Presence", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Awaited<ReturnType<typeof register>>} */
  let people;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required", "--calls-per-sec", "0"] });
    people = await register(daemon.url, NAMES);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const open = (name, auth) => Tab.open(daemon.url, { token: people[name].token, ...auth });

  /** A board of Ann's. */
  async function board(fields = {}) {
    const tab = await open("ann");
    const { board_id } = await tab.call("create", "boards", { name: "a board", ...fields }, {});
    tab.socket.close();
    return board_id;
  }

  const view = (tab, boardId, more = {}) => tab.call("create", "presence", { boardId, ...more }, {});
  const roster = async (tab, boardId) =>
    (await tab.call("find", "presence", { boardId })).data.map(({ userId }) => userId);

  /** Somebody moves on a board after everything else: who may hear of it has heard the rest before. */
  async function marker(boardId, ...tabs) {
    const tab = await open("admin");
    await tab.point(boardId, 404);
    for (const one of tabs) await one.hears("cursor-moved", { userId: people.admin.id, boardId, x: 404 });
    tab.socket.close();
    for (const one of tabs) await one.hears("cursor-left", { userId: people.admin.id, boardId });
    const isMarker = ({ userId }) => userId === people.admin.id;
    return tabs.map((one) => one.gossip().filter((item) => !isMarker(item)));
  }

  test("who views a board is in its roster and is told of the others there; nobody else is", async () => {
    const [here, there] = [await board(), await board()];
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map((name) => open(name)));
    await view(eve, there);
    const shown = await view(ann, here, { cursorPosition: { x: 1, y: 2.5 }, typing: false });
    assert.deepEqual(shown, {
      userId: people.ann.id,
      boardId: here,
      cursorPosition: { x: 1, y: 2.5 },
      typing: false,
      lastActive: shown.lastActive,
    });
    assert.match(shown.lastActive, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    await view(bob, here);
    assert.equal((await ann.hears("presence created", { userId: people.bob.id })).boardId, here);
    assert.deepEqual(await roster(eve, here), [people.ann.id, people.bob.id].sort());
    const page = await eve.call("find", "presence", { boardId: here, $limit: 1, $skip: 1 });
    assert.deepEqual([page.total, page.limit, page.skip, page.data.length], [2, 1, 1, 1]);
    const own = await eve.call("find", "presence", { userId: people.ann.id });
    assert.deepEqual(own.data, [shown]);

    // What comes at once after the arrival is an update all the same.
    const quick = await open("eve");
    await view(quick, here);
    await quick.call("update", "presence", here, { typing: true }, {});
    await ann.hears("presence updated", { userId: people.eve.id, typing: true });
    const came = ann.gossip().filter(({ event, userId }) => event === "presence created" && userId === people.eve.id);
    assert.deepEqual(came.map(({ typing }) => typing), [undefined]);
    quick.socket.close();
    await ann.hears("presence removed", { userId: people.eve.id });

    const patched = await ann.call("patch", "presence", here, { typing: true, selectedSessionId: "s" }, {});
    assert.deepEqual([patched.cursorPosition, patched.typing, patched.selectedSessionId], [{ x: 1, y: 2.5 }, true, "s"]);
    assert.deepEqual(await bob.hears("presence updated", { typing: true, selectedSessionId: "s" }), patched);
    const updated = await ann.call("update", "presence", null, { cursorPosition: { x: 7, y: 7 } }, {});
    assert.deepEqual(Object.keys(updated), ["userId", "boardId", "cursorPosition", "lastActive"]);
    assert.deepEqual(await bob.hears("presence updated", { lastActive: updated.lastActive }), updated);

    await bob.call("remove", "presence", here, {});
    await ann.hears("presence removed", { userId: people.bob.id, boardId: here });
    assert.deepEqual(await roster(eve, here), [people.ann.id]);
    const [toEve] = await marker(there, eve);
    assert.deepEqual(
      toEve.filter(({ event, boardId }) => boardId === here && event.startsWith("presence")),
      [],
    );
  });

  test("a Feathers client's `presence` service hears of it as of any other", async () => {
    const here = await board();
    const [tab, bob] = [await open("ann"), await open("bob")];
    const presence = feathers().configure(feathers.socketio(tab.socket)).service("presence");
    const heard = ["created", "updated", "removed"].map(
      (event) => new Promise((resolve) => presence.on(event, (one) => one.userId === people.bob.id && resolve(one))),
    );
    await presence.create({ boardId: here });
    await view(bob, here);
    await soon(heard[0], "bob came");
    await bob.call("patch", "presence", null, { typing: true }, {});
    assert.equal((await soon(heard[1], "bob types")).typing, true);
    bob.socket.close();
    assert.equal((await soon(heard[2], "bob left")).boardId, here);
  });

  test("one who views a board in two tabs is there once, until both are closed", async () => {
    const here = await board();
    const [ann, one, two] = await Promise.all(["ann", "bob", "bob"].map((name) => open(name)));
    await view(ann, here);
    await view(one, here, { selectedSessionId: "one" });
    await ann.hears("presence created", { userId: people.bob.id });
    await view(two, here, { selectedSessionId: "two" });
    await ann.hears("presence updated", { userId: people.bob.id, selectedSessionId: "two" });
    await one.point(here, 1);
    await two.point(here, 2);
    assert.deepEqual(await roster(ann, here), [people.ann.id, people.bob.id].sort());
    two.socket.close();
    await ann.hears("presence updated", { userId: people.bob.id, selectedSessionId: "one" });
    assert.ok(!ann.gossip().some(({ event }) => /removed|left/.test(event)));
    one.socket.close();
    await ann.hears("presence removed", { userId: people.bob.id });
    await ann.hears("cursor-left", { userId: people.bob.id, boardId: here });
    assert.deepEqual(await roster(ann, here), [people.ann.id]);
  });

  test("cursors reach the others on the board and those on no board", async () => {
    const [here, there] = [await board(), await board()];
    const [ann, bob, eve, idle] = await Promise.all(["ann", "bob", "eve", "eve"].map((name) => open(name)));
    await bob.point(here, 0);
    await eve.point(there, 0);
    await idle.hears("cursor-moved", { userId: people.eve.id, boardId: there });
    for (const tab of [bob, eve, idle]) tab.gossip();
    const timestamp = Date.now() + 3_600_000;
    ann.socket.emit("cursor-move", { boardId: here, x: 1.5, y: -2, timestamp });
    const moved = { userId: people.ann.id, boardId: here, x: 1.5, y: -2, timestamp };
    assert.deepEqual(await bob.hears("cursor-moved", { userId: people.ann.id }), moved);
    assert.deepEqual(await idle.hears("cursor-moved", { userId: people.ann.id }), moved);
    ann.socket.emit("cursor-leave", { boardId: here });
    // Never older than the last move: clients would ignore it.
    const left = { userId: people.ann.id, boardId: here, timestamp };
    assert.deepEqual(await bob.hears("cursor-left", { userId: people.ann.id }), left);
    const [toEve] = await marker(there, eve);
    assert.deepEqual(toEve, []);
    assert.ok(!ann.gossip().some(({ userId }) => userId === people.ann.id), "nobody hears of oneself");
  });

  test("who leaves in any way is gone: no ghosts", async () => {
    const here = await board();
    const ann = await open("ann");
    await view(ann, here);
    await ann.point(here, 0);
    const gone = async (name, how) => {
      await ann.hears("presence removed", { userId: people[name].id, boardId: here }).catch((error) => assert.fail(`${how}: ${error}`));
      await ann.hears("cursor-left", { userId: people[name].id, boardId: here });
      ann.gossip();
    };
    const come = async (name, tab) => {
      await view(tab, here);
      await tab.point(here, 1);
      await ann.hears("cursor-moved", { userId: people[name].id });
    };
    const bob = await open("bob");
    await come("bob", bob);
    bob.socket.close();
    await gone("bob", "closed");

    const again = await open("bob");
    await come("bob", again);
    await again.call("remove", "authentication", null, {});
    await gone("bob", "logged out");
    assert.equal((await refused(view(again, here))).code, 401);

    const reset = await rawViewer(daemon, people.eve.token, here);
    await ann.hears("cursor-moved", { userId: people.eve.id });
    reset.resetAndDestroy();
    await gone("eve", "reset");

    const tab = await open("eve");
    await come("eve", tab);
    await ann.call("remove", "boards", here, {});
    await ann.hears("boards removed", { board_id: here });
    const everywhere = await tab.call("find", "presence", {});
    assert.ok(everywhere.data.every(({ boardId }) => boardId !== here));
    assert.equal((await refused(tab.point(here, 1))).code, 404);
  });

  test("a private board's viewers and cursors are its members' only", async () => {
    const here = await board({ visibility: "private" });
    const [ann, bob, eve, open_] = await Promise.all(["ann", "bob", "eve", "eve"].map((name) => open(name)));
    const { member_id } = await ann.call("create", "board-members", { board_id: here, user_id: people.bob.id }, {});
    await view(ann, here);
    await ann.point(here, 1);
    await view(bob, here);
    await bob.point(here, 2);
    const nowhere = here.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    for (const packet of [
      (id) => ["create", "presence", { boardId: id }, {}],
      (id) => ["find", "presence", { boardId: id }],
      (id) => ["patch", "presence", id, {}, {}],
      (id) => ["remove", "presence", id, {}],
      (id) => ["cursor-move", { boardId: id, x: 1, y: 1, timestamp: 1 }],
    ]) {
      const [hidden, missing] = [await refused(eve.call(...packet(here))), await refused(eve.call(...packet(nowhere)))];
      assert.equal(hidden.code, 404);
      assert.deepEqual(JSON.stringify(hidden).replaceAll(here, ""), JSON.stringify(missing).replaceAll(nowhere, ""));
    }
    assert.equal((await eve.call("find", "presence", {})).data.filter(({ boardId }) => boardId === here).length, 0);
    await ann.hears("cursor-moved", { userId: people.bob.id });

    await ann.call("remove", "board-members", member_id, {});
    await ann.hears("presence removed", { userId: people.bob.id, boardId: here });
    await ann.hears("cursor-left", { userId: people.bob.id, boardId: here });
    await ann.hears("presence created", { userId: people.ann.id });
    bob.gossip();
    await ann.call("patch", "presence", here, { typing: true }, {});
    await ann.hears("presence updated", { typing: true });
    bob.socket.emit("cursor-move", { boardId: here, x: 9, y: 9, timestamp: 1 });
    assert.equal((await refused(bob.point(here, 9))).code, 404);
    const elsewhere = await board();
    for (const tab of [bob, eve, open_]) await tab.point(elsewhere, 0);
    const all = await marker(elsewhere, bob, eve, open_);
    assert.deepEqual(all.flat().filter(({ boardId }) => boardId === here), []);
    assert.deepEqual(await roster(ann, here), [people.ann.id]);
  });

  test("a stranger hears nothing of it and cannot say anything", async () => {
    const here = await board();
    const [stranger, ann, bob] = [await Tab.open(daemon.url), await open("ann"), await open("bob")];
    assert.equal((await refused(view(stranger, here))).code, 401);
    assert.equal((await refused(stranger.point(here, 1))).code, 401);
    stranger.socket.emit("cursor-move", { boardId: here, x: 1, y: 1, timestamp: 1 });
    await stranger.call("find", "health", {});
    await view(ann, here);
    await bob.point(here, 1);
    const [toAnn] = await marker(here, ann);
    assert.ok(toAnn.every(({ userId }) => [people.ann.id, people.bob.id].includes(userId)));
    await stranger.call("find", "health", {});
    assert.deepEqual(stranger.items, []);
  });

  test("what is wrong is refused with a sentence, or ignored where nobody waits for one", async () => {
    const here = await board();
    const [ann, bob] = [await open("ann"), await open("bob")];
    await view(bob, here);
    const someone = await refused(view(ann, here, { userId: people.bob.id }));
    assert.deepEqual([someone.code, someone.message], [403, "Nobody is present for somebody else"]);
    assert.equal((await view(ann, here, { userId: people.ann.id })).userId, people.ann.id);
    for (const [code, ...packet] of [
      [400, "create", "presence", {}, {}],
      [400, "create", "presence", null, {}],
      [400, "create", "presence", [{ boardId: here }], {}],
      [400, "create", "presence", { boardId: 5 }, {}],
      [404, "create", "presence", { boardId: "nowhere" }, {}],
      [400, "patch", "presence", here, "x", {}],
      [400, "patch", "presence", here, { cursorPosition: "1,2" }, {}],
      [400, "patch", "presence", here, { cursorPosition: { x: 1 } }, {}],
      [400, "patch", "presence", here, { cursorPosition: { x: 1, y: "2" } }, {}],
      [400, "patch", "presence", here, { cursorPosition: { x: 1, y: 2e9 } }, {}],
      [400, "patch", "presence", here, { cursorPosition: { x: 1, y: 2, z: 3 } }, {}],
      [400, "patch", "presence", here, { selectedSessionId: 5 }, {}],
      [400, "patch", "presence", here, { selectedSessionId: "x".repeat(129) }, {}],
      [400, "patch", "presence", here, { typing: "yes" }, {}],
      [400, "patch", "presence", 5, {}, {}],
      [400, "find", "presence", { typing: true }],
      [400, "find", "presence", { $limit: -1 }],
      [400, "find", "presence", { boardId: { $in: [here] } }],
      [405, "get", "presence", here, {}],
      [400, "cursor-move", { boardId: here, x: "1", y: 2, timestamp: 1 }],
      [400, "cursor-move", { boardId: here, x: 1e10, y: 2, timestamp: 1 }],
      [400, "cursor-move", { boardId: here, x: NaN, y: Infinity, timestamp: 1 }],
      [400, "cursor-move", { boardId: here, y: 2, timestamp: 1 }],
      [400, "cursor-move", { boardId: here, x: 1, y: 2, timestamp: 1e300 }],
      [400, "cursor-move", { boardId: here, x: 1, y: 2, timestamp: "now" }],
      [400, "cursor-move", { x: 1, y: 2, timestamp: 1 }],
      [400, "cursor-move"],
      [400, "cursor-leave", here],
      [404, "cursor-move", { boardId: "nowhere", x: 1, y: 2, timestamp: 1 }],
    ]) {
      const error = await refused(ann.call(...packet));
      assert.equal(error.code, code, `${JSON.stringify(packet)} ${error.message}`);
      assert.doesNotMatch(error.message, /expected|column|SELECT/, "a sentence for people");
      if (packet[0].startsWith("cursor")) ann.socket.emit(...packet);
    }
    const rest = async (method, data) => {
      const headers = { "content-type": "application/json", authorization: `Bearer ${people.ann.token}` };
      const answer = await fetch(`${daemon.url}/presence?boardId=${here}`, { method, headers, body: data && JSON.stringify(data) });
      return { status: answer.status, ...(await answer.json()) };
    };
    assert.match((await rest("POST", { boardId: here })).message, /connection/);
    assert.equal((await rest("PATCH", { typing: true })).status, 400);
    assert.deepEqual((await rest("GET")).data.map(({ userId }) => userId), [people.ann.id, people.bob.id].sort());
    const [toBob] = await marker(here, bob);
    assert.deepEqual(toBob.filter(({ event }) => event.startsWith("cursor")), []);
  });

  test("whoever moves a hundred thousand times is heard of twenty times a second, at no cost to others", async () => {
    const MOVES = 100_000;
    const here = await board();
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map((name) => open(name)));
    await Promise.all([ann.point(here, 0), bob.point(here, 0)]);
    await bob.hears("cursor-moved", { userId: people.ann.id, x: 0 });
    bob.gossip();
    const memory = await resident(daemon.pid);
    const begun = performance.now();
    for (let x = 1; x <= MOVES; x++) ann.socket.emit("cursor-move", { boardId: here, x, y: 0, timestamp: x });
    // Somebody else is answered meanwhile.
    await Promise.all(Array.from({ length: 50 }, () => eve.call("find", "boards", {})));
    await soon(bob.hears("cursor-moved", { userId: people.ann.id, x: MOVES }), "the last move", 60_000);
    const ticks = (performance.now() - begun) / 50;
    const heard = bob.gossip().map(({ x }) => x);
    assert.ok(heard.length <= ticks + 2, `${heard.length} in ${ticks} ticks`);
    assert.deepEqual(heard, heard.toSorted((a, b) => a - b), "in order");
    const grown = (await resident(daemon.pid)) - memory;
    assert.ok(grown < 32_768, `the daemon grew by ${grown} KiB`);

    // A board that is not there costs no memory either.
    for (let x = 1; x <= 20_000; x++) ann.socket.emit("cursor-move", { boardId: "nowhere", x, y: 0, timestamp: x });
    await eve.call("find", "boards", {});
    await bob.point(here, 5);
    assert.equal((await eve.hears("cursor-moved", { userId: people.bob.id, x: 5 })).boardId, here);
  });
});

test("where nobody logs in each connection has a name of its own", async () => {
  const daemon = await Daemon.start(sqlite);
  try {
    const [one, two] = [await Tab.open(daemon.url), await Tab.open(daemon.url)];
    const { data: boards } = await one.call("find", "boards", {});
    const boardId = boards[0].board_id;
    const names = [];
    for (const tab of [one, two]) names.push((await tab.call("create", "presence", { boardId }, {})).userId);
    for (const name of names) assert.match(name, /^anonymous-[0-9a-f]{8}$/);
    assert.notEqual(names[0], names[1]);
    two.socket.emit("cursor-move", { boardId, x: 1, y: 1, timestamp: 1 });
    await one.hears("cursor-moved", { userId: names[1] });
    two.socket.close();
    await one.hears("cursor-left", { userId: names[1] });
  } finally {
    await Promise.all([closeAll(), daemon.stop()]);
  }
});

test("the daemon ends in good order while people view boards and move", async () => {
  const daemon = await Daemon.start(sqlite);
  const tabs = await Promise.all([1, 2, 3].map(() => Tab.open(daemon.url, { scope: "board" })));
  const { data: boards } = await tabs[0].call("find", "boards", {});
  const boardId = boards[0].board_id;
  for (const tab of tabs) {
    await tab.call("create", "presence", { boardId }, {});
    await tab.point(boardId, 0);
  }
  for (let x = 1; x <= 1_000; x++) tabs[0].socket.emit("cursor-move", { boardId, x, y: 0, timestamp: x });
  await tabs[1].hears("cursor-moved", { boardId });
  await daemon.stop();
  await closeAll();
});

test("who falls silent without a word is gone after a while", async () => {
  const daemon = await Daemon.start(sqlite);
  try {
    const watching = await Tab.open(daemon.url);
    const { data: boards } = await watching.call("find", "boards", {});
    const boardId = boards[0].board_id;
    await watching.call("create", "presence", { boardId }, {});
    const heard = (event) => new Promise((resolve) => watching.socket.once(event, resolve));
    const gone = [heard("presence removed"), heard("cursor-left")];
    const socket = await rawViewer(daemon, undefined, boardId);
    const { userId } = await watching.hears("cursor-moved", { boardId });
    // It takes what comes and says nothing, not even that it is there.
    for (const one of await soon(Promise.all(gone), "the silent one is gone", 90_000)) assert.equal(one.userId, userId);
    socket.destroy();
  } finally {
    await Promise.all([closeAll(), daemon.stop()]);
  }
});

/** Memory of a process, in KiB. */
async function resident(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
}

/** A viewer whose TCP connection is in the test's hands; it answers no pings. */
async function rawViewer(daemon, token, boardId) {
  const socket = connect(daemon.port, "127.0.0.1");
  const text = [];
  socket.on("error", () => {}).on("data", (bytes) => text.push(bytes.toString("latin1")));
  const until = async (part) => {
    while (!text.join("").includes(part)) await soon(new Promise((resolve) => socket.once("data", resolve)), part);
  };
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" +
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await until('0{"sid"');
  socket.write(frame(`40${JSON.stringify({ token })}`));
  await until('40{"sid"');
  socket.write(frame(`420${JSON.stringify(["create", "presence", { boardId }, {}])}`));
  await until("430[");
  socket.write(frame(`42${JSON.stringify(["cursor-move", { boardId, x: 3, y: 3, timestamp: 3 }])}`));
  return socket;
}

/** A WebSocket's text frame from a client, its mask zero. */
function frame(text) {
  const payload = Buffer.from(text);
  const length = payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}
