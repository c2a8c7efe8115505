// Readers that stop, of every kind, while very much happens: the daemon's memory stays small, the others
// notice nothing, and when they read on they have what they were promised. ROOST_STALL_EVENTS says how
// much happens: 20,000 events unless it is said, 100,000 in `make soak`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { call } from "../support/call.mjs";
import { complete, forgetful, forgetfulStream, writeUntilHeard } from "../support/crowd.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Proxy } from "../support/proxy.mjs";
import { closeAll } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const EVENTS = Number(process.env.ROOST_STALL_EVENTS ?? 20_000);
const AT_ONCE = 1_000;
/** What the daemon may take for all that stopped, in KiB: as the Rust tests have it for three. */
const BOUND = 150_000;

/** Those who know nothing of stamps: they miss what comes while they are away. */
const FORGETFUL = [
  { name: "socket.io-client without stamps", open: forgetful },
  { name: "/ws/stream without since", open: forgetfulStream },
];
const isForgetful = ({ name }) => FORGETFUL.some((kind) => kind.name === name);

/** Which of those who resume listen beside the ones that stop. */
const OTHERS = /js, websocket|EventSource|stream/;

onEveryDatabase("Readers that stop", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("cost little, disturb nobody, and have what they were promised when they read on", async (t) => {
    const writer = await Writer.connect(daemon.url);
    const session_id = writer.session.session_id;
    const since = (await (await fetch(`${daemon.url}/health`)).json()).seq;
    const open = (url, { open, name }) => Object.assign(open(url, since), { name });
    const proxy = await Proxy.open(daemon.port);
    const stopped = [...complete, ...FORGETFUL].map((kind) => open(proxy.url, kind));
    const others = [...complete.filter(({ name }) => OTHERS.test(name)), ...FORGETFUL].map((kind) => open(daemon.url, kind));
    const everybody = [...stopped, ...others];
    // Until all are there: nobody says when a stream without stamps has begun.
    for (let tries = 0; !everybody.every(({ items }) => items.length > 0); tries++) {
      assert.ok(tries < 500, "everybody listens");
      await writer.write();
    }
    const first = writer.written.at(-1);
    await Promise.all(everybody.map((listener) => listener.heard(first)));

    proxy.hold();
    const before = await memory(daemon);
    let most = before;
    const bulks = [];
    const began = Date.now();
    while (bulks.length < EVENTS) {
      const bulk = Array.from({ length: AT_ONCE }, (_, n) => ({ session_id, index: bulks.length + n, content: "x".repeat(400) }));
      const made = await call(writer.socket, "create", "messages/bulk", bulk, {});
      bulks.push(...made.map(({ message_id }) => message_id));
      const last = made.at(-1);
      // The others hear it before there is more.
      const here = ({ items }) => items.at(-1).record.message_id === last.message_id;
      await Promise.all(others.map((listener) => listener.until(() => here(listener), `${listener.name} hears it`)));
      most = Math.max(most, await memory(daemon));
    }
    const grown = most - before;
    t.diagnostic(
      `${bulks.length} events past ${stopped.length} readers that stopped, ` +
        `in ${Date.now() - began} ms: the daemon grew by ${grown} KiB to ${most} KiB`,
    );
    assert.ok(grown < BOUND, `${grown} KiB`);

    proxy.go();
    const end = await writeUntilHeard(writer, everybody.filter(isForgetful));
    const messages = writer.written.map(({ message_id }) => message_id);
    const sent = messages.toSpliced(messages.indexOf(first.message_id) + 1, 0, ...bulks);
    const places = new Map(sent.map((id, place) => [id, place]));
    for (const listener of everybody) {
      const { name, items, sittings, resets } = listener;
      await catchUp(listener, end);
      assert.deepEqual(resets, [], name);
      // A stream without `since` is spared the oldest of what comes at once.
      if (!isForgetful(listener) || (others.includes(listener) && name !== "/ws/stream without since")) {
        assert.deepEqual(tail(items.map(idOf), first), tail(sent, first), name);
        continue;
      }
      if (stopped.includes(listener)) assert.ok(items.length < sent.length, `${name} missed something`);
      for (const sitting of sittings) {
        const heard = sitting.map((item) => places.get(idOf(item))).filter((place) => place !== undefined);
        assert.ok(heard.every((place, index) => index === 0 || place > heard[index - 1]), `${name}: in order, once`);
      }
    }
  });
});

/** Waits until a listener hears a message, as long as it gets on. */
async function catchUp(listener, { message_id }) {
  const { items, name } = listener;
  const here = () => items.at(-1).record.message_id === message_id;
  while (!here()) {
    const more = items.length + AT_ONCE;
    await listener.until(() => here() || items.length >= more, `${name} gets on`);
  }
}

const idOf = ({ record }) => record.message_id;

/** What follows a message. */
const tail = (ids, { message_id }) => ids.slice(ids.indexOf(message_id) + 1);

/** The daemon's own memory, in KiB. @param {Daemon} daemon */
async function memory({ pid }) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)[1]);
}
