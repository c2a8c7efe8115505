// S1-40, what the dashboard asks: a swarm at a glance every three seconds, and its events as they come.
//
// DASHBOARD_SECS says how long it is watched on SQLite, a minute if nothing is said, a sixth of that elsewhere; the
// suite waits nearly all of that.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { api, atRest, echo, everyEvent, eventually, ring, round } from "../support/swarms.mjs";
import { overNamespace } from "../support/swarm-viewers.mjs";
import { closeAll, soon } from "../support/wait.mjs";

const SECS = Number(process.env.DASHBOARD_SECS ?? 60);

/** Milliseconds between looks. */
const EVERY = { dashboard: 3_000, feed: 700, task: 1_000 };

const KEYS = {
  dashboard: [
    "swarm", "dashboard_title", "status", "uptime_s", "generated_at", "data_source", "warnings", "summary", "nodes", "edges",
    "sessions", "extensions",
  ],
  summary: ["agents", "objects", "sessions", "pool"],
  pool: ["leased", "size"],
  node: ["name", "type", "state", "backend"],
  edge: ["from", "to"],
  session: [
    "session_id", "label", "transport", "transport_ref", "user", "metadata", "last_activity", "agent", "state",
  ],
  feed: ["events", "seq", "source"],
  event: ["id", "timestamp", "level", "category", "swarm", "agent", "event_type", "message", "metadata"],
};

const has = (value, kind) => assert.deepEqual(Object.keys(value), KEYS[kind], kind);

/** Checks what is shown of a swarm. */
function check(shown) {
  has(shown, "dashboard");
  has(shown.summary, "summary");
  has(shown.summary.pool, "pool");
  for (const node of shown.nodes) {
    has(node, "node");
    assert.equal(node.type, "agent");
    assert.ok(["initializing", "idle", "working", "error", "stopped"].includes(node.state), node.state);
  }
  shown.edges.forEach((edge) => has(edge, "edge"));
  for (const session of shown.sessions) {
    has(session, "session");
    assert.ok(["active", "idle"].includes(session.state));
  }
  assert.deepEqual([shown.warnings, shown.extensions], [[], {}]);
  assert.equal(shown.summary.agents, shown.nodes.length);
  assert.equal(shown.summary.sessions, shown.sessions.length);
}

/** Reads a feed to its end, from where it was read to; what it tells is added. */
async function read(of, swarm, feed, limit = "") {
  for (;;) {
    const page = await of.get(`/swarms/${swarm}/events/feed?since=${feed.seq}${limit}`);
    has(page, "feed");
    assert.equal(page.source, "feed");
    assert.ok(Number.isSafeInteger(page.seq) && page.seq >= feed.seq, `${feed.seq}, then ${page.seq}`);
    page.events.forEach((event) => has(event, "event"));
    feed.told.push(...page.events);
    feed.seq = page.seq;
    if (page.events.length === 0) return;
  }
}

/** Does something every so often until it is told to end; what fails ends it. */
function every(milliseconds, work) {
  const end = new AbortController();
  const { signal } = end;
  const pause = () => sleep(milliseconds, undefined, { signal }).catch(() => {});
  const done = (async () => {
    for (; !signal.aborted; await pause()) await work();
  })();
  done.catch(() => {});
  return () => (end.abort(), soon(done, "the last look is answered"));
}

