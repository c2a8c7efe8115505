// Eight writers, forty listeners, bad connections, and a daemon that is killed again and again: afterwards
// everybody who resumes has exactly the log. ROOST_CHAOS_SECS says for how long, ROOST_CHAOS_ROUNDS how
// often; ROOST_CHAOS_SEED repeats the clients' choices.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { between, chance, pick } from "../support/chance.mjs";
import { complete, forgetful, writeUntilHeard } from "../support/crowd.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { place, readLog } from "../support/listeners.mjs";
import { Proxy } from "../support/proxy.mjs";
import { Scribe, everything, lastWord, services } from "../support/scribes.mjs";
import { closeAll, soon } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const SECS = Number(process.env.ROOST_CHAOS_SECS ?? 8);
const ROUNDS = Number(process.env.ROOST_CHAOS_ROUNDS ?? 1);
const SEED = Number(process.env.ROOST_CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31));

const WRITERS = 8;
/** Of each kind that resumes. */
const EACH = 6;
const FORGETFUL = 4;

/** What a connection goes through, again and again. */
const FATES = {
  "with a good connection": null,
  "that stops reading": async (proxy, random) => {
    proxy.hold();
    await between(random, 500, 3_000);
    proxy.go();
  },
  "that is reset": (proxy, random) => (random() < 0.5 ? proxy.reset() : proxy.cut()),
};

onEveryDatabase("Chaos", (database) => {
  /** @type {Daemon} */
  let daemon;
  beforeEach(async () => {
    // Who takes no byte for a second is disconnected.
    daemon = await Daemon.start(database, { args: ["--stall-secs", "1"] });
  });
  afterEach(() => Promise.all([closeAll(), daemon.stop()]));

  for (let round = 0; round < ROUNDS; round++) {
    test("whoever resumes has exactly the log, and what was acknowledged is in it", (t) => chaos(t, daemon, SEED + round));
  }
});

/** One round. @param {import("node:test").TestContext} t @param {Daemon} daemon @param {number} seed */
async function chaos(t, daemon, seed) {
  t.diagnostic(`ROOST_CHAOS_SEED=${seed} ROOST_CHAOS_SECS=${SECS}`);
  const random = chance(seed);
  const old = Object.fromEntries(
    await Promise.all(services.map(async ([name]) => [name, await everything(daemon.url, name)])),
  );
  const since = (await (await fetch(`${daemon.url}/health`)).json()).seq;
  const over = new AbortController();

  const listeners = [];
  for (const kind of [...complete, null]) {
    for (let n = 0; n < (kind ? EACH : FORGETFUL); n++) {
      const fate = Object.keys(FATES)[n % 3];
      const proxy = await Proxy.open(daemon.port);
      const listener = kind ? kind.open(proxy.url, since) : forgetful(proxy.url);
      const name = `${kind?.name ?? "no stamps"}, ${fate}, number ${listeners.length}`;
      listeners.push({ kind, listener, proxy, name, suffers: suffer(proxy, FATES[fate], random, over.signal) });
    }
  }
  const scribes = Array.from({ length: WRITERS }, () => new Scribe(daemon.url, random));
  const writing = scribes.map((scribe) => scribe.until(over.signal));
  const kills = await killAgainAndAgain(daemon, scribes, random);
  over.abort();
  await soon(Promise.all([...writing, ...listeners.map(({ suffers }) => suffers)]), "all come to rest");

  const withoutStamps = listeners.filter(({ kind }) => !kind).map(({ listener }) => listener);
  const last = await writeUntilHeard(await Writer.connect(daemon.url), withoutStamps);
  const log = await readLog(daemon.url, since, last);
  const connections = listeners.reduce((sum, { proxy }) => sum + proxy.taken, 0);
  t.diagnostic(`${kills} kills, ${log.length} events, ${listeners.length} listeners, ${connections} connections`);

  assert.deepEqual(
    log.map(({ seq }) => place(seq)),
    log.map((_, index) => place(since) + 1 + index),
    "the log has no gap",
  );
  for (const { kind, listener, name } of listeners) {
    await listener.heard(last).catch((error) => assert.fail(`${name}: ${error.message}`));
    if (kind) assertSame(listener.items, log.flatMap((item) => kind.hears(item) ?? []), name);
    else for (const sitting of listener.sittings) assertWithin(sitting, log, name);
    assert.deepEqual(listener.resets, [], name);
  }
  assertWritten(scribes, log);
  await assertRecords(daemon.url, old, log);
}

/** Lets a connection suffer its fate, again and again. */
async function suffer(proxy, fate, random, over) {
  while (fate && !over.aborted) {
    await between(random, 200, 2_500);
    await fate(proxy, random);
  }
}

/** Kills the daemon in the middle of work until the time is over; how often. */
async function killAgainAndAgain(daemon, scribes, random) {
  const done = () => scribes.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  const end = Date.now() + SECS * 1_000;
  let kills = 0;
  while (Date.now() < end) {
    const before = done();
    await between(random, 100, pick(random, [200, 800, 2_500]));
    await soon(
      (async () => {
        while (done() < before + 50) await between(random, 1, 5);
      })(),
      "the writers get through some work",
    );
    await daemon.restart("SIGKILL");
    kills++;
  }
  return kills;
}

/** Exactly these items, the order of keys included. */
function assertSame(items, expected, name) {
  const [heard, said] = [items, expected].map((list) => list.map((item) => JSON.stringify(item)));
  const wrong = said.findIndex((line, index) => line !== heard[index]);
  if (wrong >= 0) assert.fail(`${name}: item ${wrong} of ${said.length} is\n${heard[wrong]}\nand not\n${said[wrong]}`);
  assert.equal(heard.length, said.length, `${name}: more than there is: ${heard[said.length]}`);
}

/** Some of the log's items, in its order, each once. */
function assertWithin(items, log, name) {
  let at = 0;
  for (const { event, record } of items) {
    const text = JSON.stringify({ event, record });
    while (at < log.length && JSON.stringify({ event: log[at].event, record: log[at].record }) !== text) at++;
    assert.ok(at++ < log.length, `${name}: twice, or not in its place: ${text}`);
  }
}

/** What was acknowledged is in the log, and nothing failed. */
function assertWritten(scribes, log) {
  const said = new Set(log.map(({ event, record }) => JSON.stringify({ event, record })));
  for (const { acknowledged, failures } of scribes) {
    assert.deepEqual(failures, []);
    assert.deepEqual(acknowledged.filter((text) => !said.has(text)), [], "what was acknowledged is in the log");
  }
}

/** The records are as the log left them. */
async function assertRecords(url, old, log) {
  const left = lastWord(log);
  for (const [service, id] of services) {
    const before = new Set(old[service].map((record) => record[id]));
    const records = (await everything(url, service)).filter((record) => !before.has(record[id]));
    const texts = (list) => list.map((record) => JSON.stringify(record)).sort();
    assert.deepEqual(texts(records), texts([...left[service].values()]), `${service} are as the log says`);
  }
}
