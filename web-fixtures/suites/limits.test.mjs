// How much callers may do in a second: each connection, and each user over all connections.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import feathers from "@feathersjs/client";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { Tab, refused, register } from "../support/people.mjs";
import { closeAll, soon } from "../support/wait.mjs";

/** Calls a second; ten times as many may come at once, and four times as many from all of a user's connections. */
const RATE = 5;
const [CONNECTION, USER] = [RATE * 10, RATE * 10 * 4];

const NAMES = ["admin", "ann", "bob", "eve"];

/** @type {Daemon} */
let daemon;
/** @type {Awaited<ReturnType<typeof register>>} */
let people;

before(async () => {
  daemon = await Daemon.start(sqlite, { args: ["--auth", "required", "--calls-per-sec", String(RATE)] });
  people = await register(daemon.url, NAMES);
});
after(() => Promise.all([closeAll(), daemon.stop()]));

const open = (name) => Tab.open(daemon.url, { token: people[name].token });

/** Calls so often at once; the errors of those refused. */
async function flood(times, call) {
  const outcomes = await Promise.allSettled(Array.from({ length: times }, call));
  return outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason);
}

/** Calls until it is not refused. */
async function again(call, what) {
  const tries = async () => {
    while ((await flood(1, call)).length > 0) await sleep(50);
  };
  await soon(tries(), what);
}

function isRefusal(error) {
  assert.equal(error.name, "TooManyRequests");
  assert.equal(error.code, 429);
  assert.equal(error.className, "too-many-requests");
  assert.ok(Number.isInteger(error.data.retryAfter) && error.data.retryAfter >= 1);
}

test("a connection that calls too often is refused, in order, and may call again later", async () => {
  const [busy, calm] = [await open("ann"), await open("ann")];
  const find = () => busy.call("find", "boards", {});
  const errors = await flood(3 * CONNECTION, find);
  assert.ok(errors.length >= CONNECTION, `${errors.length} of ${3 * CONNECTION} were refused`);
  errors.forEach(isRefusal);
  await calm.call("find", "boards", {});
  await again(find, "the connection may call again");
});

test("a user who calls too often over many connections is refused; others are not", async () => {
  const tabs = await Promise.all(Array.from({ length: 16 }, () => open("bob")));
  const calls = tabs.map((tab) => flood(CONNECTION, () => tab.call("find", "boards", {})));
  const errors = (await Promise.all(calls)).flat();
  // No connection calls more often than it may.
  assert.ok(errors.length >= 16 * CONNECTION - 2 * USER, `${errors.length} were refused`);
  errors.forEach(isRefusal);
  await (await open("eve")).call("find", "boards", {});
});

test("REST says when to come back", async () => {
  const get = () => fetch(`${daemon.url}/boards`, { headers: { authorization: `Bearer ${people.eve.token}` } });
  const answers = await Promise.all(Array.from({ length: 2 * USER }, get));
  const refusals = answers.filter(({ status }) => status === 429);
  assert.ok(refusals.length > 0 && refusals.length < answers.length);
  for (const answer of refusals) {
    const error = await answer.json();
    isRefusal(error);
    assert.equal(answer.headers.get("retry-after"), String(error.data.retryAfter));
  }
  const app = feathers().configure(feathers.rest(daemon.url).fetch(fetch));
  const stranger = await refused(app.service("boards").find());
  assert.equal(stranger.name, "NotAuthenticated");
});

test("cursors that move too often stay where they are; who asks is told", async () => {
  const [admin, viewer] = [await open("admin"), await open("admin")];
  const { board_id: boardId } = await admin.call("create", "boards", { name: "a board" }, {});
  const errors = await flood(3 * CONNECTION, () => admin.point(boardId, 1));
  assert.ok(errors.length > 0);
  errors.forEach(isRefusal);
  for (let x = 0; x < 10_000; x++) admin.socket.emit("cursor-move", { boardId, x, y: 0, timestamp: Date.now() });
  await again(() => admin.point(boardId, -1), "the cursor may move again");
  await viewer.hears("cursor-moved", { boardId, x: -1 });
});
