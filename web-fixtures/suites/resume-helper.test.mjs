// resume.js with unmodified clients: whoever uses it has each event once, whatever happens in between.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import feathers from "@feathersjs/client";
import pg from "pg";
import { io } from "socket.io-client";
import { resume } from "../resume.js";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { databases, onEveryDatabase } from "../support/databases.mjs";
import { echo } from "../support/echo.mjs";
import { Listener, place, readLog } from "../support/listeners.mjs";
import { register } from "../support/people.mjs";
import { Proxy } from "../support/proxy.mjs";
import { connected, resuming, resumingWays } from "../support/resuming.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const websocket = resumingWays.websocket;
const ANOTHER = "00000000-0000-4000-8000-000000000000-7";

onEveryDatabase("resume.js", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  describe("a client that starts now hears all there is from then on, through kills and cuts", () => {
    for (const [name, way] of Object.entries(resumingWays)) {
      test(name, async () => {
        const proxy = await Proxy.open(daemon.port);
        const listener = resuming(proxy.url, way);
        await soon(connected(listener), "the client connects");
        const seen = await (await Writer.connect(daemon.url)).write();
        await listener.heard(seen);
        const [{ seq: first }] = listener.items;
        let last;
        for (const end of ["SIGKILL", "SIGTERM", "cut", "reset"]) {
          if (end.startsWith("SIG")) await daemon.restart(end);
          else proxy[end]();
          const writer = await Writer.connect(daemon.url);
          last = (await writer.many(150)).at(-1);
        }
        await listener.heard(last);
        const log = await readLog(daemon.url, first, last);
        assert.deepEqual(lines(listener.items.slice(1)), lines(log));
        assert.deepEqual(listener.resets, []);
        assert.equal(listener.resuming.stamp, log.at(-1).seq);
      });
    }
  });

  test("a client that lost its connection before the first event misses none", async () => {
    const proxy = await Proxy.open(daemon.port);
    const listener = resuming(proxy.url, websocket);
    await soon(connected(listener), "the client connects");
    await until(() => listener.resuming.stamp, "the client knows its place");
    const since = listener.resuming.stamp;
    proxy.close();
    const writer = await Writer.connect(daemon.url);
    const missed = await writer.many(3);
    const again = await Proxy.open(daemon.port);
    listener.client.io.uri = again.url;
    await listener.heard(missed.at(-1));
    assert.deepEqual(lines(listener.items), lines(await readLog(daemon.url, since, missed.at(-1))));
    assert.deepEqual(listener.resets, []);
  });

  test("a client that lost its connection before it knew its place is told to read anew", async () => {
    const listener = resuming(daemon.url, websocket);
    listener.client.once("connect", () => listener.client.io.engine.close());
    await listener.until(() => listener.resets.length, "it is told");
    assert.deepEqual(listener.resets, [{ reason: "no_stamp" }]);
    const writer = await Writer.connect(daemon.url);
    await listener.heard(await writer.write());
    assert.equal(listener.resets.length, 1);
  });

  test("connections that end in the middle of a burst, from within handlers, bring nothing twice", async () => {
    const ends = [
      (socket) => socket.io.engine.close(),
      (socket) => socket.disconnect().connect(),
      (socket) => void queueMicrotask(() => socket.disconnect().connect()),
    ];
    for (const way of Object.values(resumingWays)) {
      const listener = resuming(daemon.url, way);
      await soon(connected(listener), "the client connects");
      const { client } = listener;
      let count = 0;
      client.onAny((event, record, stamp) => {
        if (stamp?.seq && ++count % 40 === 0) ends[(count / 40) % 3](client);
      });
      const writer = await Writer.connect(daemon.url);
      const [first] = await writer.many(1);
      const last = (await writer.many(300)).at(-1);
      await listener.heard(last);
      await listener.heard(first);
      const start = listener.items.findIndex(({ record }) => record.message_id === first.message_id);
      const log = await readLog(daemon.url, listener.items[start].seq, last);
      assert.deepEqual(lines(listener.items.slice(start + 1)), lines(log));
      assert.deepEqual(listener.resets, []);
      client.close();
    }
  });

  test("a page that is loaded again goes on where its handlers were, and one that throws had its event", async () => {
    let stored;
    const order = [];
    const store = {
      get: () => stored,
      set: (stamp) => {
        order.push(`stored ${place(stamp)}`);
        stored = stamp;
      },
    };
    const writer = await Writer.connect(daemon.url);
    const page = resuming(daemon.url, { ...websocket, resume: { store } });
    page.client.onAny((event, record, stamp) => stamp && order.push(`handled ${place(stamp.seq)}`));
    await soon(connected(page), "the page connects");
    await until(() => order.length === 1, "the page knows its place");
    order.length = 0;
    const seen = await writer.write();
    await page.heard(seen);
    await until(() => order.length === 2, "the stamp is stored");
    const number = place(page.seq);
    assert.deepEqual(order, [`handled ${number}`, `stored ${number}`]);

    const thrown = uncaught("uncaughtException");
    page.client.once("messages created", () => {
      throw new Error("a handler's");
    });
    await writer.write();
    assert.equal((await thrown).message, "a handler's");
    const after = await writer.write();
    await page.heard(after);
    page.client.close();

    const missed = await writer.many(5);
    const again = resuming(daemon.url, { ...websocket, resume: { store, since: "0" } });
    await again.heard(missed.at(-1));
    assert.equal(place(again.items[0].seq), place(page.seq) + 1);
    assert.deepEqual(lines(again.items), lines(await readLog(daemon.url, page.seq, missed.at(-1))));
  });

  test("who starts at a stamp, or at the log's start, hears what came after it", async () => {
    const writer = await Writer.connect(daemon.url);
    const last = (await writer.many(5)).at(-1);
    for (const since of ["0", (await readLog(daemon.url, "0", last)).at(-4).seq]) {
      const listener = resuming(daemon.url, { ...websocket, resume: { since } });
      await listener.heard(last);
      assert.deepEqual(lines(listener.items), lines(await readLog(daemon.url, since, last)));
    }
  });

  test("a reset counts once it is dealt with: until then, each connection tells of it again", async () => {
    const writer = await Writer.connect(daemon.url);
    const answers = [];
    const listener = new Listener();
    const onReset = (reset) => {
      const read = new Promise((resolve, reject) => answers.push({ resolve, reject }));
      listener.reset(reset);
      return read;
    };
    const page = resuming(daemon.url, { ...websocket, resume: { since: ANOTHER, onReset } });
    await listener.until(() => answers.length === 1, "it is told");
    await page.heard(await writer.write());
    assert.equal(page.resuming.stamp, ANOTHER);

    page.client.disconnect().connect();
    await listener.until(() => answers.length === 2, "it is told again");
    const failed = uncaught("unhandledRejection");
    answers[1].reject(new Error("could not be read"));
    assert.equal((await failed).message, "could not be read");

    page.client.disconnect().connect();
    await listener.until(() => answers.length === 3, "it is told again");
    // Of a connection that is long gone.
    answers[0].resolve();
    answers[2].resolve();
    const seen = await writer.write();
    await page.heard(seen);
    assert.equal(page.resuming.stamp, page.seq);

    page.client.disconnect().connect();
    await page.heard(await writer.write());
    assert.deepEqual(
      listener.resets.map(({ reason }) => reason),
      ["other_log", "other_log", "other_log"],
    );
    const places = page.items.map(({ seq }) => place(seq));
    assert.deepEqual(places, [...new Set(places)].sort((a, b) => a - b));
  });

  test("a stamp that cannot be read is forgotten, and the client is told to read anew", async () => {
    let stored = "rubbish";
    const store = { get: () => stored, set: (stamp) => (stored = stamp) };
    const listener = resuming(daemon.url, { ...websocket, resume: { store } });
    await listener.until(() => listener.resets.length, "it is told");
    assert.deepEqual(listener.resets, [{ reason: "unreadable" }]);
    await listener.heard(await (await Writer.connect(daemon.url)).write());
    assert.equal(stored, listener.seq);
    assert.equal(listener.resets.length, 1);
  });

  test("what else the client says at the handshake stays, whoever set it when", async () => {
    const { url } = await echo();
    for (const [auth, change] of [
      [{ a: 1 }, (socket) => (socket.auth.a = 2)],
      [(say) => say({ a: 1 }), (socket) => (socket.auth = (say) => setTimeout(say, 5, { a: 2 }))],
      [undefined, (socket) => (socket.auth = { a: 2 })],
    ]) {
      const options = { ...websocket, io: { ...websocket.io, auth }, resume: { since: ANOTHER } };
      const { client } = resuming(url, options);
      const said = () => soon(once(client, "said"), "the server says it").then(([said]) => said);
      assert.deepEqual(await said(), { ...(auth && { a: 1 }), since: ANOTHER });
      change(client);
      client.disconnect().connect();
      assert.deepEqual(await said(), { a: 2, since: ANOTHER });
    }
  });

  test("events that came with the end of a polling connection are handed over once", async () => {
    const { url, handshakes } = await echo({ bursts: true });
    const listener = resuming(url, { ...resumingWays["polling only"], resume: { since: "log-0" } });
    await until(() => handshakes.length > 6, "it comes back");
    assert.deepEqual(
      listener.items.slice(0, 9).map(({ seq }) => place(seq)),
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
  });

  test("a socket that is connected already connects anew; one that resumes does not resume twice", async () => {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
    keep(() => socket.close());
    await soon(once(socket, "connect"), "the socket connects");
    const { id } = socket;
    const resets = [];
    const resuming = resume(socket, { onReset: (reset) => void resets.push(reset) });
    assert.throws(() => resume(socket), /resumes already/);
    await soon(once(socket, "connect"), "the socket connects anew");
    assert.notEqual(socket.id, id);
    const stamps = [];
    socket.on("messages created", (record, stamp) => stamps.push(stamp?.seq));
    const writer = await Writer.connect(daemon.url);
    await writer.write();
    await call(socket, "find", "health", {});
    assert.equal(stamps.length, 1);
    assert.ok(place(stamps[0]));
    assert.deepEqual(resets, [{ reason: "no_stamp" }]);

    resuming.stop();
    socket.disconnect().connect();
    await soon(once(socket, "connect"), "the socket connects");
    await writer.write();
    await call(socket, "find", "health", {});
    assert.deepEqual(stamps.slice(1), [undefined]);
    assert.throws(() => resume({}), TypeError);
    assert.throws(() => resume(undefined), TypeError);
  });

  test("another namespace of the same connection does not disturb it", async () => {
    const listener = resuming(daemon.url, websocket);
    await soon(connected(listener), "the client connects");
    const other = listener.client.io.socket("/other");
    keep(() => other.close());
    const otherResumes = resume(other);
    const [error] = await soon(once(other, "connect_error"), "there is no such namespace");
    assert.match(error.message, /namespace/i);
    const writer = await Writer.connect(daemon.url);
    await listener.heard(await writer.write());
    listener.client.io.engine.close();
    await listener.heard(await writer.write());
    assert.deepEqual(listener.resets, []);
    assert.equal(otherResumes.stamp, undefined);
  });
});

