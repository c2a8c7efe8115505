// Feathers 6, unmodified (npm feathers 6.0.0-pre.11): its REST calls, and its realtime events over the
// stream that its client opens with `find`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { feathers } from "feathers-6";
import { fetchClient } from "feathers-6/client";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { Listener } from "../support/listeners.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const EVENTS = ["created", "updated", "patched", "removed"];

/**
 * A Feathers 6 app that listens.
 *
 * @param {string} url
 * @param {string} path what its stream's service is called
 * @param {{params?: object, services?: string[], headers?: Record<string, string>}} [options]
 */
async function open(url, path, { params = {}, services = ["boards", "messages"], headers = {} } = {}) {
  let closed = false;
  const withHeaders = (input, init) => {
    // The one error after which the client does not try again.
    if (closed) return Promise.reject(new DOMException("closed", "AbortError"));
    return fetch(input, { ...init, headers: { ...init.headers, ...headers } });
  };
  const sse = { path, params, reconnectionDelay: 20, reconnectionDelayMax: 50 };
  const app = feathers().configure(fetchClient(withHeaders, { baseUrl: url, sse }));
  const listener = new Listener();
  listener.client = app;
  const stream = app.service(path);
  let controller;
  stream.on("connected", (given) => {
    controller = given;
    listener.hear({ event: "connected" });
  });
  stream.on("disconnected", (error) => listener.hear({ event: "disconnected", error }));
  stream.on("error", (error) => listener.hear({ event: "error", error }));
  stream.on("reset", (record) => listener.reset(record));
  for (const service of services) {
    for (const event of EVENTS) {
      app.service(service).on(event, (record) => listener.hear({ event: `${service} ${event}`, record }));
    }
  }
  listener.close = async () => {
    closed = true;
    controller?.abort();
  };
  keep(listener.close);
  await app.setup();
  return listener;
}

const heard = (listener) => listener.items.map(({ event }) => event);

