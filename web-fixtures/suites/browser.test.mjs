// A real browser: the snippets of MGX's and Hive's pages, an `EventSource` that outlives the daemon, and pages from
// elsewhere, which reach nothing.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { launch, noBrowser, serve } from "../support/browser.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { hiveUrl, tell } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import * as mgx from "../support/seed-003.mjs";
import * as hive from "../support/seed-004.mjs";
import { noPages } from "../support/seeds.mjs";
import { closeAll, until } from "../support/wait.mjs";
import { task, workflows } from "../support/workflows.mjs";

/** What a page's own console says of what the suite makes fail. */
const FORGIVES = /net::ERR_|response code: 403|status of 403|CORS policy|connection to .* was interrupted/;

/** Notes what an `EventSource` is told. */
const LISTEN = `
window.listen = (url) => {
  const told = (window.told = []);
  const source = (window.source = new EventSource(url));
  source.onmessage = ({ data, lastEventId }) => told.push([lastEventId, JSON.parse(data).seq]);
};
`;

/** What a page can reach of a daemon: each way, and whether something came of it. */
const REACH = `
window.reach = async (url) => {
  const socket = (path, first) => new Promise((resolve) => {
    const socket = new WebSocket(url.replace("http", "ws") + path);
    if (first) socket.onmessage = () => resolve(true);
    else socket.onopen = () => resolve(true);
    socket.onclose = () => resolve(false);
  });
  const source = new Promise((resolve) => {
    const source = new EventSource(url + "/events");
    const end = (opened) => (source.close(), resolve(opened));
    source.onopen = () => end(true);
    source.onerror = () => end(false);
  });
  const read = fetch(url + "/sessions").then((answer) => answer.ok, () => false);
  // As a form does, which asks nobody.
  const form = new URLSearchParams({ title: "From afar" });
  const written = fetch(url + "/sessions", { method: "POST", mode: "no-cors", body: form }).catch(() => {});
  const ways = [socket("/ws/stream"), socket("/hive", true), socket("/socket.io/?EIO=4&transport=websocket", true), source, read];
  return (await Promise.all([...ways, written])).slice(0, ways.length);
};
`;

