// Hive in trouble: where it may listen, clients that do not read or say too much, and daemons that end.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { roost } from "../support/command.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { Watcher, hiveUrl, tell } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** @type {Daemon} */
let daemon;
let url;
before(async () => {
  daemon = await Daemon.start(sqlite, { args: ["--hive-listen", "127.0.0.1:0"] });
  url = hiveUrl(daemon);
});
after(() => Promise.all([closeAll(), daemon.stop()]));

const custom = (stream_id, data = {}) => ({ type: "custom", stream_id, data });

test("S4-1 `stream` is the daemon with a listener for Hive; one that others reach must be meant", async () => {
  const { url: database, folder, drop } = await sqlite.create();
  const listen = ["--listen", "127.0.0.1:0", "stream", "--host", "0.0.0.0", "--port", "0"];
  const refused = await roost({ url: database, folder }, listen);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /0\.0\.0\.0 can be reached from other machines.*--auth required, or --allow-open/);
  await drop();
  for (const allowed of [["--allow-open"], ["--auth", "required"]]) {
    const args = ["stream", "--host", "0.0.0.0", "--port", "0", "--log-level", "INFO", ...allowed];
    const own = await Daemon.start(sqlite, { args });
    const watcher = await Watcher.open(hiveUrl(own));
    if (allowed[0] === "--allow-open") await watcher.subscribe();
    watcher.socket.terminate();
    await own.stop();
  }
});

test("S4-27 a daemon that is told to stop says so, and comes back for those who come back", async () => {
  const own = await Daemon.start(sqlite, { args: ["stream", "--port", "0"] });
  const watcher = await Watcher.of(hiveUrl(own), { stream_id: "s", since: "now" });
  await tell(own.url, custom("s", { n: 1 }));
  await watcher.has(1);
  assert.deepEqual(await own.kill("SIGTERM"), { code: 0, signal: null });
  assert.deepEqual(await watcher.end(), { code: 1001, reason: "the daemon stops" });
  await own.restart();
  await tell(own.url, custom("s", { n: 2 }));
  const again = await Watcher.of(hiveUrl(own), { stream_id: "s", since: watcher.frames.at(-1).seq });
  assert.deepEqual((await again.has(1)).map(({ data }) => data.n), [2]);
  await closeAll();
  await own.stop();
});

test("a client that does not read is told that it was too slow, and of no event after one that it lost", async () => {
  const watchers = [];
  for (const filters of [{ stream_id: "slow" }, { stream_id: "slow", since: "now" }, { stream_id: "quiet" }]) {
    watchers.push(await Watcher.of(url, filters));
  }
  const [slow, resumes, quiet] = watchers;
  for (const { socket } of watchers) socket.pause();
  const filler = "x".repeat(8_000);
  const events = (stream, from, count) => Array.from({ length: count }, (_, n) => custom(stream, { n: from + n, filler }));
  // More than sockets hold and a queue of a thousand.
  for (let n = 0; n < 5_000; n += 500) await tell(daemon.url, ...events("slow", n, 500));
  await tell(daemon.url, custom("quiet", { last: true }));
  for (const { socket } of watchers) socket.resume();
  assert.deepEqual(await slow.end(), { code: 1013, reason: "slow consumer" });
  const numbers = slow.events.map(({ data }) => data.n);
  assert.ok(numbers.length >= 400 && numbers.length < 5_000, String(numbers.length));
  assert.deepEqual(numbers, numbers.map((_, n) => n), "without a gap");
  // Who has a place in the log reads on, and others' events took nobody's room.
  assert.deepEqual((await resumes.has(5_000)).map(({ data }) => data.n), Array.from({ length: 5_000 }, (_, n) => n));
  assert.deepEqual((await quiet.has(1))[0].data, { last: true });
  const metrics = (await sendJson(daemon.url, "GET", "/metrics")).text;
  assert.match(metrics, /roost_overflows_total\{protocol="hive",policy="cut_off"\} 1/);
});

test("a frame of two megabytes ends the connection with 1009, one of almost one is read", async () => {
  const watcher = await Watcher.open(url);
  const padded = (length) => JSON.stringify({ action: "ping", filler: "x".repeat(length) });
  assert.deepEqual(await watcher.ask(padded(1_000_000)), { type: "pong" });
  watcher.send(padded(2_000_000));
  assert.equal((await watcher.end()).code, 1009);
  const binary = await Watcher.open(url);
  binary.send(Buffer.alloc(2_000_000));
  assert.equal((await binary.end()).code, 1009);
});

test("a client that says a lot at once is answered all of it, in order", async () => {
  const watcher = await Watcher.open(url);
  const bad = ["", "nul\0", '{"action":"subscribe","event_types":[[]]}', `[${"[".repeat(100_000)}`, '{"action":{}}', '{"action":"subscribe","event_types":{"a":1}}'];
  for (const frame of bad) assert.equal((await watcher.ask(frame)).type, "error", frame.slice(0, 50));
  const before = watcher.answers.length;
  for (let n = 0; n < 5_000; n++) watcher.send({ action: "subscribe", stream_id: `many-${n}` });
  await until(() => watcher.answers.length === before + 5_000, "all are answered");
  assert.deepEqual(watcher.answers.slice(before).map(({ filters }) => filters.stream_id), Array.from({ length: 5_000 }, (_, n) => `many-${n}`));
  await tell(daemon.url, custom("many-0"), custom("many-4998"), custom("many-4999"));
  await watcher.has(1);
  assert.deepEqual(watcher.events.map(({ stream_id }) => stream_id), ["many-4999"]);
  for (let n = 0; n < 500; n++) watcher.send({ action: "subscribe", stream_id: "many-0", since: "now" });
  await until(() => watcher.answers.length === before + 5_500, "these, too");
  await tell(daemon.url, custom("many-0"));
  await watcher.has(2);
  assert.equal(watcher.events.length, 2);
});

test("pages from elsewhere do not reach it", async () => {
  for (const headers of [{ origin: "https://evil.example" }, { host: "evil.example" }]) {
    for (const at of [url, `${daemon.url}/hive`]) {
      await assert.rejects(Watcher.open(at, { headers }), /403/);
    }
    assert.equal((await fetch(`${url}/hive/events`, { method: "POST", headers: { origin: "https://evil.example" } })).status, 403);
  }
});
