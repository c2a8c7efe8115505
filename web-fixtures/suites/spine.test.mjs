// Every way to listen hears every change once, in order, and calls answer alike over socket and REST.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import feathers from "@feathersjs/client";
import { WebSocket } from "ws";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import {
  connectFeathers,
  place,
  polling,
  readLog,
  upgraded,
  upgrading,
  ways,
  websocket,
} from "../support/listeners.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const STREAM_KEYS = [
  "event_type",
  "timestamp",
  "workspace_id",
  "agent_id",
  "task_id",
  "run_id",
  "workflow_id",
  "workflow_execution_id",
  "workflow_step_id",
  "data",
  "message",
];

onEveryDatabase("The spine", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("every way to listen hears the whole story, and socket and REST tell the same", async () => {
    const listeners = await Promise.all(ways.map((way) => way.open(daemon.url)));
    const writer = await Writer.connect(daemon.url);
    const { app } = connectFeathers(daemon.url);
    const { app: rest, statuses } = connectRest(daemon.url);

    const overSocket = await play(app);
    const overRest = await play(rest);
    const last = await writer.write("the end");

    assert.equal(anonymous(overRest.answers), anonymous(overSocket.answers));
    assert.deepEqual(statuses, overRest.answers.map(status));

    const log = await readLog(daemon.url, "0", last);
    const [board] = log;
    assert.deepEqual([board.event, board.record.slug], ["boards created", "default"]);
    const first = ["sessions created", writer.session];
    const expected = [["boards created", board.record], first, ...overSocket.changes, ...overRest.changes, ["messages created", last]];
    assert.deepEqual(lines(log.map(({ event, record }) => [event, record])), lines(expected));
    assert.deepEqual(
      log.map(({ seq }) => place(seq)),
      log.map((_, index) => index + 1),
    );

    for (const [index, way] of ways.entries()) {
      const listener = listeners[index];
      await listener.heard(last);
      // All came after the first board.
      const carried = log.slice(1).flatMap((item) => way.hears(item) ?? []);
      assert.deepEqual(lines(listener.items), lines(carried), way.name);
      assert.deepEqual(listener.resets, [], way.name);
    }
    await upgraded(listeners[ways.indexOf(upgrading)]);
  });

  test("a frame of /ws/stream has eleven keys in order, and a twelfth for who asked for stamps", async () => {
    const frames = [];
    const open = (query) => {
      const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/stream${query}`);
      keep(() => socket.terminate());
      const frame = new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)));
      frames.push(frame);
      return new Promise((resolve) => (socket.onopen = resolve));
    };
    await Promise.all([open(""), open("?since=now")]);
    const writer = await Writer.connect(daemon.url);
    const message = await writer.write();
    const [plain, withStamp] = await soon(Promise.all(frames), "both streams carry the message");

    const parsed = JSON.parse(plain);
    assert.deepEqual(Object.keys(parsed), STREAM_KEYS);
    assert.equal(parsed.event_type, "agent_message");
    assert.equal(parsed.task_id, message.session_id);
    assert.match(parsed.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(JSON.stringify(parsed.data), JSON.stringify({ message }));
    assert.equal(parsed.message, null);

    const { seq, ...same } = JSON.parse(withStamp);
    assert.deepEqual(Object.keys(JSON.parse(withStamp)), [...STREAM_KEYS, "seq"]);
    assert.deepEqual(same, parsed);
    assert.match(seq, /^.+-\d+$/);
  });

  describe("the caller's own events come before its answer", () => {
    for (const way of [websocket, polling]) {
      test(way.name, async () => {
        const caller = await way.open(daemon.url);
        const story = [];
        caller.client.onAny((event) => story.push(event));
        const told = async (...packet) => {
          const result = await call(caller.client, ...packet);
          return [result, story.splice(0)];
        };

        const [{ session_id }] = await told("create", "sessions", {}, {});
        const some = [1, 2, 3].map((n) => ({ session_id, content: `${n}` }));
        const [[{ message_id }], created] = await told("create", "messages", some, {});
        assert.deepEqual(created, Array(3).fill("messages created"));
        const [, patched] = await told("patch", "messages", null, { role: "system" }, { session_id });
        assert.deepEqual(patched, Array(3).fill("messages patched"));
        const [, updated] = await told("update", "messages", message_id, { content: "new" }, {});
        assert.deepEqual(updated, ["messages updated"]);
        const [, removed] = await told("remove", "messages", message_id, {});
        assert.deepEqual(removed, ["messages removed"]);
        const [{ board_id }, board] = await told("create", "boards", {}, {});
        assert.deepEqual(board, ["boards created"]);
        const [, session] = await told("create", "sessions", { board_id }, {});
        assert.deepEqual(session, ["sessions created", "boards patched"]);
      });
    }
  });

  test("the writes of one socket run in the order in which they were sent", async () => {
    const writer = await Writer.connect(daemon.url);
    const written = await writer.many(500);
    assert.deepEqual(
      written.map(({ content, index }) => [content, index]),
      written.map((_, index) => [`message ${index}`, index]),
    );
  });

  test("what a daemon refuses while it stops is not stored", async () => {
    const daemon = await Daemon.start(database);
    try {
      await websocket.open(daemon.url);
      const stored = [];
      const refused = [];
      /** Writes boards over REST until the daemon is gone. */
      const write = async () => {
        for (;;) {
          const board_id = randomUUID();
          const status = await post(`${daemon.url}/boards`, { board_id });
          if (!status) return;
          (status === 201 ? stored : refused).push(board_id);
        }
      };
      const writing = Promise.all(Array.from({ length: 64 }, write));
      while (stored.length < 100) await post(`${daemon.url}/boards`, {});
      await daemon.kill("SIGTERM");
      await writing;
      await daemon.restart();
      const found = ({ status }) => status === 200;
      const there = async (ids) =>
        (await Promise.all(ids.map((id) => fetch(`${daemon.url}/boards/${id}`)))).filter(found).length;
      assert.deepEqual(
        { stored: await there(stored), refused: await there(refused) },
        { stored: stored.length, refused: 0 },
      );
    } finally {
      await daemon.stop();
    }
  });
});

/** The status with which REST answers a create; undefined if it does not. */
async function post(url, data) {
  const headers = { "content-type": "application/json" };
  try {
    return (await fetch(url, { method: "POST", headers, body: JSON.stringify(data) })).status;
  } catch {
    return undefined;
  }
}

/** A Feathers client over REST that keeps the statuses of its answers. @param {string} url */
function connectRest(url) {
  const statuses = [];
  const remember = async (...request) => {
    const response = await fetch(...request);
    statuses.push(response.status);
    return response;
  };
  return { app: feathers().configure(feathers.rest(url).fetch(remember)), statuses };
}

/**
 * Plays the story through a Feathers client, whatever its transport.
 *
 * @param {import("@feathersjs/feathers").Application} app
 * @returns {Promise<{answers: object[], changes: [string, object][]}>} what each call was answered,
 *   and the changes that everybody must hear of
 */
async function play(app) {
  const answers = [];
  const changes = [];
  const changed = (event, records) => [records].flat().forEach((record) => changes.push([event, record]));

  /** Makes a call; a change that it makes is expected to be heard. */
  const make = async (service, method, ...args) => {
    const result = await app.service(service)[method](...args);
    answers.push({ service, method, result });
    const event = { create: "created", update: "updated", patch: "patched", remove: "removed" }[method];
    if (event) changed(`${service} ${event}`, result);
    return result;
  };
  /** Makes a call that must fail. */
  const fail = async (code, service, method, ...args) => {
    const error = await app
      .service(service)
      [method](...args)
      .then(
        (result) => assert.fail(`${method} ${service} answered ${JSON.stringify(result)}`),
        ({ name, message, code, className, data, errors }) => ({
          name,
          message,
          code,
          className,
          data,
          errors,
        }),
      );
    assert.equal(error.code, code, `${method} ${service}: ${error.message}`);
    // REST names the path where sockets name the service.
    if (!(service === "nope" || service === "health")) answers.push({ service, method, error });
    else answers.push({ service, method, error: { ...error, message: undefined } });
  };

  const { board_id } = await make("boards", "create", { name: "Spring", color: "green" });
  await make("boards", "patch", board_id, { description: "“Quotes”, a line\nbreak, \u2028 and 🐓" });
  await make("boards", "update", board_id, { name: "Summer" });
  const { session_id } = await make("sessions", "create", { board_id, description: "on a board" });
  changed("boards patched", await make("boards", "get", board_id));
  await make("sessions", "patch", session_id, { status: "running" });
  await make("sessions", "update", session_id, { status: "completed", concepts: ["b", "a"] });

  const { message_id } = await make("messages", "create", { session_id, content: "first" });
  const content = [{ type: "text", text: "zwei", nested: { z: 1, a: [null, true, 1.5] } }];
  await make("messages", "create", [
    { session_id, role: "assistant", content },
    { session_id, role: "system", metadata: { model: "m", tokens: { output: 2, input: 1 } } },
    { session_id, content: "last", content_preview: "l" },
  ]);
  await make("messages", "create", [], {});
  await make("messages", "create", { session_id, content: "narrow" }, { query: { $select: ["content"] } });
  await make("messages", "patch", message_id, { content: "FIRST" });
  await make("messages", "update", message_id, { content: "1st", role: "assistant" });
  await make(
    "messages",
    "patch",
    null,
    { metadata: { seen: true } },
    { query: { session_id, index: { $lt: 3 } } },
  );
  await make("messages", "patch", null, { role: "user" }, { query: { session_id: "nobody's" } });
  await make("messages", "get", message_id);
  await make("messages", "find", { query: { session_id, $sort: { index: -1 }, $limit: 2, $skip: 1 } });
  await make("messages", "find", {
    query: { session_id, $or: [{ index: 0 }, { role: "system" }], $select: ["index"] },
  });
  await make("messages", "find", { query: { session_id, index: { $in: [1, 3], $ne: 3 } } });
  await make("messages", "remove", message_id);
  await make("messages", "remove", null, { query: { session_id, role: { $ne: "system" } } });

  await fail(400, "messages", "create", { content: "of no session" });
  await fail(400, "messages", "create", { session_id, role: "king" });
  await fail(400, "messages", "create", { session_id, index: "first" });
  await fail(400, "messages", "find", { query: { index: { $near: "5" } } });
  await fail(400, "messages", "find", { query: { $foo: 1 } });
  await fail(400, "messages", "find", { query: { colour: "green" } });
  await fail(400, "messages", "update", null, { content: "all" });
  await fail(404, "messages", "get", message_id);
  await fail(404, "messages", "patch", message_id, { content: "gone" });
  await fail(404, "messages", "remove", "no/such id");
  await fail(404, "sessions", "get", session_id, { query: { status: "failed" } });
  await fail(404, "nope", "find");
  await fail(405, "health", "create", {});
  await fail(405, "boards", "create", [{ name: "one" }, { name: "two" }]);
  await fail(405, "boards", "remove", null);
  await fail(409, "boards", "create", { board_id });

  // What is left in the session goes with it.
  const left = await make("messages", "find", { query: { session_id } });
  assert.equal(left.total, 1);
  await make("sessions", "remove", session_id);
  changed("messages removed", left.data);
  changed("boards patched", await make("boards", "get", board_id));
  await make("boards", "remove", board_id);
  return { answers, changes };
}

/** The status with which REST gives an answer. */
const status = ({ method, error }) => error?.code ?? (method === "create" ? 201 : 200);

/** As text, one item a line, so that the order of keys counts. @param {unknown[]} items */
const lines = (items) => items.map((item) => JSON.stringify(item));

/** As text, with the same names for the ids and times of two plays. @param {unknown} value */
function anonymous(value) {
  const names = new Map();
  return JSON.stringify(value, null, 1)
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!names.has(id)) names.set(id, `id ${names.size}`);
      return names.get(id);
    })
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "a time");
}
