// Five services, four ways to change them, four ways to listen: everybody hears each change once, in one order.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { networkInterfaces } from "node:os";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import feathers from "@feathersjs/client";
import { io } from "socket.io-client";
import { EVENTS, IDS, ORIGIN, SERVICES, assertShowable, connected, createClient, temporaryFolder } from "../support/agor.mjs";
import { call } from "../support/call.mjs";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http, sendJson } from "../support/http.mjs";
import { polling, readLog, upgraded, upgrading, websocket } from "../support/listeners.mjs";
import { closeAll, keep } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const SOCKETS = [websocket, upgrading, polling];

/** Which acceptance line a service's events answer. */
const LINES = { sessions: "S2-5", tasks: "S2-6", messages: "S2-7", boards: "S2-8", repos: "S2-9" };

onEveryDatabase("Five services", (database) => {
  /** @type {Daemon} */
  let daemon;
  let data;
  before(async () => {
    data = await temporaryFolder("data");
    daemon = await Daemon.start(database, { env: { DATA_DIR: data.folder } });
  });
  after(async () => {
    await closeAll();
    await daemon.stop().finally(data.drop);
  });

  describe("S2-1: a Feathers client connects with Engine.IO 4", () => {
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"], ["websocket", "polling"]]) {
      test(`over ${transports.join(", then ")}`, async () => {
        const socket = io(daemon.url, { transports, forceNew: true });
        keep(() => socket.close());
        const client = Object.assign(feathers().configure(feathers.socketio(socket)), { io: socket });
        await connected(client);
        assert.equal(socket.io.engine.transport.query.EIO, 4);
        assert.equal((await client.service("health").find()).status, "ok");
      });
    }

    test("on port 3030 of localhost, which is both of its addresses, if nothing else is said", async () => {
      const { stdout } = await promisify(execFile)(BINARY, ["--help"]);
      assert.match(stdout, /default: localhost:3030\]/);
      const both = await Daemon.start(database, { args: ["--host", "localhost"] });
      try {
        // A machine without IPv6 has one of them only.
        const known = Object.values(networkInterfaces()).flat().map(({ address }) => address);
        for (const [address, host] of [["127.0.0.1", "127.0.0.1"], ["::1", "[::1]"]]) {
          if (!known.includes(address)) continue;
          assert.equal((await fetch(`http://${host}:${both.port}/health`)).status, 200, address);
        }
      } finally {
        await both.stop();
      }
    });
  });

  test("S2-2: pages of http://localhost:5173 may do everything that they do, and others nothing", async () => {
    for (const path of ["/socket.io/?EIO=4&transport=polling", "/messages", "/sessions/1"]) {
      for (const method of ["GET", "POST", "PATCH", "DELETE"]) {
        const asked = (origin) =>
          http(daemon.url, path, { method: "OPTIONS", headers: { origin, "access-control-request-method": method } });
        const { status, headers } = await asked(ORIGIN);
        assert.equal(status, 204);
        assert.equal(headers["access-control-allow-origin"], ORIGIN);
        assert.equal(headers["access-control-allow-credentials"], "true");
        assert.ok(headers["access-control-allow-methods"].split(",").includes(method));
        const foreign = await asked("http://evil.example");
        assert.equal(foreign.headers["access-control-allow-origin"], undefined);
      }
    }
  });

  test("S2-2: which origins may is a setting", async () => {
    const other = await Daemon.start(database, { args: ["--cors-origins", "https://ui.example"] });
    try {
      const headersFor = async (origin) => (await http(other.url, "/boards", { headers: { origin } })).headers;
      assert.equal((await headersFor("https://ui.example"))["access-control-allow-origin"], "https://ui.example");
      assert.equal((await headersFor("http://elsewhere.example"))["access-control-allow-origin"], undefined);
    } finally {
      await other.stop();
    }
  });

  for (const service of SERVICES) {
    describe(`S2-3, S2-4, ${LINES[service]}, S2-10: ${service}`, () => {
      test("is created, patched, updated and removed over sockets and REST, and all hear each change once, in order", async () => {
        // Nobody subscribes to anything.
        const listeners = await Promise.all(SOCKETS.map((way) => way.open(daemon.url)));
        await upgraded(listeners[SOCKETS.indexOf(upgrading)]);
        const { session_id } = await call(listeners[0].client, "create", "sessions", {}, {});
        const expected = [];
        const callers = { ...overSockets(listeners), REST: overRest(daemon.url) };
        for (const [who, client] of Object.entries(callers)) {
          expected.push(...(await play(client, service, session_id, who)));
        }
        const last = await Writer.connect(daemon.url).then((writer) => writer.write("the end"));
        for (const [n, listener] of listeners.entries()) {
          await listener.heard(last);
          const heard = listener.items.slice(1, -2).map(({ event, record }) => [event, record]);
          assert.deepEqual(lines(heard), lines(expected), SOCKETS[n].name);
          for (const item of listener.items) assert.equal(item.more, undefined, "an event has its record and stamp only");
        }
        // And so does the log.
        const log = await readLog(daemon.url, listeners[0].items[0].seq, last);
        assert.deepEqual(lines(log.slice(0, -2).map(({ event, record }) => [event, record])), lines(expected));
      });

      for (const way of SOCKETS) {
        test(`a caller's events come before its answer, over ${way.name}`, async () => {
          const { client } = await way.open(daemon.url);
          const { session_id } = await call(client, "create", "sessions", {}, {});
          const story = [];
          client.onAny((event) => story.push(event));
          const told = async (...packet) => {
            const result = await call(client, ...packet);
            return [result, story.splice(0)];
          };
          const [record, created] = await told("create", service, least(service, session_id), {});
          assert.deepEqual(created, [`${service} created`]);
          const id = record[IDS[service]];
          for (const [method, event] of [["patch", "patched"], ["update", "updated"]]) {
            const [, heard] = await told(method, service, id, change(service, method), {});
            assert.deepEqual(heard, [`${service} ${event}`]);
          }
          const [, removed] = await told("remove", service, id, {});
          assert.deepEqual(removed, [`${service} removed`]);
        });
      }

      test("find, get, and the others over each transport answer alike", async () => {
        const listeners = await Promise.all(SOCKETS.map((way) => way.open(daemon.url)));
        const { session_id } = await call(listeners[0].client, "create", "sessions", {}, {});
        const record = await call(listeners[0].client, "create", service, least(service, session_id), {});
        const id = record[IDS[service]];
        for (const [who, client] of Object.entries({ ...overSockets(listeners), REST: overRest(daemon.url) })) {
          assert.deepEqual(await client.service(service).get(id), record, who);
          const page = await client.service(service).find({ query: { [IDS[service]]: id } });
          assert.deepEqual([page.total, page.skip, page.data], [1, 0, [record]], who);
          const { data } = await client.service(service).find({ query: { $select: [IDS[service]], $limit: 1, $sort: { created_at: -1 } } }).catch(() =>
            // Messages have a timestamp instead.
            client.service(service).find({ query: { $select: [IDS[service]], $limit: 1, $sort: { timestamp: -1 } } }),
          );
          assert.deepEqual(data, [{ [IDS[service]]: id }], who);
          await assert.rejects(client.service(service).get("nobody's"), { code: 404, message: "No record found for id 'nobody's'" });
        }
      });
    });
  }

  test("S2-16: what many change at once, all hear in the order in which it was committed", async () => {
    const listeners = await Promise.all([...SOCKETS, websocket, polling].map((way) => way.open(daemon.url)));
    const { session_id } = await call(listeners[0].client, "create", "sessions", {}, {});
    const { board_id } = await call(listeners[0].client, "create", "boards", {}, {});
    const { task_id } = await call(listeners[0].client, "create", "tasks", { session_id }, {});
    const { repo_id } = await call(listeners[0].client, "create", "repos", { slug: "counted" }, {});
    const changes = [];
    for (let n = 0; n < 40; n++) {
      for (const { client } of listeners) {
        changes.push(
          call(client, "patch", "sessions", session_id, { message_count: n }, {}),
          call(client, "create", "messages", { session_id, content: `${n}` }, {}),
          call(client, "patch", "boards", board_id, { description: `${n}` }, {}),
          call(client, "patch", "tasks", task_id, { tool_use_count: n }, {}),
          call(client, "patch", "repos", repo_id, { default_branch: `b${n}` }, {}),
        );
      }
      changes.push(sendJson(daemon.url, "PATCH", `/boards/${board_id}`, { color: `#${n}` }));
    }
    await Promise.all(changes);
    const last = await Writer.connect(daemon.url).then((writer) => writer.write("the end"));
    const log = await readLog(daemon.url, listeners[0].items[0].seq, last);
    assert.equal(log.length, 3 + changes.length + 2);
    for (const listener of listeners) {
      await listener.heard(last);
      const heard = listener.items.slice(listener.items.findIndex(({ seq }) => seq === log[0].seq));
      assert.deepEqual(lines(heard), lines(log));
    }
    // Each event is the record as it was then: the last one is the record as it is.
    for (const [service, id] of Object.entries({ sessions: session_id, boards: board_id, tasks: task_id, repos: repo_id })) {
      const now = await call(listeners[0].client, "get", service, id, {});
      assert.deepEqual(log.findLast(({ record }) => record[IDS[service]] === id && !record.message_id && (service !== "sessions" || !record.task_id)).record, now);
    }
    await call(listeners[0].client, "remove", "repos", repo_id, {});
  });

  describe("S2-17: the sample `useMessages` works", () => {
    /** The sample, line for line; `flushSync` and `setMessages` are React's, and here a variable. */
    function useMessages(client, sessionId) {
      let messages = [];
      const flushSync = (render) => render();
      const setMessages = (update) => {
        messages = update(messages);
      };

      // Subscribe to message events for specific session
      const messagesService = client.service("messages");

      const handleMessageCreated = (message) => {
        if (message.session_id === sessionId) {
          // Use flushSync to bypass React 18 automatic batching
          flushSync(() => {
            setMessages((prev) => {
              if (prev.some((m) => m.message_id === message.message_id)) {
                return prev; // Avoid duplicates
              }
              // CRITICAL: Create NEW array for React useMemo to detect changes
              return [...prev, message].sort((a, b) => a.index - b.index);
            });
          });
        }
      };

      messagesService.on("created", handleMessageCreated);

      return {
        get messages() {
          return messages;
        },
        load: async () => {
          const { data } = await messagesService.find({ query: { session_id: sessionId, $limit: 1000, $sort: { index: 1 } } });
          setMessages((prev) => [...prev, ...data.filter((one) => !prev.some((m) => m.message_id === one.message_id))].sort((a, b) => a.index - b.index));
        },
        // Cleanup
        leave: () => {
          messagesService.removeListener("created", handleMessageCreated);
        },
      };
    }

    for (const way of SOCKETS) {
      test(`over ${way.name}`, async () => {
        const { client: socket } = await way.open(daemon.url);
        const client = feathers().configure(feathers.socketio(socket));
        const writer = await Writer.connect(daemon.url);
        const another = await Writer.connect(daemon.url);
        const { session_id } = writer.session;
        const hook = useMessages(client, session_id);
        const first = await writer.write("before the page loaded");
        await hook.load();
        const written = [];
        // Others write elsewhere, and in no order.
        for (const index of [5, 2, 9, 1, 7, 3, 8, 4, 6]) {
          await another.write("not for this drawer");
          written.push(await call(writer.socket, "create", "messages", { session_id, index, content: `${index}`, role: index % 2 ? "user" : "assistant" }, {}));
        }
        const own = await client.service("messages").create({ session_id, index: 10, content: "its own" });
        const expected = [first, ...written, own].sort((a, b) => a.index - b.index);
        // Its own event came before its own answer, and all others before that.
        assert.deepEqual(hook.messages, expected);
        const before = hook.messages;
        await hook.load();
        assert.deepEqual(hook.messages, before, "what is loaded and heard is there once");
        for (const message of hook.messages) assertShowable("messages", message);
        hook.leave();
        await client.service("messages").create({ session_id, content: "after the drawer closed" });
        assert.deepEqual(hook.messages, before);
      });
    }
  });

  describe("S2-18: after removeListener nothing is delivered any more, and others go on", () => {
    for (const service of SERVICES) {
      test(service, async () => {
        const client = createClient(daemon.url);
        await connected(client);
        const { session_id } = await client.service("sessions").create({});
        const heard = { gone: [], stays: [], once: [] };
        const listener = (who) => (record) => heard[who].push(record[IDS[service]]);
        const gone = listener("gone");
        for (const event of EVENTS) client.service(service).on(event, gone).on(event, listener("stays"));
        client.service(service).once("created", listener("once"));
        const live = async () => {
          const record = await client.service(service).create(least(service, session_id));
          const id = record[IDS[service]];
          await client.service(service).patch(id, change(service, "patch"));
          await client.service(service).update(id, change(service, "update"));
          await client.service(service).remove(id);
          return Array(4).fill(id);
        };
        const first = await live();
        for (const event of EVENTS) client.service(service).removeListener(event, gone);
        const second = await live();
        // A client's own events come before its answers: there is nothing to wait for.
        assert.deepEqual(heard, { gone: first, stays: [...first, ...second], once: [first[0]] });
        client.service(service).removeAllListeners("created");
        client.service(service).on("created", gone);
        const third = await live();
        assert.deepEqual(heard.gone, [...first, third[0]], "and who comes back hears again");
      });
    }
  });

  test("S2-19: nothing is kept from anybody: each hears of all sessions, of all boards, of everything", async () => {
    const interested = await websocket.open(daemon.url);
    const { session_id } = await call(interested.client, "create", "sessions", {}, {});
    // What it looks at changes nothing.
    await call(interested.client, "find", "messages", { session_id });
    const others = await Promise.all(SOCKETS.map((way) => way.open(daemon.url)));
    const before = interested.items.length;
    const made = [];
    for (const { client } of others) {
      const session = await call(client, "create", "sessions", { description: "another's" }, {});
      const message = await call(client, "create", "messages", { session_id: session.session_id, content: "x" }, {});
      const task = await call(client, "create", "tasks", { session_id: session.session_id }, {});
      const board = await call(client, "create", "boards", {}, {});
      made.push(session, message, task, board);
    }
    await interested.count(before + made.length);
    assert.deepEqual(lines(interested.items.slice(before).map(({ record }) => record)), lines(made));
  });

  test("S2-24: two pages and a command line are told the same", async () => {
    const clients = [1, 2, 3].map(() => createClient(daemon.url));
    await Promise.all(clients.map(connected));
    const told = clients.map((client) => {
      const story = [];
      client.io.onAny((...event) => story.push(event));
      return story;
    });
    const { session_id } = await clients[0].service("sessions").create({ description: "from a page" });
    await clients[2].service("messages/bulk").create([1, 2, 3].map((n) => ({ session_id, content: `${n}` })));
    await clients[1].service("sessions").patch(null, { status: "running" }, { query: { session_id } });
    const { task_id } = await clients[1].service("tasks").create({ session_id });
    await sendJson(daemon.url, "POST", `/tasks/${task_id}/complete`, {});
    await sendJson(daemon.url, "POST", `/sessions/${session_id}/fork`, { prompt: "x" });
    await clients[0].service("sessions").remove(session_id);
    // Each asks for something: whatever was published before is heard before the answer.
    await Promise.all(clients.map((client) => client.service("boards").create({ name: "the end" })));
    const events = told.map((story) => story.map(([event]) => event));
    const expected = [
      "sessions created",
      ...Array(3).fill("messages created"),
      "sessions patched",
      "tasks created",
      "tasks patched",
      "sessions created",
      "sessions patched",
      "sessions removed",
    ];
    for (const story of events) assert.deepEqual(story.slice(0, expected.length), expected);
    assert.deepEqual(lines(told[1].slice(0, expected.length)), lines(told[0].slice(0, expected.length)));
    assert.deepEqual(lines(told[2].slice(0, expected.length)), lines(told[0].slice(0, expected.length)));
  });

  test("nothing but the five services' events is on the wire", async () => {
    const engine = await Engine.overWebSocket(daemon.url);
    const { json: session } = await sendJson(daemon.url, "POST", "/sessions", {});
    const { json: board } = await sendJson(daemon.url, "POST", "/boards", {});
    const { json: task } = await sendJson(daemon.url, "POST", "/tasks", { session_id: session.session_id });
    for (const [path, body] of [
      [`/sessions/${session.session_id}/fork`, { prompt: "x" }],
      [`/sessions/${session.session_id}/spawn`, { prompt: "x" }],
      [`/tasks/${task.task_id}/complete`, {}],
      [`/tasks/${task.task_id}/fail`, {}],
      [`/boards/${board.board_id}/sessions`, { sessionId: session.session_id }],
      ["/messages/bulk", [{ session_id: session.session_id }]],
      ["/tasks/bulk", [{ session_id: session.session_id }]],
    ]) {
      assert.equal((await sendJson(daemon.url, "POST", path, body)).status, 201, path);
    }
    engine.socket.send('420["find","boards",{"$limit":0}]');
    await engine.answer(0);
    const known = SERVICES.flatMap((service) => EVENTS.map((event) => `${service} ${event}`));
    const events = engine.packets.filter((packet) => packet.startsWith("42")).map((packet) => JSON.parse(packet.slice(2)));
    for (const [event, record, ...more] of events) {
      assert.ok(known.includes(event), `${event} is on the wire`);
      assertShowable(event.split(" ")[0], record);
      assert.deepEqual(more, [], "and has one argument");
    }
    const created = (service) => events.filter(([event]) => event === `${service} created`).length;
    assert.deepEqual(SERVICES.map(created), [3, 2, 1, 1, 0]);
  });
});

