// A client that was away gets exactly what it missed, then what comes, whatever it listens with.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import {
  Listener,
  eventSource,
  place,
  polling,
  readLog,
  stamped,
  stream,
  websocket,
} from "../support/listeners.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

/** More than the daemon reads from its log at a time, so that several pages are read. */
const MISSED = 1_100;

onEveryDatabase("Resuming", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("a client that was away hears what it missed, then what comes", async () => {
    const writer = await Writer.connect(daemon.url);
    const before = await Promise.all(stamped.map((way) => way.open(daemon.url)));
    const seen = await writer.write();
    await Promise.all(before.map((listener) => listener.heard(seen)));
    await Promise.all(before.map((listener) => listener.close()));
    const [{ seq: since }] = before[0].items;

    const missed = await writer.many(MISSED);
    const again = await Promise.all(stamped.map((way, index) => way.open(daemon.url, before[index].seq)));
    const live = await writer.write();

    const log = await readLog(daemon.url, since, live);
    assertComplete(log, since, [...missed, live]);
    await assertHeard(stamped, again, log, live);
  });

  test("clients that come and go miss nothing while eight writers write at full speed", async () => {
    const writers = await Promise.all(Array.from({ length: 8 }, () => Writer.connect(daemon.url)));
    const first = await writers[0].write();
    const since = (await readLog(daemon.url, "0", first)).at(-1).seq;
    const stop = new AbortController();
    const writing = Promise.all(writers.map((writer) => writer.until(stop.signal)));

    /** Listens in five sittings of at least a hundred changes. */
    const comeAndGo = async (way) => {
      const whole = new Listener();
      let seq = since;
      for (let sitting = 0; sitting < 5; sitting++) {
        const listener = await way.open(daemon.url, seq);
        await listener.count(100);
        await listener.close();
        assert.deepEqual(listener.resets, [], way.name);
        seq = listener.seq;
        whole.items.push(...listener.items);
      }
      return { way, whole, seq };
    };
    const visits = await Promise.all(stamped.map(comeAndGo)).finally(() => stop.abort());
    await writing;
    const last = await writers[0].write();

    const log = await readLog(daemon.url, since, last);
    assertComplete(
      log,
      since,
      writers.flatMap(({ written }) => written).filter((one) => one !== first),
    );
    for (const { way, whole, seq } of visits) {
      const rest = await way.open(daemon.url, seq);
      await rest.heard(last);
      assert.deepEqual(lines([...whole.items, ...rest.items]), carried(way, log), way.name);
    }
  });

  test("EventSource and socket.io-client resume by themselves when the daemon comes back", async () => {
    let writer = await Writer.connect(daemon.url);
    const source = await eventSource.open(daemon.url);
    const sockets = [["websocket"], ["polling"], ["polling", "websocket"]].map(returning);
    await Promise.all(sockets.map(({ socket }) => soon(once(socket, "connect"), "the socket connects")));
    const seen = await writer.write();
    const listeners = [source, ...sockets.map(({ listener }) => listener)];
    await Promise.all(listeners.map((listener) => listener.heard(seen)));
    const since = source.seq;

    await daemon.restart("SIGTERM");
    writer = await Writer.connect(daemon.url);
    const missed = await writer.many(MISSED);
    await Promise.all(listeners.map((listener) => listener.heard(missed.at(-1))));
    const live = await writer.write();

    const log = await readLog(daemon.url, since, live);
    assert.deepEqual(lines(log[0].record), lines(writer.session));
    assertComplete(log.slice(1), log[0].seq, [...missed, live]);
    for (const listener of listeners) {
      await listener.heard(live);
      const heard = listener.items.slice(listener.items.findIndex(({ seq }) => seq === since) + 1);
      assert.deepEqual(lines(heard), lines(log));
      assert.deepEqual(listener.resets, []);
    }
  });

  describe("a client that starts now hears what it does as soon as it is connected", () => {
    for (const transport of ["websocket", "polling"]) {
      test(transport, async () => {
        for (let round = 0; round < 150; round++) {
          const options = {
            transports: [transport],
            auth: { since: "now" },
            reconnection: false,
            forceNew: true,
          };
          const socket = io(daemon.url, options);
          keep(() => socket.disconnect());
          const story = [];
          socket.onAny((event) => story.push(event));
          await soon(once(socket, "connect"), "the socket connects");
          await call(socket, "create", "boards", {}, {});
          assert.deepEqual(story, ["boards created"], `round ${round}`);
          socket.disconnect();
        }
      });
    }
  });

  describe("a stamp of another log is told to start anew", () => {
    for (const way of [websocket, polling, stream, eventSource]) {
      test(way.name, async () => {
        const writer = await Writer.connect(daemon.url);
        const { seq } = (await readLog(daemon.url, "0", await writer.write())).at(-1);
        const another = "00000000-0000-4000-8000-000000000000-7";
        const ofTheFuture = seq.replace(/\d+$/, "999999999");

        for (const since of [another, ofTheFuture]) {
          const listener = await way.open(daemon.url, since);
          await listener.until(() => listener.resets.length, `${way.name} is told to start anew`);
          const [{ reason, oldest, latest }] = listener.resets;
          const head = await newest(daemon.url);
          assert.deepEqual(
            { reason, oldest, latest },
            { reason: "other_log", oldest: first(seq), latest: head },
          );

          const live = await writer.write();
          await listener.heard(live);
          assert.deepEqual(
            listener.items.map(({ seq }) => place(seq)),
            [place(head) + 1],
          );
          assert.equal(listener.resets.length, 1);
        }
      });
    }
  });

  describe("a stamp that cannot be read is refused", () => {
    for (const since of ["", "yesterday", "7", "-7", "log-", "log-1x", "log-99999999999999999999"]) {
      test(JSON.stringify(since), async () => {
        for (const transport of ["websocket", "polling"]) {
          assert.match(await refusal(daemon.url, transport, since), /`since` is neither/);
        }
        const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream?since=${since}`);
        socket.on("error", () => {});
        const [, { statusCode }] = await soon(once(socket, "unexpected-response"), "the upgrade is refused");
        socket.terminate();
        assert.equal(statusCode, 400);

        const accept = { accept: "text/event-stream" };
        for (const [query, headers] of [
          [`?since=${since}`, {}],
          ["", { "last-event-id": since }],
        ]) {
          if (since === "" && query === "") continue; // An empty header says nothing.
          const response = await fetch(`${daemon.url}/events${query}`, {
            headers: { ...accept, ...headers },
          });
          assert.equal(response.status, 400);
          assert.match((await response.json()).message, /`since` is neither/);
        }
      });
    }

    test("anything but a string", async () => {
      for (const since of [7, true, {}, ["now"]]) {
        assert.match(await refusal(daemon.url, "websocket", since), /`since` is neither/);
      }
    });
  });

  /** A client as a user writes it: it reconnects by itself and says at each handshake where it was. */
  function returning(transports) {
    const listener = new Listener();
    const auth = (say) => say({ since: listener.seq ?? "now" });
    const socket = io(daemon.url, { transports, auth, forceNew: true, reconnectionDelay: 100 });
    keep(() => socket.disconnect());
    socket.onAny((event, record, stamp) => {
      if (event === "reset") listener.reset(record);
      else listener.hear({ seq: stamp.seq, event, record });
    });
    return { listener, socket };
  }
});

/**
 * Each message once, in a log without a gap.
 *
 * @param {import("../support/listeners.mjs").Item[]} log
 * @param {string} since the stamp before it
 * @param {{message_id: string}[]} written
 */
function assertComplete(log, since, written) {
  const ids = ({ message_id }) => message_id;
  assert.deepEqual(log.map(({ record }) => record.message_id).sort(), written.map(ids).sort());
  assert.deepEqual(
    log.map(({ seq }) => place(seq)),
    log.map((_, index) => place(since) + 1 + index),
  );
}

/** Each listener heard what its way carries of the log, and nothing else. */
async function assertHeard(ways, listeners, log, last) {
  for (const [index, way] of ways.entries()) {
    await listeners[index].heard(last);
    assert.deepEqual(lines(listeners[index].items), carried(way, log), way.name);
    assert.deepEqual(listeners[index].resets, [], way.name);
  }
}

/** What a way makes of the log, as text. */
const carried = (way, log) => lines(log.flatMap((item) => way.hears(item) ?? []));

/** As text, one item a line, so that the order of keys counts. */
const lines = (items) => [items].flat().map((item) => JSON.stringify(item));

/** The first stamp of a stamp's log. */
const first = (seq) => seq.replace(/\d+$/, "1");

/** The newest stamp. */
const newest = async (url) => (await (await fetch(`${url}/health`)).json()).seq;

/** What the client is told when it connects with a `since` that cannot be read. */
async function refusal(url, transport, since) {
  const socket = io(url, { transports: [transport], auth: { since }, reconnection: false, forceNew: true });
  const [error] = await soon(once(socket, "connect_error"), "the connection is refused");
  socket.disconnect();
  return error.message;
}