onEveryDatabase("Feathers 6", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--heartbeat-secs", "1"] });
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("hears of every service's changes, as it made them", async () => {
    const listener = await open(daemon.url, "sse");
    await listener.count(1);
    const boards = listener.client.service("boards");
    const board = await boards.create({ name: "six" });
    const patched = await boards.patch(board.board_id, { name: "seven" });
    const { session_id } = await listener.client.service("sessions").create({});
    const message = await listener.client.service("messages").create({ session_id, content: "hi" });
    const removed = await boards.remove(board.board_id);
    await listener.count(5);
    assert.deepEqual(listener.items, [
      { event: "connected" },
      { event: "boards created", record: board },
      { event: "boards patched", record: patched },
      { event: "messages created", record: message },
      { event: "boards removed", record: removed },
    ]);
    const page = await listener.client.service("events").find({ query: { source: "boards", $limit: 1 } });
    assert.equal(page.data.length, 1);
  });

  test("hears of one service's changes, and of what a query narrows them to", async () => {
    const all = await open(daemon.url, "sse");
    const messages = await open(daemon.url, "sse/messages");
    await Promise.all([all.count(1), messages.count(1)]);
    const { app } = { app: all.client };
    const { session_id } = await app.service("sessions").create({});
    const other = await app.service("sessions").create({});
    const narrow = await open(daemon.url, "sse", { params: { query: { session: session_id, name: { $in: ["created"] } } } });
    await narrow.count(1);
    const create = (session_id) => app.service("messages").create({ session_id });
    await create(other.session_id);
    await app.service("boards").create({ name: "x" });
    const mine = await create(session_id);
    await Promise.all([all, messages, narrow].map((listener) => listener.heard(mine)));
    assert.deepEqual(heard(messages), ["connected", "messages created", "messages created"]);
    assert.deepEqual(narrow.items, [{ event: "connected" }, { event: "messages created", record: mine }]);
    assert.deepEqual(heard(all), ["connected", "messages created", "boards created", "messages created"]);
  });

  test("is told where it is, in its own form, and nothing that it came in with", async () => {
    const response = await fetch(`${daemon.url}/sse/boards?since=0&token=abc&level=info`);
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (text.split("\n\n").length < 3) {
      text += decoder.decode((await soon(reader.read(), "two items")).value, { stream: true });
    }
    const [first, second] = text.split("\n\n");
    assert.equal(first, 'data: {"event":"connected","data":{"level":"info"},"path":"sse/boards"}');
    assert.match(second, /^id: [^\n]+-1\ndata: \{"event":"created","data":\{"board_id":.*\},"path":"boards"\}$/);
    await reader.cancel();
  });

  test("what there is not is refused in Feathers' words", async () => {
    for (const [path, status, text] of [
      ["/sse/nothing", 404, /^Path \/sse\/nothing not found$/],
      ["/sse/boards/1", 404, /^Path/],
      ["/sse?x=1", 400, /^Unknown parameter 'x'/],
    ]) {
      const { status: answered, json } = await http(daemon.url, path);
      assert.equal(answered, status, path);
      assert.match(json.message, text);
    }
    const listener = await open(daemon.url, "sse/nothing", { services: [] });
    await listener.count(1);
    assert.equal(listener.items[0].event, "disconnected");
    assert.deepEqual([listener.items[0].error.code, listener.items[0].error.name], [404, "NotFound"]);
  });

  test("comes back after a restart, in good order or not", async () => {
    const listener = await open(daemon.url, "sse");
    await listener.count(1);
    for (const signal of ["SIGTERM", "SIGKILL"]) {
      const before = heard(listener).filter((event) => event === "connected").length;
      await daemon.restart(signal);
      const connected = () => heard(listener).filter((event) => event === "connected").length > before;
      await listener.until(connected, "is connected again");
      const board = await listener.client.service("boards").create({ name: signal });
      const told = () => listener.items.some(({ record }) => record?.board_id === board.board_id);
      await listener.until(told, "hears again");
    }
    assert.ok(!heard(listener).includes("error"));
  });

  test("goes on where an app says: one that keeps a stamp misses nothing", async () => {
    const page = await (await fetch(`${daemon.url}/events?$sort[seq]=-1&$limit=1`)).json();
    const created = await (
      await fetch(`${daemon.url}/boards`, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })
    ).json();
    const listener = await open(daemon.url, "sse", { params: { query: { since: page.data[0].seq } } });
    await listener.count(2);
    assert.deepEqual(listener.items, [{ event: "connected" }, { event: "boards created", record: created }]);
    const lost = await open(daemon.url, "sse", { params: { query: { since: "other-1" } } });
    await lost.until(() => lost.resets.length > 0, "is told that it must read anew");
    assert.equal(lost.resets[0].reason, "other_log");
  });
});

onEveryDatabase("Feathers 6, logged in", (database) => {
  test("hears what its user may, until the login is over", async () => {
    const daemon = await Daemon.start(database, { args: ["--auth", "required"] });
    try {
      const people = await register(daemon.url, ["admin", "ann", "bob"]);
      const as = (name) => ({ headers: { authorization: `Bearer ${people[name].token}` } });
      const stranger = await open(daemon.url, "sse");
      await stranger.count(1);
      assert.deepEqual([heard(stranger)[0], stranger.items[0].error.code], ["disconnected", 401]);
      const [admin, ann, bob] = await Promise.all(["admin", "ann", "bob"].map((name) => open(daemon.url, "sse", as(name))));
      const query = { params: { query: { token: people.ann.token } } };
      const byQuery = await open(daemon.url, "sse", query);
      await Promise.all([admin, ann, bob, byQuery].map((listener) => listener.count(1)));
      const create = (data) => ann.client.service("boards").create(data);
      await create({ name: "secret", visibility: "private" });
      const last = await create({ name: "last" });
      const told = (listener) => listener.until(() => listener.items.some(({ record }) => record?.board_id === last.board_id), "hears the last");
      await Promise.all([admin, ann, bob, byQuery].map(told));
      const names = (listener) => listener.items.slice(1).map(({ record }) => record.name);
      assert.deepEqual([admin, ann, byQuery, bob].map(names), [
        ["secret", "last"],
        ["secret", "last"],
        ["secret", "last"],
        ["last"],
      ]);
      await admin.client.service("users").remove(people.bob.id);
      const out = () => bob.items.some(({ error }) => error?.code === 401 || error?.code === 404);
      await soon(bob.until(out, "is let in no more"), "the removed user");
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
});
