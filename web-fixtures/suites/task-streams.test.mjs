// One task's stream through all doors at once: who emits, who watches, who stops reading, who comes again.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { Cast, rest } from "../support/agrenting.mjs";
import { between, chance } from "../support/chance.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { connect, REVISIONS, tool } from "../support/mcp.mjs";
import { answer, heard } from "../support/phoenix.mjs";
import { Proxy } from "../support/proxy.mjs";
import { emitted, overChannel, overNamespace, socketOf } from "../support/streaming.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

const EACH = 120;
const SEED = Number(process.env.ROOST_SEED ?? 7);
const upTo = (n) => Array.from({ length: n }, (_, index) => index + 1);

onEveryDatabase("Tasks' streams through every door", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Cast} */
  let cast;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--auth", "required", "--stall-secs", "2", "--task-bytes", "200000000"] });
    cast = await Cast.gather(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const channel = async (side, key, task, params, transport) =>
    overChannel(await socketOf(daemon.url, side, key, transport), task, params);

  /** Ways to watch a task from the chunk after `last_seq`. */
  const watching = () => {
    const { client, provider, people } = cast;
    const namespace = (auth, transports = ["websocket"]) => (task, last_seq = 0) =>
      overNamespace(daemon.url, task, { ...auth, last_seq }, { transports });
    return [
      (task, last_seq) => channel("hirer", people.ann.key, task, { last_seq }),
      (task, last_seq) => channel("hirer", people.ann.token, task, { last_seq }, "LongPoll"),
      (task, last_seq) => channel("agent", provider.key, task, { last_seq }),
      (task, last_seq) => channel("agent", client.key, task, { last_seq }),
      namespace({ api_key: client.key }),
      namespace({ api_key: provider.key }),
      namespace({ token: people.ann.token }),
      namespace({ api_key: people.ann.key }, ["polling"]),
      namespace({ token: people.ann.key }, ["polling", "websocket"]),
    ];
  };

  /** Ways to emit a chunk; each answers with its number. */
  async function emitting(task) {
    const own = (await socketOf(daemon.url, "agent", cast.provider.key)).channel(`agent:${cast.provider.id}`, {});
    await answer(own.join());
    const { client } = await overNamespace(daemon.url, task, { api_key: cast.provider.key });
    const { send } = rest(daemon.url, cast.provider.key);
    const ways = {
      service: (chunk) => cast.emit(task, chunk.content, chunk),
      channel: async (chunk) => (await answer(own.push("task.stream_chunk", { task_id: task, ...chunk })))[1].seq,
      namespace: async (chunk) => (await emitted(client, chunk)).response.seq,
      rest: async (chunk) => (await send("POST", `/api/v1/tasks/${task}/chunk`, chunk)).body.data.seq,
    };
    for (const revision of REVISIONS) {
      const client = await connect(daemon.url, revision, cast.provider.key);
      ways[`MCP ${revision}`] = async (chunk) => (await tool(client, "task_emit_chunk", { task_id: task, ...chunk })).answer.seq;
    }
    return ways;
  }

  test("S0-31 S0-33 S0-35 S0-37 all ways in at once, twenty viewers that come when they like: each is told 1..n once", async () => {
    const task = await cast.task();
    const ways = await emitting(task);
    const random = chance(SEED);
    const numbers = {};
    const emit = Promise.all(
      Object.entries(ways).map(async ([way, emit]) => {
        numbers[way] = [];
        for (let n = 0; n < EACH; n++) numbers[way].push(await emit({ content: `${way} ${n}`, kind: n % 2 ? "chat" : "artifact" }));
      }),
    );
    const all = EACH * Object.keys(ways).length;
    const kinds = watching();
    const viewers = Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        await between(random, 0, 600);
        return kinds[n % kinds.length](task);
      }),
    );
    // One goes and comes again, in another way each time.
    const wanderer = (async () => {
      const told = [];
      for (let n = 0; ; n++) {
        const viewer = await kinds[n % kinds.length](task, told.at(-1) ?? 0);
        await until(() => viewer.chunks.length > 10 || viewer.end, "the wanderer is told something");
        viewer.close();
        told.push(...viewer.seqs);
        if (viewer.end) return told;
      }
    })();
    await emit;
    await cast.complete(task, { all });
    for (const viewer of await viewers) {
      await viewer.ended();
      assert.deepEqual(viewer.seqs, upTo(all));
      assert.deepEqual(viewer.end, ["stream.done", { result: { all } }]);
      for (const [way, seqs] of Object.entries(numbers)) {
        const contents = seqs.map((seq) => viewer.chunks[seq - 1].content);
        assert.deepEqual(contents, seqs.map((_, n) => `${way} ${n}`), "each is where its answer said");
      }
    }
    assert.deepEqual(await wanderer, upTo(all));
  });

  test("S0-36 who stops reading costs little, disturbs nobody and has everything when he comes again", async () => {
    const task = await cast.task();
    const proxy = await Proxy.open(daemon.port);
    const quick = { reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const auth = (answer) => answer({ api_key: cast.client.key, last_seq: stopped[0]?.last ?? 0 });
    const stopped = [];
    stopped.push(await overNamespace(proxy.url, task, auth, quick));
    const hirer = await socketOf(proxy.url, "hirer", cast.people.ann.key);
    stopped.push(await overChannel(hirer, task, () => ({ last_seq: stopped[1]?.last ?? 0 })));
    const reader = await overNamespace(daemon.url, task, { api_key: cast.client.key });
    const { client } = await overNamespace(daemon.url, task, { api_key: cast.provider.key, last_seq: 1_000_000 });
    const content = "x".repeat(60_000);
    /** Emits 48 MB; the most that the daemon took meanwhile. */
    const emitMuch = async () => {
      let most = 0;
      for (let n = 0; n < 40; n++) {
        const chunks = Array.from({ length: 20 }, () => emitted(client, { content }));
        for (const { status } of await Promise.all(chunks)) assert.equal(status, "ok");
        most = Math.max(most, await memory(daemon));
      }
      return most;
    };
    // What the daemon takes where everybody reads.
    const before = await emitMuch();
    await Promise.all([...stopped, reader].map((viewer) => viewer.count(800)));
    proxy.hold();
    const more = (await emitMuch()) - before;
    await reader.count(1_600);
    assert.ok(more < 30_000, `the daemon took ${more} KiB more`);
    proxy.go();
    await cast.complete(task, "done");
    for (const viewer of [...stopped, reader]) {
      await viewer.ended();
      assert.deepEqual(viewer.seqs, upTo(1_600));
    }
  });

  test("S0-27 who may not watch any more is told nothing more, and is not let in again", async () => {
    const task = await cast.task();
    const viewer = await channel("agent", cast.provider.key, task, {});
    const socket = await overNamespace(daemon.url, task, { api_key: cast.provider.key });
    await cast.emit(task, "before");
    await Promise.all([viewer.count(1), socket.count(1)]);
    const refused = new Promise((resolve) => viewer.client.joinPush.receive("error", resolve));
    const ended = new Promise((resolve) => socket.client.once("disconnect", resolve));
    await cast.admin.patch(`/tasks/${task}`, { provider_agent_id: cast.other.id });
    await rest(daemon.url, cast.other.key).post(`/tasks/${task}/chunks`, { content: "behind" });
    assert.deepEqual(await soon(refused, "joining again is refused"), { reason: "unauthorized" });
    assert.equal(await soon(ended, "the namespace ends"), "io server disconnect");
    assert.deepEqual([viewer.seqs, socket.seqs], [[1], [1]]);
    viewer.close();
  });

  test("S0-40 an agent whose connection is lost is gone at once", async () => {
    const proxy = await Proxy.open(daemon.port);
    const worker = await cast.agent("lost");
    const channelOf = async (url) => {
      const channel = (await socketOf(url, "agent", worker.key)).channel(`agent:${worker.id}`, {});
      const state = heard(channel, "presence_state");
      await answer(channel.join());
      await state;
      return channel;
    };
    const stays = await channelOf(daemon.url);
    const came = heard(stays, "presence_diff");
    await channelOf(proxy.url);
    await came;
    const went = heard(stays, "presence_diff");
    proxy.reset();
    assert.equal((await went).leaves[worker.id].metas.length, 1);
  });
});

/** What the daemon takes, in KiB. */
async function memory({ pid }) {
  return Number(/VmRSS:\s*(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))[1]);
}
