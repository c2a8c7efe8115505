// What the suites of bad input share: two daemons, what is said of errors, and what must be so at the end.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { call } from "./call.mjs";
import { Daemon } from "./daemon.mjs";
import { http, sendJson } from "./http.mjs";
import { polling, websocket } from "./listeners.mjs";
import { closeAll } from "./wait.mjs";

export const SERVICES = ["sessions", "tasks", "messages", "boards", "repos"];
export const JSON_KIND = { "content-type": "application/json" };
export const FORM = { "content-type": "application/x-www-form-urlencoded" };
export const MEGABYTE = 1_048_576;

/**
 * Runs a daemon, and one that takes a megabyte at most, around a suite.
 *
 * @param {import("./databases.mjs").Database} database
 * @param {(running: {daemon: Daemon, small: Daemon}) => void} started
 * @returns {() => void} adds the suite's last test: all goes on, and nothing is stored that was refused
 */
export function serve(database, started) {
  let daemon;
  let small;
  let start;
  before(async () => {
    [daemon, small] = await Promise.all([
      Daemon.start(database),
      Daemon.start(database, { args: ["--max-message", `${MEGABYTE}`] }),
    ]);
    start = await totals(daemon);
    started({ daemon, small });
  });
  // Stopping says so if a daemon logged a failure or a panic.
  after(() => Promise.all([closeAll(), daemon.stop(), small.stop()]));
  return () => {
    test("after all of it the daemon serves, and nothing is stored that was refused", async () => {
      for (const way of [websocket, polling]) {
        const listener = await way.open(daemon.url);
        assert.equal((await call(listener.client, "find", "health", {})).status, "ok");
        const board = await call(listener.client, "create", "boards", { name: "after" }, {});
        assert.deepEqual(listener.items.at(-1).record, board);
        await call(listener.client, "remove", "boards", board.board_id, {});
      }
      for (const service of ["sessions", "messages", "tasks"]) await http(daemon.url, `/${service}`, { method: "DELETE" });
      assert.deepEqual(await totals(daemon), start);
    });
  };
}

/**
 * An error as Feathers has it, with this code, that tells nothing of the inside.
 *
 * @param {import("./http.mjs").Answer} answer
 * @param {number} code
 * @param {string} [over]
 */
export function assertError({ status, headers, json, text }, code, over = "") {
  assert.equal(status, code, `${over} ${text.slice(0, 300)}`);
  assert.match(headers["content-type"] ?? "", /^application\/json/, `${over} ${text.slice(0, 300)}`);
  assert.equal(json?.code, code, over);
  for (const key of ["name", "message", "className"]) assert.ok(json[key], `${over} ${text}`);
  assertHarmless(json, over);
  return json;
}

/** An error tells no SQL that was not sent, no path, no source. */
export function assertHarmless({ message }, over) {
  assert.doesNotMatch(message, /SELECT .* FROM|INSERT INTO|sqlx|rusqlite|sea.?orm|\.rs:|syntax error|\/tmp\//i, over);
}

/** The name of a service's id. @param {string} service */
export const idOf = (service) => `${service.slice(0, -1)}_id`;

/** The least that a service takes. */
export function fields(service, { session_id }) {
  if (service === "messages" || service === "tasks") return { session_id };
  return service === "repos" ? { slug: randomUUID() } : {};
}

/** A service's fields that hold any text. */
export function stringsOf(service, text) {
  return {
    sessions: { description: text, agent_version: text },
    messages: { content: text, content_preview: text },
    tasks: { description: text, full_prompt: text, model: text },
    boards: { name: text, description: text, color: text, icon: text, slug: text },
    repos: { name: text, local_path: text, remote_url: text, default_branch: text },
  }[service];
}

/** Creates a record over REST. */
export async function created(daemon, service, data) {
  const { status, json, text } = await sendJson(daemon.url, "POST", `/${service}`, data);
  assert.equal(status, 201, `${service} ${JSON.stringify(data)}: ${text}`);
  return json;
}

/** Removes a record over REST. */
export async function removed(daemon, service, record) {
  const { status, text } = await http(daemon.url, `/${service}/${record[idOf(service)]}`, { method: "DELETE" });
  assert.equal(status, 200, text);
}

/** What each service holds. */
export async function totals(daemon) {
  const total = async (service) => [service, (await http(daemon.url, `/${service}?$limit=0`)).json?.total];
  return Object.fromEntries(await Promise.all(SERVICES.map(total)));
}

/** No record holds a value that was refused. */
export async function assertStored(daemon, service, field, value, over) {
  const { json } = await http(daemon.url, `/${service}?$limit=1000`);
  const holds = (record) => JSON.stringify(record[field]) === JSON.stringify(value);
  assert.ok(!json.data.some(holds), over);
}
