// Tasks' streams over socket.io-client, each task in a namespace of its own: connecting is joining.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io, Manager } from "socket.io-client";
import { Cast, rest } from "../support/agrenting.mjs";
import { call } from "../support/call.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { RawSocket } from "../support/raw.mjs";
import { emitted, overNamespace } from "../support/streaming.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const WRONG = `ap_${"x".repeat(43)}`;
const NOWHERE = "00000000-0000-4000-8000-000000000000";
const refusal = (reason) => ({ status: "error", response: { reason } });

onEveryDatabase("Tasks' streams in namespaces", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Cast} */
  let cast;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env: { LOG: "trace" } });
    cast = await Cast.gather(daemon.url);
  });
  after(async () => {
    await closeAll();
    for (const line of daemon.log) {
      for (const secret of [...cast.secrets, WRONG]) assert.ok(!line.includes(secret), "S0-10 a key is in the log");
    }
    await daemon.stop();
  });

  const watch = (task, auth = { api_key: cast.client.key }, options = {}) => overNamespace(daemon.url, task, auth, options);
  const refused = (...join) => watch(...join).then(() => assert.fail("let in"), (error) => error.message);

  test("S0-22 S0-23 S0-24 S0-25 S0-26 S0-34 who joins is told where the stream stands, what was, what comes, and the end", async () => {
    const task = await cast.task();
    const early = await watch(task);
    assert.deepEqual(early.joined, { seq: 0, status: "open" });
    await cast.emit(task, "one", { kind: "chat", metadata: { a: [1] } });
    await cast.emit(task, "two");
    await early.count(2);
    const late = await watch(task, { api_key: cast.people.ann.key });
    assert.deepEqual(late.joined, { seq: 2, status: "open" });
    const rejoined = await watch(task, { token: cast.people.ann.token, last_seq: 1 });
    await cast.emit(task, "three");
    await cast.complete(task, { words: 3 });
    await Promise.all([early, late, rejoined].map((viewer) => viewer.ended()));
    const [chunk] = early.chunks;
    assert.deepEqual(Object.keys(chunk), ["seq", "content", "kind", "timestamp", "metadata"]);
    assert.deepEqual([chunk.kind, chunk.metadata, early.chunks[1].kind], ["chat", { a: [1] }, "artifact"]);
    assert.deepEqual([early.seqs, late.seqs, rejoined.seqs], [[1, 2, 3], [1, 2, 3], [2, 3]]);
    const end = ["stream.done", { result: { words: 3 } }];
    for (const viewer of [early, late, rejoined]) assert.deepEqual(viewer.end, end);
    const after = await watch(task);
    assert.deepEqual(after.joined, { seq: 3, status: "done" });
    await after.ended();
    assert.deepEqual([after.seqs, after.end], [[1, 2, 3], end]);
    const failed = await cast.task();
    const sad = await watch(failed);
    await cast.admin.post(`/tasks/${failed}/fail`, { error: "broken" });
    await sad.ended();
    assert.deepEqual(sad.end, ["stream.error", { error: "broken" }]);
  });

  test("S0-27 S0-28 who may not watch is told why, and nothing else", async () => {
    const task = await cast.task();
    for (const auth of [{ api_key: cast.provider.key }, { token: cast.provider.key }, { api_key: cast.client.key }]) {
      (await watch(task, auth)).close();
    }
    const headers = { extraHeaders: { "x-api-key": cast.provider.key } };
    (await watch(task, {}, headers)).close();
    for (const auth of [
      {},
      { api_key: "" },
      { api_key: WRONG },
      { api_key: 7 },
      { token: "nonsense" },
      { api_key: cast.other.key },
      { api_key: cast.people.bob.key },
      { token: cast.people.bob.token },
    ]) {
      assert.equal(await refused(task, auth), "unauthorized", JSON.stringify(Object.keys(auth)));
    }
    assert.equal(await refused(NOWHERE), "not_found");
    assert.equal(await refused("x".repeat(5_000)), "not_found");
    for (const last_seq of [-1, 1.5, "a", [], {}, true]) {
      assert.equal(await refused(task, { api_key: cast.client.key, last_seq }), "invalid_last_seq");
    }
    const ahead = await watch(task, { api_key: cast.client.key, last_seq: 1_000_000 });
    await cast.emit(task, "a");
    await ahead.count(1);
  });

  test("an agent's key does not open what everybody hears", async () => {
    for (const given of [{ auth: { api_key: cast.provider.key } }, { extraHeaders: { "x-api-key": cast.provider.key } }]) {
      const socket = io(daemon.url, { forceNew: true, reconnection: false, ...given });
      keep(() => socket.close());
      const answered = new Promise((done) => socket.once("connect_error", done).once("connect", () => done(null)));
      const error = await soon(answered, "a refusal");
      assert.match(error?.message ?? "let in", /agent's key/);
    }
  });

  test("S0-33 S0-34 chunks are emitted where they are watched, in order, and each is answered", async () => {
    const task = await cast.task();
    const { client: provider, ...own } = await watch(task, { api_key: cast.provider.key });
    const viewer = await watch(task);
    const contents = Array.from({ length: 200 }, (_, n) => `${n}`);
    const answers = await Promise.all(contents.map((content) => emitted(provider, { content })));
    assert.deepEqual(answers, contents.map((_, n) => ({ status: "ok", response: { seq: n + 1 } })));
    await viewer.count(200);
    assert.deepEqual(viewer.chunks.map(({ content }) => content), contents);
    for (const [chunk, reason] of [
      [undefined, "invalid_payload"],
      [null, "invalid_payload"],
      [{}, "invalid_payload"],
      [{ content: [] }, "invalid_payload"],
      [{ content: Buffer.from("bytes") }, "invalid_payload"],
      [{ content: "a", kind: "x" }, "invalid_kind"],
      [{ content: "x".repeat(65_537) }, "invalid_payload"],
    ]) {
      assert.deepEqual(await emitted(provider, chunk), refusal(reason));
    }
    assert.deepEqual(await emitted(provider, { content: "a" }, "find"), refusal("unknown_event"));
    const [hirer, client] = [await watch(task, { token: cast.people.ann.token }), await watch(task)];
    for (const { client: socket } of [hirer, client]) {
      assert.deepEqual(await emitted(socket, { content: "a" }), refusal("unauthorized"));
    }
    await cast.complete(task, "done");
    assert.deepEqual(await emitted(provider, { content: "a" }), refusal("task_closed"));
    await viewer.ended();
    assert.equal(viewer.chunks.length, 200);
    own.close();
  });

  test("several namespaces share a connection with the services, and come and go for themselves", async () => {
    const tasks = await Promise.all(Array.from({ length: 5 }, () => cast.task()));
    const manager = new Manager(daemon.url, { transports: ["websocket"] });
    const sockets = tasks.map((task) => manager.socket(`/task_stream/${task}`, { auth: { api_key: cast.client.key } }));
    const root = manager.socket("/", { auth: { token: cast.people.ann.token } });
    keep(() => [root, ...sockets].forEach((socket) => socket.close()));
    const heard = sockets.map((socket) => {
      const chunks = [];
      socket.on("stream.chunk", ({ content }) => chunks.push(content));
      return chunks;
    });
    const joined = sockets.map((socket) => new Promise((resolve) => socket.once("joined", resolve)));
    await soon(Promise.all(joined), "all namespaces are joined");
    await Promise.all(tasks.map((task, n) => cast.emit(task, `first ${n}`)));
    await until(() => heard.every((chunks) => chunks.length === 1), "each is told its own");
    assert.deepEqual(heard, tasks.map((_, n) => [`first ${n}`]));
    assert.ok((await call(root, "find", "tasks", {})).total >= 5);
    sockets[0].disconnect();
    root.disconnect();
    await Promise.all(tasks.map((task, n) => cast.emit(task, `second ${n}`)));
    await until(() => heard.slice(1).every((chunks) => chunks.length === 2), "the others are told more");
    // It comes again, where it was.
    sockets[0].auth = { api_key: cast.client.key, last_seq: 1 };
    sockets[0].connect();
    await until(() => heard[0].length === 2, "who comes again is told the rest");
    assert.deepEqual(heard[0], ["first 0", "second 0"]);
  });

  test("who comes while others go is in, and is told everything", async () => {
    const task = await cast.task();
    const auth = { api_key: cast.client.key };
    const quick = { reconnectionDelay: 5, reconnectionDelayMax: 20 };
    for (let round = 0; round < 15; round++) {
      // The namespace is made and deleted again and again.
      const viewers = await Promise.all(Array.from({ length: 4 }, () => watch(task, auth, quick)));
      const seq = await cast.emit(task, `${round}`);
      await Promise.all(viewers.map((viewer) => until(() => viewer.last >= seq, "each is told")));
      viewers.forEach((viewer) => viewer.close());
    }
    const strangers = Array.from({ length: 30 }, () => refused(task, {}));
    const viewer = await watch(task, auth);
    assert.deepEqual(new Set(await Promise.all(strangers)), new Set(["unauthorized"]));
    await viewer.count(15);
    assert.deepEqual(viewer.seqs, Array.from({ length: 15 }, (_, n) => n + 1));
  });

  test("a long replay leaves room for what else comes over its connection", async () => {
    const task = await cast.task();
    const { client: provider } = await watch(task, { api_key: cast.provider.key });
    for (let n = 0; n < 5; n++) {
      await Promise.all(Array.from({ length: 1_000 }, () => emitted(provider, { content: "x".repeat(200) })));
    }
    const manager = new Manager(daemon.url, { transports: ["websocket"] });
    const root = manager.socket("/", { auth: { token: cast.people.ann.token } });
    keep(() => root.close());
    const lost = [];
    root.on("disconnect", (reason) => lost.push(reason));
    let told = 0;
    root.on("boards created", () => told++);
    await soon(new Promise((resolve) => root.once("connect", resolve)), "the root is connected");
    const stream = manager.socket(`/task_stream/${task}`, { auth: { api_key: cast.client.key } });
    const seqs = [];
    stream.on("stream.chunk", ({ seq }) => seqs.push(seq));
    await Promise.all(Array.from({ length: 50 }, (_, n) => cast.admin.post("/boards", { name: `${n}` })));
    await until(() => seqs.length === 5_000 && told === 50, "everything comes");
    assert.deepEqual([lost, seqs], [[], Array.from({ length: 5_000 }, (_, n) => n + 1)]);
    stream.close();
  });

  test("a connection watches so many streams, and no more", async () => {
    const task = await cast.task();
    const raw = await RawSocket.open(daemon.url);
    const tasks = await Promise.all(Array.from({ length: 101 }, () => cast.task()));
    const auth = JSON.stringify({ api_key: cast.client.key });
    for (const [n, task] of tasks.entries()) {
      raw.send(`40/task_stream/${task},${auth}`);
      const [answer] = await raw.take(n < 100 ? 2 : 1, "the namespace is answered").then((frames) => frames.slice(n === 0 ? 1 : 0));
      if (n === 100) assert.equal(answer, `44/task_stream/${task},{"message":"too_many_streams"}`);
      if (n === 0) await raw.take(1, "the first is joined");
    }
    // What is malformed does no harm to anybody else.
    for (const frame of ["40/task_stream/", "40/task_stream/,", "40/task_stream/a/b,", `42/task_stream/${task},["x"]`, "40/nowhere,"]) {
      const other = await RawSocket.open(daemon.url);
      other.send(frame);
      other.send("40/nowhere,");
      await other.take(2, "the malformed is passed over or refused");
      other.close();
    }
    raw.close();
    (await watch(task)).close();
  });

  test("a namespace ends with the login, and is not entered again", async () => {
    const task = await cast.task();
    const worker = await cast.key(cast.provider.id);
    const viewer = await watch(task, { api_key: worker.key });
    const other = await watch(task, { api_key: cast.provider.key });
    const ended = soon(new Promise((resolve) => viewer.client.once("disconnect", resolve)), "the namespace ends");
    await cast.admin.remove(`/api-keys/${worker.keyId}`);
    assert.equal(await ended, "io server disconnect");
    assert.equal(await refused(task, { api_key: worker.key }), "unauthorized");
    await cast.emit(task, "a");
    await other.count(1);
    assert.deepEqual(viewer.seqs, []);
  });

  test("S0-35 S0-37 everything is kept over kill -9, and who comes again goes on where it was", async () => {
    const task = await cast.task();
    const quick = { reconnectionDelay: 20, reconnectionDelayMax: 100 };
    let viewer;
    const auth = (answer) => answer({ api_key: cast.client.key, last_seq: viewer?.last ?? 0 });
    viewer = await watch(task, auth, quick);
    const provider = await watch(task, { api_key: cast.provider.key }, quick);
    const stored = [];
    let running = true;
    const emitting = (async () => {
      for (let n = 0; running; n++) {
        const answer = await provider.client.timeout(2_000).emitWithAck("task.stream_chunk", { content: `${n}` }).catch(() => null);
        if (answer?.status === "ok") stored.push([answer.response.seq, `${n}`]);
      }
    })();
    for (let round = 0; round < 3; round++) {
      const enough = stored.length + 20;
      await until(() => stored.length >= enough, "chunks are stored");
      await daemon.restart("SIGKILL");
    }
    const enough = stored.length + 20;
    await until(() => stored.length >= enough, "chunks are stored again");
    running = false;
    await emitting;
    await cast.complete(task, "done");
    await viewer.ended();
    const last = viewer.last;
    assert.deepEqual(viewer.seqs, Array.from({ length: last }, (_, n) => n + 1));
    for (const [seq, content] of stored) assert.equal(viewer.chunks[seq - 1].content, content);
  });
});

onEveryDatabase("Tasks' streams in namespaces of an open daemon", (database) => {
  test("need no key: whoever reaches it is its owner", async () => {
    const daemon = await Daemon.start(database);
    const owner = rest(daemon.url);
    const { session_id } = await owner.post("/sessions", {});
    const { task_id } = await owner.post("/tasks", { session_id });
    for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
      const viewer = await overNamespace(daemon.url, task_id, {}, { transports });
      assert.equal((await emitted(viewer.client, { content: "a" })).status, "ok");
      await viewer.count(viewer.joined.seq + 1);
      viewer.close();
    }
    const polling = io(`${daemon.url}/task_stream/${task_id}`, { transports: ["polling"], forceNew: true });
    const chunks = [];
    polling.on("stream.chunk", ({ seq }) => chunks.push(seq));
    await Promise.all(Array.from({ length: 600 }, (_, n) => owner.post(`/tasks/${task_id}/chunks`, { content: `${n}` })));
    await until(() => chunks.length === 603, "who polls is told everything");
    assert.deepEqual(chunks, Array.from({ length: 603 }, (_, n) => n + 1));
    polling.close();
    await closeAll();
    await daemon.stop();
  });
});
