// Hive's protocol: who subscribes is told what happens, and what does not fit is said.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher, hiveUrl, tell } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { closeAll, until } from "../support/wait.mjs";

const WELCOME = { type: "connected", message: "Connected to Hive Agent Streaming Server", version: "1.0.0" };
const custom = (stream_id, more = {}) => ({ type: "custom", stream_id, ...more });

onEveryDatabase("Hive", (database) => {
  /** @type {Daemon} */
  let daemon;
  let url;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--hive-listen", "127.0.0.1:0", "--heartbeat-secs", "1"] });
    url = hiveUrl(daemon);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  let last = 0;
  /** Stream ids that no other test uses. */
  const streams = (...names) => names.map((name) => `${name}-${last++}`);

  test("S4-2 who subscribes to everything is told everything, and nothing before", async () => {
    const [stream] = streams("all");
    const watcher = await Watcher.open(url);
    await tell(daemon.url, custom(stream, { data: { early: true } }));
    await watcher.subscribe();
    await tell(daemon.url, custom(stream, { data: { n: 1 } }), custom(`${stream}-too`));
    await watcher.has(2);
    assert.deepEqual(watcher.events.map(({ stream_id, data }) => [stream_id, data]), [[stream, { n: 1 }], [`${stream}-too`, {}]]);
    assert.deepEqual(watcher.frames.slice(0, 2), [
      WELCOME,
      { type: "subscribed", filters: { stream_id: null, execution_id: null, event_types: null } },
    ]);
    assert.equal(watcher.texts, true);
  });

  test("S4-3 S4-4 S4-5 S4-39 filters fit exactly and together, by names in capitals or not", async () => {
    const [own, other] = streams("own", "other");
    const by = [
      { stream_id: own },
      { stream_id: own, event_types: ["EXECUTION_STARTED", "goal_progress"] },
      { execution_id: "e1" },
      { stream_id: own, execution_id: "e1", event_types: ["Custom"] },
      { stream_id: own.toUpperCase() },
    ];
    const watchers = await Promise.all(by.map((filters) => Watcher.of(url, filters)));
    const of = (type, stream_id, execution_id) => ({ type, stream_id, execution_id });
    const told = [
      of("EXECUTION_STARTED", own, "e1"),
      of("goal_progress", own, "e2"),
      of("custom", own, "e1"),
      of("custom", own, "e2"),
      of("execution_started", other, "e1"),
    ];
    const marks = [own, other, own.toUpperCase()].map((stream) => of("goal_progress", stream, "e1"));
    await tell(daemon.url, ...told, ...marks, of("custom", own, "e1"));
    const everything = await Watcher.of(url, { since: "0", execution_id: "e1" });
    await until(() => watchers[3].events.length === 2, "the last event comes");
    await everything.has(7);
    const got = watchers.map(({ events }) => events.map(({ type, stream_id, execution_id }) => of(type, stream_id, execution_id)));
    const lower = (event) => ({ ...event, type: event.type.toLowerCase() });
    const all = [...told, ...marks, of("custom", own, "e1")].map(lower);
    assert.deepEqual(got, [
      all.filter(({ stream_id }) => stream_id === own),
      all.filter(({ stream_id, type }) => stream_id === own && type !== "custom"),
      all.filter(({ execution_id }) => execution_id === "e1"),
      all.filter((event) => event.stream_id === own && event.execution_id === "e1" && event.type === "custom"),
      [marks[2]],
    ]);
  });

  test("S4-6 a second subscription replaces the first, and what was published before still comes", async () => {
    const [first, second] = streams("first", "second");
    const watcher = await Watcher.open(url);
    watcher.send({ action: "subscribe" });
    watcher.send({ action: "subscribe", stream_id: first });
    await until(() => watcher.answers.length === 2, "both are answered");
    await tell(daemon.url, custom(second), custom(first, { data: { n: 1 } }));
    await watcher.has(1);
    await tell(daemon.url, custom(first, { data: { n: 2 } }));
    watcher.send({ action: "subscribe", stream_id: second });
    await until(() => watcher.answers.length === 3, "the third is answered");
    await tell(daemon.url, custom(first, { data: { n: 3 } }), custom(second, { data: { n: 4 } }));
    await watcher.has(3);
    assert.deepEqual(watcher.events.map(({ data }) => data.n), [1, 2, 4]);
  });

  test("S4-7 S4-8 S4-9 an event has six keys and a type in lower case; other frames have other types", async () => {
    const [stream] = streams("form");
    const watcher = await Watcher.of(url, { stream_id: stream });
    const at = "2026-11-21T00:38:19.511+01:00";
    await tell(daemon.url, { type: "STATE_CHANGED", stream_id: stream, data: { key: "k", old_value: 1, new_value: 2 }, timestamp: at, correlation_id: "c" });
    await tell(daemon.url, custom(stream));
    const [{ timestamp, ...event }, { timestamp: now }] = await watcher.has(2);
    assert.deepEqual(event, {
      ...{ type: "state_changed", stream_id: stream, execution_id: null },
      ...{ data: { key: "k", old_value: 1, new_value: 2 }, correlation_id: "c" },
    });
    assert.deepEqual(Object.keys(watcher.events[0]), ["type", "stream_id", "execution_id", "data", "timestamp", "correlation_id"]);
    assert.equal(timestamp, "2026-11-20T23:38:19.511Z");
    assert.match(now, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(watcher.frames.map(({ type }) => type), ["connected", "subscribed", "event", "event"]);
    assert.deepEqual(Object.keys(watcher.frames[2]), ["type", "event"]);
  });

  test("S4-41 pings, unsubscribing and errors are answered, and end nothing", async () => {
    const [stream] = streams("errors");
    const watcher = await Watcher.of(url, { stream_id: stream });
    const error = (message) => ({ type: "error", message });
    for (const [said, answer] of [
      [{ action: "ping" }, { type: "pong" }],
      ["rubbish", error("Invalid JSON")],
      ["[]", error("Invalid JSON")],
      ["7", error("Invalid JSON")],
      [{ action: "nope" }, error("Unknown action: nope")],
      [{}, error("Unknown action: None")],
      [{ action: "subscribe", event_types: ["NOPE"] }, error("Invalid event type: 'NOPE' is not a valid EventType")],
      [{ action: "subscribe", event_types: "custom" }, error("event_types must be a list of event types")],
      [{ action: "subscribe", stream_id: 7 }, error("stream_id must be a string")],
      [{ action: "subscribe", since: "yesterday" }, error('`since` is neither "now", "0" nor a stamp that this daemon gave')],
    ]) {
      assert.deepEqual(await watcher.ask(said), answer, JSON.stringify(said));
    }
    // The subscription is what it was.
    await tell(daemon.url, custom(`${stream}-other`), custom(stream));
    await watcher.has(1);
    assert.equal(watcher.events[0].stream_id, stream);
    for (let n = 0; n < 2; n++) assert.deepEqual(await watcher.ask({ action: "unsubscribe" }), { type: "unsubscribed" });
    await tell(daemon.url, custom(stream, { data: { unheard: true } }));
    const echoed = { stream_id: stream, execution_id: "", event_types: [] };
    assert.deepEqual((await watcher.subscribe(echoed)).filters, echoed);
    await tell(daemon.url, custom(stream, { data: { heard: true } }));
    await watcher.has(2);
    assert.deepEqual(watcher.events[1].data, { heard: true });
  });

  test("S4-40 clients may send binary frames, and are sent text", async () => {
    const [stream] = streams("binary");
    const watcher = await Watcher.open(url);
    assert.deepEqual(await watcher.ask(Buffer.from('{"action":"ping"}')), { type: "pong" });
    await watcher.ask(Buffer.from(JSON.stringify({ action: "subscribe", stream_id: stream })));
    assert.deepEqual(await watcher.ask(Buffer.from([0xff, 0xfe])), { type: "error", message: "Invalid JSON" });
    await tell(daemon.url, custom(stream));
    await watcher.has(1);
    assert.equal(watcher.texts, true);
  });

  test("S4-26 any path is Hive where it alone listens, three on the shared port; an idle connection stays", async () => {
    const [stream] = streams("paths");
    const at = ["", "/", "/stream", "/hive", "/hive/events", "/a/b?c=d", "/%ff"].map((path) => url + path);
    at.push(...["", "/stream", "/hive"].map((path) => daemon.url + path));
    const watchers = await Promise.all(at.map((place) => Watcher.of(place, { stream_id: stream })));
    let pings = 0;
    watchers.at(-1).socket.on("ping", () => pings++);
    await until(() => pings >= 3, "three pings come while nothing else does");
    await tell(daemon.url, custom(stream));
    for (const watcher of watchers) await watcher.has(1);
    assert.equal((await sendJson(url, "GET", "/stream")).status, 404);
    assert.equal((await sendJson(url, "GET", "/sessions")).status, 404);
    assert.equal((await sendJson(daemon.url, "GET", "/")).json.name, "roost");
    const { status, json } = await sendJson(url, "POST", "/hive/events", custom(stream));
    assert.deepEqual([status, json.stream_id], [201, stream]);
  });

  test("who does not answer pings is taken as gone", async () => {
    const watcher = await Watcher.open(url, { autoPong: false });
    assert.equal((await watcher.end()).code, 1002);
  });

  test("S4-28 who connects and goes leaves nothing behind", async () => {
    const [stream] = streams("health");
    const watcher = await Watcher.of(url, { stream_id: stream });
    for (let n = 0; n < 20; n++) (await Watcher.open(url)).socket[n % 2 ? "close" : "terminate"]();
    await tell(daemon.url, custom(stream));
    await watcher.has(1);
  });

  test("S4-37 S4-38 what is told by any process reaches each of many clients by its own filter, in order", async () => {
    const names = streams(..."abcdefghij");
    const watchers = await Promise.all(names.flatMap((stream_id) => [1, 2, 3].map(() => Watcher.of(url, { stream_id }))));
    const all = await Watcher.of(daemon.url, { event_types: ["CUSTOM"] });
    for (let n = 0; n < 5; n++) await tell(daemon.url, ...names.map((stream) => custom(stream, { data: { n } })));
    for (const [index, watcher] of watchers.entries()) {
      const events = await watcher.has(5);
      assert.deepEqual(events.map(({ data }) => data.n), [0, 1, 2, 3, 4]);
      assert.ok(events.every(({ stream_id }) => stream_id === names[Math.floor(index / 3)]));
    }
    assert.equal((await all.has(50)).length, 50);
  });

  test("since a stamp, now or the start, the log is told without gap, and each event has its stamp", async () => {
    const [stream] = streams("since");
    const watcher = await Watcher.of(url, { stream_id: stream, since: "now" });
    await tell(daemon.url, ...Array.from({ length: 600 }, (_, n) => custom(stream, { data: { n } })));
    await watcher.has(600);
    const stamps = watcher.frames.filter(({ type }) => type === "event").map(({ seq }) => seq);
    assert.ok(stamps.every((seq) => /^.+-\d+$/.test(seq)) && new Set(stamps).size === 600);
    assert.deepEqual(Object.keys(watcher.frames.at(-1)), ["type", "event", "seq"]);
    for (const [since, first] of [[stamps[99], 100], ["0", 0]]) {
      const again = await Watcher.of(url, { stream_id: stream, since });
      assert.deepEqual((await again.has(600 - first)).map(({ data }) => data.n), Array.from({ length: 600 - first }, (_, n) => first + n));
    }
    const other = await Watcher.of(url, { stream_id: stream, since: "another-log-1" });
    await until(() => other.answers.length === 2, "the reset is told");
    const { type, reason, latest } = other.answers[1];
    assert.deepEqual([type, reason], ["reset", "other_log"]);
    const next = await Watcher.of(url, { stream_id: stream, since: latest });
    await tell(daemon.url, custom(stream, { data: { n: 600 } }));
    for (const one of [other, next]) assert.equal((await one.has(1))[0].data.n, 600);
  });
});
