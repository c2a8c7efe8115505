// Readers that stop, of every kind, while very much happens: the daemon's memory stays small, the others
// notice nothing, and when they read on they have what they were promised. ROOST_STALL_EVENTS says how
// much happens: 20,000 events unless it is said, 100,000 in `make soak`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { call } from "../support/call.mjs";
import { complete, forgetful, forgetfulStream } from "../support/crowd.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Proxy } from "../support/proxy.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const EVENTS = Number(process.env.ROOST_STALL_EVENTS ?? 20_000);
const AT_ONCE = 1_000;
/** What the daemon may take for all that stopped, in KiB: as the Rust tests have it for three. */
const BOUND = 150_000;

onEveryDatabase("Readers that stop", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("cost little, disturb nobody, and have what they were promised when they read on", async (t) => {
    const writer = await Writer.connect(daemon.url);
    const session_id = writer.session.session_id;
    const since = (await (await fetch(`${daemon.url}/health`)).json()).seq;
    const open = (url) => ({
      whole: complete.map(({ name, open }) => Object.assign(open(url, since), { name })),
      forgetful: [
        Object.assign(forgetful(url), { name: "socket.io-client without stamps" }),
        Object.assign(forgetfulStream(url), { name: "/ws/stream without since" }),
      ],
    });
    const proxy = await Proxy.open(daemon.port);
    const [stopped, healthy] = [open(proxy.url), open(daemon.url)];
    const everybody = [stopped, healthy].flatMap(({ whole, forgetful }) => [...whole, ...forgetful]);
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
    let sent = 0;
    const began = Date.now();
    for (; sent < EVENTS; sent += AT_ONCE) {
      const bulk = Array.from({ length: AT_ONCE }, (_, n) => ({ session_id, index: sent + n, content: "x".repeat(400) }));
      const last = (await call(writer.socket, "create", "messages/bulk", bulk, {})).at(-1);
      // The others hear it before there is more.
      await Promise.all([...healthy.whole, ...healthy.forgetful].map((listener) => listener.heard(last)));
      most = Math.max(most, await memory(daemon));
    }
    const grown = most - before;
    t.diagnostic(
      `${sent} events past ${stopped.whole.length + stopped.forgetful.length} readers that stopped, ` +
        `in ${Date.now() - began} ms: the daemon grew by ${grown} KiB to ${most} KiB`,
    );
    assert.ok(grown < BOUND, `${grown} KiB`);

    proxy.go();
    const expected = healthy.forgetful[0].items.filter(({ record }) => record.session_id === session_id);
    let end = await writer.write();
    // Whoever has no stamps may miss this one on its way back.
    await until(async () => {
      if (stopped.forgetful.every(({ items }) => items.at(-1)?.record.message_id === end.message_id)) return true;
      end = await writer.write();
    }, "those without stamps are back");
    await healthy.forgetful[0].heard(end);
    const ids = healthy.forgetful[0].items.map(idOf);
    assert.equal(ids.length - expected.length > 0, true);
    for (const listener of [...stopped.whole, ...healthy.whole]) {
      await soon(listener.heard(end), listener.name);
      assert.deepEqual(tail(listener.items.map(idOf), first), tail(ids, first), listener.name);
      assert.deepEqual(listener.resets, [], listener.name);
    }
    const healthyStream = healthy.forgetful[1];
    await healthyStream.heard(end);
    assert.deepEqual(tail(healthyStream.items.map(idOf), first), tail(ids, first), healthyStream.name);
    const places = new Map(ids.map((id, place) => [id, place]));
    for (const { sittings, items, name } of stopped.forgetful) {
      assert.ok(items.length < ids.length, `${name} missed something`);
      for (const sitting of sittings) {
        const heard = sitting.map((item) => places.get(idOf(item))).filter((place) => place !== undefined);
        assert.ok(heard.every((place, index) => index === 0 || place > heard[index - 1]), `${name}: in order, once`);
      }
    }
  });
});

const idOf = ({ record }) => record.message_id;

/** What follows a message. */
const tail = (ids, { message_id }) => ids.slice(ids.indexOf(message_id) + 1);

/** The daemon's own memory, in KiB. @param {Daemon} daemon */
async function memory({ pid }) {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)[1]);
}