onEveryDatabase("resume.js where everybody logs in", (database) => {
  /** @type {Daemon} */
  let daemon;
  let people;
  let clients = 0;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    people = await register(daemon.url, ["ann", "bob", "eve"]);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** A Feathers client with Feathers' authentication client. */
  function client() {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true, reconnectionDelay: 20 });
    keep(() => socket.off("disconnect").close());
    // Feathers' clients of one process share what they keep, but for its key.
    const authentication = feathers.authentication({ storageKey: `${++clients}` });
    const app = feathers().configure(feathers.socketio(socket)).configure(authentication);
    const listener = new Listener();
    listener.resuming = resume(app, { onReset: (reset) => listener.reset(reset) });
    app.service("boards").on("created", (record, { seq }) => listener.hear({ seq, event: "", record }));
    return Object.assign(listener, { app, client: socket });
  }
  const login = (name) => ({ strategy: "local", email: `${name}@example.com`, password: name });
  const names = ({ items }) => items.map(({ record }) => record.name);
  const named = (listener, name) => listener.until(() => names(listener).includes(name), `hears of ${name}`);

  test("a client logs in again by itself when the daemon comes back, and has all that it may see", async () => {
    const bob = client();
    await bob.app.authenticate(login("bob"));
    const ann = client();
    await ann.app.authenticate(login("ann"));
    await ann.app.service("boards").create({ name: "before" });
    await named(bob, "before");

    await daemon.restart("SIGKILL");
    await soon(connected(ann), "the client connects");
    await ann.app.service("boards").create({ name: "ann's own", visibility: "private" });
    await ann.app.service("boards").create({ name: "after" });
    await named(bob, "after");
    await named(ann, "after");
    assert.deepEqual(names(bob), ["before", "after"]);
    assert.deepEqual(names(ann), ["before", "ann's own", "after"]);
    assert.deepEqual([bob.resets, ann.resets], [[], []]);
  });

  test("another user of the same socket goes on where it stopped, with what that user may see", async () => {
    const { token } = people.ann;
    const writer = io(daemon.url, { transports: ["websocket"], forceNew: true, auth: { token } });
    keep(() => writer.close());
    const create = (name, more) => call(writer, "create", "boards", { name, ...more }, {});
    const both = client();
    await both.app.authenticate(login("bob"));
    await create("for bob");
    await named(both, "for bob");
    await both.app.logout();
    await create("meanwhile");
    await create("private", { visibility: "private" });
    await both.app.authenticate(login("eve"));
    await create("for eve");
    await named(both, "for eve");
    // Whoever is there, the place is the socket's.
    both.client.io.engine.close();
    await create("away");
    await named(both, "away");
    assert.deepEqual(names(both), ["for bob", "meanwhile", "for eve", "away"]);
    assert.deepEqual(both.resets, []);
  });

  test("a token at the handshake goes with the stamp, also one that was set later", async () => {
    const socket = io(daemon.url, {
      transports: ["websocket"],
      forceNew: true,
      reconnectionDelay: 20,
      auth: { token: people.bob.token },
    });
    keep(() => socket.close());
    const listener = new Listener();
    listener.resuming = resume(socket);
    socket.on("boards created", (record, { seq }) => listener.hear({ seq, event: "", record }));
    const create = (name) => call(socket, "create", "boards", { name }, {});
    await create("of bob");
    socket.auth.token = people.eve.token;
    socket.io.engine.close();
    await create("of eve");
    await named(listener, "of eve");
    assert.deepEqual(names(listener), ["of bob", "of eve"]);
    const boards = await call(socket, "find", "boards", {});
    assert.ok(boards.total > 0);
  });
});

