// The log as a service, and its streams' filters: what each caller finds is what the same caller hears.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import feathers from "@feathersjs/client";
import { EventSource } from "eventsource";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { place } from "../support/listeners.mjs";
import { refused, register, Tab } from "../support/people.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const KEYS = [
  "seq", "id", "at", "source", "name", "level", "actor", "correlation_id", "topics", "message", "data",
];

const hasCurl = await promisify(execFile)("curl", ["--version"]).then(() => true, () => false);

onEveryDatabase("The log", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Record<string, {id: string, token: string}>} */
  let people;
  /** A socket for each of them. @type {Record<string, Tab>} */
  const tabs = {};
  /** Ids of what there is. */
  const ids = {};
  /** The log, as the admin finds it. @type {any[]} */
  let log;

  before(async () => {
    const args = ["--auth", "required", "--heartbeat-secs", "1"];
    daemon = await Daemon.start(database, { args });
    people = await register(daemon.url, ["admin", "ann", "bob"]);
    for (const [name, { token }] of Object.entries(people)) tabs[name] = await Tab.open(daemon.url, { token });
    const create = (name, service, data) => tabs[name].call("create", service, data, {});
    for (const [visibility, name] of [["public", "bob"], ["private", "ann"], ["private", "admin"]]) {
      const { board_id } = await create(name, "boards", { visibility, name: `${name}'s` });
      const { session_id } = await create(name, "sessions", { board_id });
      const { task_id } = await create(name, "tasks", { session_id });
      for (const content of ["one", "two"]) await create(name, "messages", { session_id, task_id, content });
      ids[name] = { board_id, session_id, task_id };
    }
    await create("ann", "api-keys", { name: "a key", scopes: ["read"] });
    log = (await find("admin", { $limit: 1000 })).data;
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const find = (name, query) => tabs[name].call("find", "events", query);
  const seqs = (events) => events.map(({ seq }) => seq);

  /** A request as somebody. */
  function get(path, name, headers = {}) {
    const authorization = name && { authorization: `Bearer ${people[name].token}` };
    return http(daemon.url, path, { headers: { ...authorization, ...headers } });
  }

  /** What a stream carries up to an event. */
  async function stream(query, name, last) {
    const source = new EventSource(`${daemon.url}/events?since=0&${query}&token=${people[name].token}`);
    keep(() => source.close());
    const events = [];
    const told = new Promise((resolve, reject) => {
      source.addEventListener("error", ({ code, message }) => reject(new Error(`${code} ${message}`)));
      source.addEventListener("message", ({ data, lastEventId }) => {
        const event = JSON.parse(data);
        assert.equal(event.seq, lastEventId);
        events.push(event);
        if (event.seq === last) resolve();
      });
    });
    await soon(told, `the stream of ${query} reaches ${last}`);
    source.close();
    return events;
  }

  test("is found in pages, over REST and sockets, in the stream's form", async () => {
    const { status, headers, json } = await get("/events?%24limit=3", "admin");
    assert.deepEqual([status, headers["content-type"]], [200, "application/json; charset=utf-8"]);
    assert.deepEqual(Object.keys(json), ["total", "limit", "skip", "data"]);
    assert.deepEqual([json.limit, json.skip, json.data.length], [3, 0, 3]);
    assert.deepEqual(Object.keys(json.data[0]), KEYS);
    assert.deepEqual(json.data, log.slice(0, 3));
    assert.equal(json.total, log.length);

    const app = feathers().configure(feathers.socketio(tabs.admin.socket));
    const page = await app.service("events").find({ query: { $sort: { seq: -1 }, $limit: 4, $skip: 1 } });
    assert.deepEqual(seqs(page.data), seqs(log).reverse().slice(1, 5));
    assert.deepEqual([page.total, page.limit, page.skip], [log.length, 4, 1]);
    const [first] = log;
    assert.deepEqual(await app.service("events").get(first.id), first);
    assert.deepEqual(await app.service("events").get(first.seq), first);
    const short = { id: first.id, name: first.name };
    assert.deepEqual(await app.service("events").get(first.seq, { query: { $select: ["name"] } }), short);
    assert.deepEqual(Object.keys((await find("admin", { $select: ["seq"], $limit: 1 })).data[0]), ["seq", "id"]);
    assert.equal((await find("admin", { $limit: 5000 })).limit, 1000);
    assert.equal((await find("admin", {})).limit, 100);

    const told = await stream("", "admin", log.at(-1).seq);
    assert.deepEqual(told.map((event) => JSON.stringify(event)), log.map((event) => JSON.stringify(event)));
    const { body } = await get("/", "admin");
    assert.ok(JSON.parse(body).services.includes("events"));
  });

  test("is read only", async () => {
    for (const packet of [
      ["create", "events", {}, {}],
      ["update", "events", log[0].id, {}, {}],
      ["patch", "events", log[0].id, {}, {}],
      ["remove", "events", log[0].id, {}],
    ]) {
      assert.equal((await refused(tabs.admin.call(...packet))).code, 405, packet[0]);
    }
    for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
      const headers = { authorization: `Bearer ${people.admin.token}`, accept: "text/event-stream" };
      assert.equal((await http(daemon.url, "/events", { method, headers })).status, 405, method);
    }
  });

  test("takes every operator on what events say of themselves", async () => {
    const middle = log[Math.floor(log.length / 2)];
    const { seq, at } = middle;
    const one = ["messages", "tasks"];
    const cases = [
      [{ seq }, (event) => event.seq === seq],
      [{ seq: { $gt: seq } }, (event) => place(event.seq) > place(seq)],
      [{ seq: { $lte: seq } }, (event) => place(event.seq) <= place(seq)],
      [{ seq: { $in: [log[0].seq, seq] } }, (event) => [log[0].seq, seq].includes(event.seq)],
      [{ seq: { $nin: [seq] } }, (event) => event.seq !== seq],
      [{ id: middle.id }, (event) => event.id === middle.id],
      [{ at: { $gte: at } }, (event) => event.at >= at],
      [{ at: { $lt: at } }, (event) => event.at < at],
      [{ source: "messages" }, (event) => event.source === "messages"],
      [{ source: { $in: one }, name: "created" }, (event) => one.includes(event.source) && event.name === "created"],
      [{ source: { $like: "mess%" } }, (event) => event.source.startsWith("mess")],
      [{ name: { $ne: "created" } }, (event) => event.name !== "created"],
      [{ level: "info" }, (event) => event.level === "info"],
      [{ level: { $nin: ["info"] } }, (event) => event.level !== "info"],
      [{ actor: people.ann.id }, (event) => event.actor === people.ann.id],
      [{ correlation_id: null }, (event) => event.correlation_id === null],
      [{ message: { $ne: null } }, (event) => event.message !== null],
    ];
    for (const [query, fits] of cases) {
      const page = await find("admin", query);
      assert.deepEqual(seqs(page.data), seqs(log.filter(fits)), JSON.stringify(query));
      assert.equal(page.total, page.data.length);
    }
    const sorted = await find("admin", { $sort: { source: 1, seq: -1 } });
    const by = (a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : place(b.seq) - place(a.seq));
    assert.deepEqual(seqs(sorted.data), seqs([...log].sort(by)));
  });

  test("takes what events are about, also inside $or and $and, and so does the stream", async () => {
    const { board_id: board, session_id: session, task_id: task } = ids.bob;
    const about = (kind, id) => (event) => event.topics.includes(`${kind}:${id}`);
    const kinds = { board, session, task, user: people.ann.id };
    for (const [kind, id] of Object.entries(kinds)) {
      const fits = about(kind, id);
      const expected = seqs(log.filter(fits));
      assert.ok(expected.length > 0, kind);
      assert.deepEqual(seqs((await find("admin", { [kind]: id })).data), expected, kind);
      const others = seqs(log.filter((event) => !fits(event)));
      assert.deepEqual(seqs((await find("admin", { [kind]: { $ne: id } })).data), others, kind);
      assert.deepEqual(seqs(await stream(`${kind}=${id}`, "admin", expected.at(-1))), expected, kind);
      const none = log.filter(({ topics }) => !topics.some((topic) => topic.startsWith(`${kind}:`)));
      assert.deepEqual(seqs((await find("admin", { [kind]: null })).data), seqs(none), kind);
    }
    for (const kind of ["swarm", "agent"]) assert.equal((await find("admin", { [kind]: "x" })).total, 0);
    const several = { $or: [{ session }, { $and: [{ board: { $in: [ids.ann.board_id] } }, { source: "boards" }] }] };
    const fits = (event) =>
      about("session", session)(event) || (about("board", ids.ann.board_id)(event) && event.source === "boards");
    assert.deepEqual(seqs((await find("admin", several)).data), seqs(log.filter(fits)));
    const upper = await get(`/events?session[$in][]=${session.toUpperCase()}`, "admin");
    assert.equal(upper.json.total, 0, "ids are compared as they stand");
    assert.equal((await find("admin", { session: "%" })).total, 0);
  });

  test("the stream takes several values, lists and names together", async () => {
    const created = (event) => event.name === "created" && ["messages", "tasks"].includes(event.source);
    const expected = seqs(log.filter(created));
    for (const query of [
      "source=messages&source=tasks&name=created",
      "source[$in][]=messages&source[$in][]=tasks&name=created&level=info&level=error",
    ]) {
      assert.deepEqual(seqs(await stream(query, "admin", expected.at(-1))), expected, query);
    }
    for (const [query, text] of [
      ["colour=red", /^Unknown parameter 'colour'; a stream takes source, name, level, .*board.*since/],
      ["$limit=1", /^Unknown parameter/],
      ["source[$ne]=x", /^`source` takes a value/],
      ["level=loud", /^`level` must be one of debug, info, warn, error/],
      ["since=then", /^`since` is neither/],
    ]) {
      const { status, json } = await get(`/events?${query}`, "admin", { accept: "text/event-stream" });
      assert.deepEqual([status, json.name], [400, "BadRequest"], query);
      assert.match(json.message, text);
    }
  });

  test("everybody finds exactly what they would hear", async () => {
    await tabs.admin.call("create", "boards", { name: "marker" }, {});
    const marker = (await find("admin", { $sort: { seq: -1 }, $limit: 1 })).data[0].seq;
    const found = {};
    for (const name of ["admin", "ann", "bob"]) {
      const page = await find(name, { $limit: 1000 });
      assert.deepEqual(page.data, await stream("", name, marker), name);
      assert.equal(page.total, page.data.length);
      found[name] = JSON.stringify(page.data);
      const skipped = await find(name, { $skip: 2, $limit: 2 });
      assert.deepEqual(skipped.data, page.data.slice(2, 4));
    }
    const holds = (name, whose) => found[name].includes(ids[whose].session_id);
    assert.deepEqual(["admin", "ann", "bob"].map((name) => holds(name, "ann")), [true, true, false]);
    assert.deepEqual(["admin", "ann", "bob"].map((name) => holds(name, "admin")), [true, false, false]);
    assert.deepEqual(["admin", "ann", "bob"].map((name) => holds(name, "bob")), [true, true, true]);
    assert.deepEqual(["admin", "ann", "bob"].map((name) => found[name].includes('"api-keys"')), [false, true, false]);

    const hidden = log.find(({ topics }) => topics.includes(`session:${ids.admin.session_id}`));
    for (const id of [hidden.id, hidden.seq]) {
      assert.equal((await refused(tabs.bob.call("get", "events", id, {}))).code, 404);
      assert.equal((await get(`/events/${id}`, "admin")).json.id, hidden.id);
    }
    assert.equal((await find("bob", { session: ids.admin.session_id })).total, 0);
    for (const path of ["/events", `/events/${hidden.id}`]) assert.equal((await get(path)).status, 401);
    assert.equal((await get("/events", undefined, { accept: "text/event-stream" })).status, 401);
  });

  test("an API key that may read, reads", async () => {
    const { key } = await tabs.ann.call("create", "api-keys", { name: "reader", scopes: ["read"] }, {});
    const { status, body } = await http(daemon.url, "/events?%24limit=1000", { headers: { "x-api-key": key } });
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(body), await find("ann", { $limit: 1000 }));
  });

  test("who becomes a member finds what was, also of a board that is gone", async () => {
    const make = async (service, data) => tabs.admin.call("create", service, data, {});
    const { board_id } = await make("boards", { visibility: "private" });
    const story = async (name) => (await find(name, { board: board_id })).data.map(({ name }) => name);
    assert.deepEqual(await story("bob"), []);
    await make("board-members", { board_id, user_id: people.bob.id });
    assert.deepEqual(await story("bob"), ["created", "created"]);
    await tabs.admin.call("remove", "boards", board_id, {});
    assert.deepEqual(await story("bob"), ["created", "created", "removed"]);
    assert.deepEqual(await story("ann"), []);
  });

  test("what is wrong is refused with a sentence", async () => {
    const [{ seq, id }] = log;
    const cases = [
      [{ seq: 1 }, 400, /^`seq` must be a stamp such as /],
      [{ seq: { $gt: "1" } }, 400, /^`seq` must be a stamp such as /],
      [{ seq: { $in: [seq, "other-1"] } }, 400, /^`seq` is a stamp of another log/],
      [{ topics: "x" }, 400, /^Unknown field 'topics'/],
      [{ audience: "x" }, 400, /^Unknown field 'audience'/],
      [{ "data.x": 1 }, 400, /^Unknown field 'data.x'/],
      [{ $or: [{ since: "0" }] }, 400, /^Unknown field 'since'/],
      [{ session: { $gt: "x" } }, 400, /^Invalid query parameter \$gt/],
      [{ session: 7 }, 400, /^`session` must be an id/],
      [{ session: "x".repeat(3000) }, 400, /^`session` must be an id/],
      [{ session: { $in: Array(300).fill("x") } }, 400, /^A query may have 50 ids of topics/],
      [{ at: "yesterday" }, 400, /^`at` must be a time/],
      [{ since: "then" }, 400, /^`since` is neither/],
      [{ since: 7 }, 400, /^`since` is neither/],
      [{ since: { $gt: seq } }, 400, /^`since` is neither/],
    ];
    for (const [query, code, text] of cases) {
      const error = await refused(find("admin", query));
      assert.equal(error.code, code, JSON.stringify(query));
      assert.match(error.message, text);
    }
    for (const missing of ["x", `${id.slice(0, -1)}g`, "other-1", seq.replace(/\d+$/, "999999"), "1"]) {
      const error = await refused(tabs.admin.call("get", "events", missing, {}));
      assert.deepEqual([error.code, error.message], [404, `No record found for id '${missing}'`]);
    }
  });

  test("`since` starts behind a place, and says when the log does not go on from there", async () => {
    const { seq } = log[4];
    const behind = await find("admin", { since: seq, $limit: 3 });
    assert.deepEqual(seqs(behind.data), seqs(log).slice(5, 8));
    assert.equal((await find("admin", { since: "now" })).total, 0);
    const all = await find("admin", { since: 0, $limit: 1 });
    assert.deepEqual(seqs(all.data), [log[0].seq]);
    const { status, json } = await get("/events?since=other-7", "admin");
    assert.deepEqual([status, json.name, json.data.reason, json.data.oldest], [410, "Gone", "other_log", log[0].seq]);
    const { data } = await find("admin", { since: json.data.latest });
    assert.deepEqual(data, [], "and it goes on from the latest");
  });

  test("a stream that carries nothing still moves its client on", async () => {
    const asked = [];
    let cut;
    const source = new EventSource(`${daemon.url}/events?level=error&token=${people.bob.token}`, {
      fetch(url, init) {
        asked.push(init.headers["Last-Event-ID"]);
        cut = new AbortController();
        return fetch(url, { ...init, signal: cut.signal });
      },
    });
    keep(() => source.close());
    const events = [];
    source.addEventListener("message", (event) => events.push(event));
    await soon(once(source, "open"), "the stream opens");
    // Bob is not told of the second, and the filter lets neither pass.
    const { message_id } = await tabs.bob.call("create", "messages", { session_id: ids.bob.session_id }, {});
    await tabs.ann.call("create", "messages", { session_id: ids.ann.session_id }, {});
    const latest = (await find("admin", { $sort: { seq: -1 }, $limit: 1 })).data[0].seq;
    let moved = "";
    while (moved !== latest) {
      const [told] = await soon(once(source, "place"), "the client is moved on");
      moved = told.lastEventId;
      assert.deepEqual(JSON.parse(told.data), { seq: moved });
    }
    const again = once(source, "open");
    await daemon.restart();
    await soon(again, "the client comes back");
    assert.deepEqual(asked, [undefined, latest]);
    assert.deepEqual(events, []);
    source.close();
    for (const tab of Object.values(tabs)) tab.socket.close();
    for (const [name, { token }] of Object.entries(people)) tabs[name] = await Tab.open(daemon.url, { token });
    assert.ok((await find("bob", { source: "messages" })).data.some(({ data }) => data.message_id === message_id));
  });

  test("curl follows a filtered stream", { skip: !hasCurl && "curl is not here" }, async () => {
    const url = `${daemon.url}/events?since=0&source=messages&token=${people.bob.token}`;
    const curl = spawn("curl", ["-sN", "-H", "Accept: text/event-stream", url]);
    keep(() => curl.kill());
    const lines = createInterface({ input: curl.stdout });
    const created = tabs.bob.call("create", "messages", { session_id: ids.bob.session_id }, {});
    const told = (async () => {
      // Lines that come before somebody reads them are lost.
      for await (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: ") continue;
        const event = JSON.parse(line.slice("data: ".length));
        if (!event.source) continue;
        assert.equal(event.source, "messages");
        if (event.data.message_id === (await created).message_id) return;
      }
      assert.fail("curl ended");
    })();
    await soon(told, "curl prints the message");
  });
});

onEveryDatabase("The log, without a name", (database) => {
  test("whoever is let in without a name finds what is public", async () => {
    const daemon = await Daemon.start(database, { args: ["--auth", "required", "--allow-anonymous"] });
    try {
      const { admin } = await register(daemon.url, ["admin"]);
      const tab = await Tab.open(daemon.url, { token: admin.token });
      await tab.call("create", "boards", { name: "theirs", visibility: "private" }, {});
      await tab.call("create", "boards", { name: "everybody's" }, {});
      const visitor = await Tab.open(daemon.url);
      assert.equal((await refused(visitor.call("find", "events", {}))).code, 401);
      await visitor.call("create", "authentication", { strategy: "anonymous" }, {});
      const { data } = await visitor.call("find", "events", { source: "boards", since: "0" });
      const names = data.map((event) => event.data.name);
      assert.deepEqual(names, ["Default", "everybody's"]);
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
});
