// Who subscribes anew on Hive loses nothing between the one subscription and the other, nor hears it twice.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, tell } from "../support/hive.mjs";
import { closeAll, until } from "../support/wait.mjs";

const custom = (stream_id, n) => ({ type: "custom", stream_id, data: { n } });
const numbers = (count, first = 0) => Array.from({ length: count }, (_, n) => first + n);

onEveryDatabase("Subscribing anew on Hive", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** What came, as events' numbers and answers' streams, in order. */
  const story = (watcher) => watcher.frames.slice(1).map(({ event, filters, type }) => event?.data.n ?? filters?.stream_id ?? type);

  test("S4-6 a story that is told from the log is told up to where it is replaced", async () => {
    for (let n = 0; n < 3_000; n += 1_000) await tell(daemon.url, ...numbers(1_000, n).map((n) => custom("long", n)));
    for (const [turn, since] of [undefined, "now", "0"].entries()) {
      const watcher = await Watcher.open(daemon.url);
      const second = `second-${since}`;
      watcher.send({ action: "subscribe", stream_id: "long", since: "0" });
      watcher.send({ action: "subscribe", stream_id: second, since });
      watcher.send({ action: "ping" });
      await until(() => watcher.answers.length === 3, "all are answered");
      await tell(daemon.url, custom("long", 3_000 + turn), custom(second, "heard"));
      await until(() => story(watcher).at(-1) === "heard", "the second is told what is its");
      assert.deepEqual(story(watcher), ["long", ...numbers(3_000 + turn), second, "pong", "heard"]);
    }
  });

  test("S4-6 one that is not read yet gives way to none, and the other way round", async () => {
    const watcher = await Watcher.open(daemon.url);
    watcher.send({ action: "subscribe", stream_id: "long", since: "0" });
    watcher.send({ action: "unsubscribe" });
    watcher.send({ action: "subscribe", stream_id: "after" });
    await until(() => watcher.answers.length === 3, "all are answered");
    await tell(daemon.url, custom("after", 1));
    await until(() => watcher.events.at(-1)?.stream_id === "after", "the last is told");
    assert.deepEqual(watcher.answers.map(({ type }) => type), ["subscribed", "unsubscribed", "subscribed"]);
  });

  test("a subscription that is replaced while much is told loses no event, and tells none twice", async () => {
    const watcher = await Watcher.of(daemon.url, { stream_id: "busy" });
    let told = 0;
    let done = false;
    const telling = (async () => {
      while (!done) await tell(daemon.url, ...numbers(5, (told += 5) - 5).map((n) => custom("busy", n)));
    })();
    try {
      for (let turn = 0; turn < 200; turn++) {
        await watcher.subscribe({ stream_id: "busy", ...(turn % 3 ? { since: "now" } : {}) });
      }
    } finally {
      done = true;
      await telling;
    }
    await watcher.has(told);
    assert.deepEqual(watcher.events.map(({ data }) => data.n), numbers(told));
  });
});