for (const database of databases().filter(({ name }) => name === "PostgreSQL")) {
  test("who cannot be sent what was missed, since the database fails, comes back until that is done", async () => {
    const fresh = await database.create();
    const daemon = await Daemon.start({ create: async () => fresh }, { forgives: /could not be sent/ });
    keep(() => daemon.stop());
    const administrator = new pg.Client({ connectionString: fresh.url });
    await administrator.connect();
    const written = await (await Writer.connect(daemon.url)).many(3);
    await administrator.query("ALTER TABLE events RENAME TO elsewhere");
    const listener = resuming(daemon.url, { ...websocket, resume: { since: "0" } });
    const failures = () => daemon.log.filter((line) => line.includes("could not be sent")).length;
    await until(() => failures() > 1, "it comes back and fails again");
    await administrator.query("ALTER TABLE elsewhere RENAME TO events");
    await administrator.end();
    await listener.heard(written.at(-1));
    assert.deepEqual(lines(listener.items), lines(await readLog(daemon.url, "0", written.at(-1))));
    await closeAll();
  });
}

/** The next error that nobody catches, which otherwise fails the test. @param {string} kind */
async function uncaught(kind) {
  const others = process.rawListeners(kind);
  process.removeAllListeners(kind);
  const [error] = await soon(once(process, kind), `there is an ${kind}`);
  for (const other of others) process.on(kind, other);
  return error;
}

/** As text, one item a line, so that the order of keys counts. */
const lines = (items) => items.map((item) => JSON.stringify(item));