/** Feathers clients over open sockets. */
function overSockets(listeners) {
  const client = ({ client }) => feathers().configure(feathers.socketio(client));
  return Object.fromEntries(listeners.map((listener, n) => [SOCKETS[n].name, client(listener)]));
}

/** A Feathers client over REST. @param {string} url */
const overRest = (url) => feathers().configure(feathers.rest(url).fetch(fetch));

/**
 * Creates, patches, updates and removes through a client.
 *
 * @returns {Promise<[string, object][]>} the changes that everybody must hear of
 */
async function play(client, service, session_id, who) {
  const changes = [];
  const changed = (event, record) => {
    assertShowable(service, record);
    changes.push([`${service} ${event}`, record]);
    return record;
  };
  const records = client.service(service);
  const made = changed("created", await records.create(least(service, session_id)));
  const id = made[IDS[service]];
  const patch = change(service, "patch");
  const patched = changed("patched", await records.patch(id, patch));
  for (const [name, value] of Object.entries(patch)) assert.deepEqual(patched[name], value, `${who} ${name}`);
  const update = change(service, "update");
  const updated = changed("updated", await records.update(id, update));
  for (const [name, value] of Object.entries({ ...patch, ...update })) assert.deepEqual(updated[name], value, `${who} ${name}`);
  assert.deepEqual(await records.get(id), updated);
  const removed = changed("removed", await records.remove(id));
  assert.deepEqual(removed, updated, "who removes a record is told what it was");
  await assert.rejects(records.get(id), { code: 404 });
  return changes;
}

let slugs = 0;

/** The least that a service takes. */
function least(service, session_id) {
  const data = { sessions: {}, tasks: { session_id }, messages: { session_id, content: "x" }, boards: {}, repos: { slug: `slug-${slugs++}` } };
  return data[service];
}

/** What a service's records can be changed to. */
function change(service, method) {
  const changes = {
    sessions: [{ description: "patched", concepts: ["b", "a"] }, { status: "running" }],
    tasks: [{ status: "running", report: { path: "r.md", template: "summary" } }, { description: "updated" }],
    messages: [{ content: [{ type: "text", text: "patched", z: 1, a: null }] }, { content_preview: "updated", metadata: { b: 1, a: { c: [] } } }],
    boards: [{ name: "patched", color: "#fff" }, { description: "“updated” 🐓" }],
    repos: [{ name: "patched", default_branch: "main" }, { remote_url: "https://example.com/x" }],
  };
  return changes[service][method === "patch" ? 0 : 1];
}

/** As text, one item a line, so that the order of keys counts. @param {unknown[]} items */
const lines = (items) => items.map((item) => JSON.stringify(item));