if (noBrowser) test("a real browser", { skip: noBrowser }, () => {});
else {
  const snippets = noPages ? { mgx: {}, hive: {} } : { mgx: await mgx.verbatim(), hive: await hive.verbatim() };
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  before(async () => (browser = await launch({ forgives: FORGIVES })));
  after(() => browser.close());

  onEveryDatabase("A browser", (database) => {
    /** @type {Daemon} */
    let daemon;
    let of;
    before(async () => {
      daemon = await Daemon.start(database, { args: ["--hive-listen", "127.0.0.1:0", "--heartbeat-secs", "1"] });
      of = workflows(daemon.url);
    });
    after(() => daemon.stop());
    afterEach(closeAll);

    /** Opens a page of another server here that runs a program, far from UTC. */
    const run = async (program) => browser.open(`http://127.0.0.1:${await serve(program)}/`, { timezoneId: "Asia/Kolkata" });

    async function snippet(program) {
      const workflow = await of.make([task("one")]);
      const page = await run(mgx.here(program, daemon.url, workflow.id));
      await until(() => page.said.some(({ text }) => text.startsWith("event undefined")), "the snippet's socket is open");
      const execution = await of.execute(workflow.id);
      const signals = () => page.said.filter(({ text }) => /^event (workflow|step)_/.test(text));
      await until(() => signals().at(-1)?.text.startsWith("event workflow_completed"), "the end is told");
      const said = await Promise.all(signals().map(({ values }) => values()));
      assert.deepEqual(said.map(([, type]) => type), ["workflow_started", "step_started", "step_completed", "workflow_completed"]);
      for (const [, type, event] of said) {
        assert.deepEqual([event.event_type, event.workflow_id, event.workflow_execution_id], [type, workflow.id, execution]);
        const moment = await page.evaluate((timestamp) => new Date(timestamp).toISOString(), event.timestamp);
        assert.equal(moment, event.timestamp, "a browser reads it as the moment that it was");
      }
    }

    async function quickStart(program) {
      const here = program.replace("ws://localhost:8765", hiveUrl(daemon).replace("http", "ws"));
      const page = await run(`const shown = []; const updateDashboard = (event) => shown.push(event);\n${here}`);
      const shown = () => page.evaluate("shown");
      const of = (type, data = {}, stream_id = "webhook") => ({ type, stream_id, execution_id: "e-1", data });
      // Until its subscription is there.
      await until(async () => {
        await tell(daemon.url, of("execution_started"));
        return (await shown()).length;
      }, "the snippet is told");
      await tell(daemon.url, of("custom"), of("execution_completed", {}, "other"), of("goal_progress", { progress: 0.5 }), of("execution_completed", { output: "é 🐝" }));
      await until(async () => (await shown()).at(-1).type === "execution_completed", "the end is told");
      const last = (await shown()).filter(({ type }) => type !== "execution_started");
      assert.deepEqual(last.map(({ type, stream_id, data }) => [type, stream_id, data]), [
        ["goal_progress", "webhook", { progress: 0.5 }],
        ["execution_completed", "webhook", { output: "é 🐝" }],
      ]);
    }

    /** A page's stream of messages goes on where the daemon was killed. */
    async function outlive(killed, page) {
      await page.evaluate(LISTEN);
      await page.evaluate((url) => window.listen(url), `${killed.url}/events?source=messages`);
      const isOpen = () => page.evaluate("source.readyState === EventSource.OPEN");
      await until(isOpen, "the stream opens");
      const { session_id } = (await sendJson(killed.url, "POST", "/sessions", {})).json;
      const say = (content) => sendJson(killed.url, "POST", "/messages", { session_id, content });
      const first = (await say("first")).json;
      for (let round = 0; round < 2; round++) {
        // What is not answered may or may not be stored.
        const open = Array.from({ length: 20 }, (_, n) => say(`${round} ${n}`).catch(() => {}));
        await Promise.race(open);
        await killed.restart("SIGKILL");
        await Promise.all(open);
        for (let n = 0; n < 5; n++) await say(`meanwhile ${round} ${n}`);
        await until(isOpen, "it comes back");
      }
      const last = (await say("last")).json;
      const { data } = (await sendJson(killed.url, "GET", `/events?source=messages&session=${session_id}&$limit=1000`)).json;
      assert.deepEqual([data[0].data.message_id, data.at(-1).data.message_id], [first.message_id, last.message_id]);
      const stamps = data.map(({ seq }) => seq);
      await until(async () => (await page.evaluate("told")).some(([id]) => id === stamps.at(-1)), "the last is told");
      assert.deepEqual(await page.evaluate("told"), stamps.map((seq) => [seq, seq]));
    }

    test("S3-33 MGX's snippet, written anew", () => snippet(mgx.ANEW.browser));
    test("S3-33 MGX's snippet, as it stands", { skip: noPages }, () => snippet(snippets.mgx.browser));
    test("S4-42 Hive's snippet, written anew", () => quickStart(hive.ANEW.quickStart));
    test("S4-42 Hive's snippet, as it stands", { skip: noPages }, () => quickStart(snippets.hive.quickStart));

    for (const [where, origin] of [
      ["of the daemon's own", ({ url }) => `${url}/health`],
      ["of another site, which is named in CORS_ORIGINS", (_, friend) => `${friend}/`],
    ]) {
      test(`an EventSource in a page ${where} goes on by itself after kill -9: nothing is lost or comes twice`, async () => {
        const friend = `http://friend.example:${await serve("")}`;
        const killed = await Daemon.start(database, { env: { CORS_ORIGINS: friend } });
        try {
          await outlive(killed, await browser.open(origin(killed, friend)));
        } finally {
          await closeAll();
          await killed.stop();
        }
      });
    }

    test("a page from elsewhere reaches nothing; one that is named in CORS_ORIGINS reaches all", async () => {
      const port = await serve(REACH);
      const [friend, stranger] = ["friend", "stranger"].map((name) => `http://${name}.example:${port}`);
      const guarded = await Daemon.start(database, { env: { CORS_ORIGINS: friend } });
      try {
        const reach = async (origin) => (await browser.open(`${origin}/`)).evaluate((url) => window.reach(url), guarded.url);
        assert.deepEqual(await reach(stranger), [false, false, false, false, false]);
        const sessions = async () => (await sendJson(guarded.url, "GET", "/sessions")).json.total;
        assert.equal(await sessions(), 0, "nothing was written, either");
        assert.deepEqual(await reach(friend), [true, true, true, true, true]);
        assert.equal(await sessions(), 1);
      } finally {
        await closeAll();
        await guarded.stop();
      }
    });
  });
}