onEveryDatabase("S1-40 the dashboard", (database) => {
  /** @type {Daemon} */
  let daemon;
  let of;
  const isFast = database.name === "SQLite";
  const secs = isFast ? SECS : SECS / 6;
  before(async () => {
    daemon = await Daemon.start(database);
    of = api(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("a swarm at a glance, and its agents' sessions", async () => {
    await of.make({ name: "glance", agents: [echo("a"), echo("b")], topology: [["a", "b"]] });
    await of.good("POST", "/swarms/glance/agents/a/task", { task: "@b: hello" });
    await eventually(() => of.get("/swarms/glance/agents/b/history"), ({ history }) => history.length, "b is told");
    await atRest(of, "glance");
    const shown = await of.get("/swarms/glance/dashboard");
    check(shown);
    assert.deepEqual([shown.swarm, shown.dashboard_title, shown.status, shown.data_source], ["glance", "glance", "running", "engine"]);
    assert.ok(shown.uptime_s >= 0 && shown.uptime_s < 600);
    assert.deepEqual(shown.summary, { agents: 2, objects: 0, sessions: 2, pool: { leased: 0, size: 0 } });
    assert.deepEqual(shown.nodes[0], { name: "a", type: "agent", state: "idle", backend: "echo" });
    assert.deepEqual(shown.edges, [{ from: "a", to: "b" }]);
    const [, { session_id, label, agent }] = shown.sessions;
    assert.deepEqual([label, agent], ["glance/b", "b"]);

    const session = (what, id = session_id) => of.get(`/swarms/glance/sessions/${id}/${what}`);
    const { turns, ...history } = await session("history");
    assert.deepEqual(history, { session_id, source: "store" });
    assert.deepEqual(turns, (await of.get("/swarms/glance/agents/b/history")).history);
    assert.deepEqual((await session("logs")).logs, (await of.get("/swarms/glance/agents/b/logs")).logs);
    assert.deepEqual(await session("skills"), { session_id, skills: [], source: "store" });
    assert.deepEqual(await session("logs", "nobody"), { session_id: "nobody", logs: [], source: "unavailable" });
    assert.deepEqual(await of.get("/swarms/glance/config"), { swarm: "glance", objects: [], source: "engine" });
    for (const path of ["dashboard", "events/feed", "config", "sessions/x/history"]) {
      assert.deepEqual(await of.bad("GET", `/swarms/nobody/${path}`), [404, "swarm_not_found"]);
    }
    await of.good("DELETE", "/swarms/glance");
    const { status, uptime_s } = await of.get("/swarms/glance/dashboard");
    assert.deepEqual([status, uptime_s], ["stopped", 0]);
  });

  const many = isFast ? 10_000 : 2_500;
  test(`a feed that is read from its start tells all of ${many} events, each once`, async () => {
    const [AGENTS, TASKS, HOPS] = [20, isFast ? 40 : 10, 90];
    await of.make(ring("many", AGENTS));
    for (let task = 0; task < TASKS; task++) {
      const text = round(AGENTS, task, HOPS, `task ${task}`);
      await of.good("POST", `/swarms/many/agents/a${task % AGENTS}/task`, { task: text });
    }
    // Each look counts what waits for whom.
    await atRest(of, "many", 120_000, 500);
    const feed = { seq: 0, told: [] };
    await read(of, "many", feed, "&limit=1000");
    const { told, seq } = feed;
    assert.ok(told.length >= many, `${told.length} events`);
    const ids = told.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length, "each once");
    // Of the newest ten thousand, and of a few more until they are swept, it is known what they are.
    const kept = (await everyEvent(of, "many")).map(({ id }) => id);
    assert.ok(kept.length <= 10_200, `${kept.length} are kept`);
    assert.deepEqual(ids.slice(-kept.length), kept);
    const { events } = await of.get("/swarms/many/events?limit=5");
    assert.deepEqual(events.map(({ id }) => id), ids.slice(-5).reverse());
    assert.deepEqual(await of.get(`/swarms/many/events/feed?since=${seq}`), { events: [], seq, source: "feed" });
    // A place that the log does not have, as of one that was restored since: it is told anew.
    const { events: anew } = await of.get(`/swarms/many/events/feed?since=${seq + 1_000_000}&limit=1`);
    assert.deepEqual(anew.map(({ id }) => id), ids.slice(0, 1));
  });

  test("of a swarm that was purged, one of the same name tells nothing", async () => {
    await of.make({ name: "again", agents: [{ name: "a", backend: "echo" }] });
    await of.good("POST", "/swarms/again/agents/a/task", { task: "a secret" });
    await atRest(of, "again", 20_000, 50);
    await of.good("DELETE", "/swarms/again?purge=true");
    await of.make({ name: "again", agents: [{ name: "a", backend: "echo" }] });
    await of.good("POST", "/swarms/again/agents/a/task", { task: "news" });
    await atRest(of, "again", 20_000, 50);
    const { events } = await of.get("/swarms/again/events/feed?since=0&limit=1000");
    const { events: stored } = await of.get("/swarms/again/events?limit=1000");
    assert.deepEqual(events, stored.reverse());
    assert.ok(!JSON.stringify(events).includes("a secret"));
    const viewer = await overNamespace(daemon.url, "again", { since: "0" });
    await viewer.until("agent_output", ({ content }) => content === "news");
    assert.ok(!JSON.stringify(viewer.told).includes("a secret"));
    viewer.close();
  });

  test(`a swarm that works is watched for ${secs} s, over a kill -9 of the daemon: each event comes once`, async () => {
    await of.make(ring("watched", 5));
    const feed = { seq: 0, told: [] };
    let [looks, feeds, tasks] = [0, 0, 0];
    /** A daemon that is away is asked again. */
    const patiently = async (look) => {
      try {
        await look();
      } catch (error) {
        if (!["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(error.code)) throw error;
      }
    };
    const ends = [
      every(EVERY.dashboard, () =>
        patiently(async () => {
          check(await of.get("/swarms/watched/dashboard"));
          looks++;
        }),
      ),
      every(EVERY.feed, () => patiently(async () => (await read(of, "watched", feed), feeds++))),
      every(EVERY.task, () =>
        patiently(async () => {
          const text = round(5, tasks, 5, `task ${tasks}`);
          await of.good("POST", `/swarms/watched/agents/a${tasks % 5}/task`, { task: text });
          tasks++;
        }),
      ),
    ];
    await sleep((secs * 1_000) / 2);
    await daemon.restart("SIGKILL");
    await sleep((secs * 1_000) / 2);
    const endings = await Promise.allSettled(ends.map((end) => end()));
    endings.forEach(({ reason }) => assert.equal(reason, undefined, reason?.stack));
    await atRest(of, "watched");
    await read(of, "watched", feed);
    const { told } = feed;
    assert.ok(looks >= 1 && feeds >= 1 && tasks >= 1, `${looks} looks, ${feeds} feeds, ${tasks} tasks`);
    const ids = told.map(({ id }) => id);
    const kept = (await everyEvent(of, "watched")).map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(ids.slice(-kept.length), kept);
    assert.ok(told.filter(({ event_type }) => event_type === "swarm_started").length >= 2, "it came back");
  });
});
