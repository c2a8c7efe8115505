// Genswarms' channel in trouble: kills, lost connections, hostile input, slow readers; and agents that are
// somebody who connects.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Proxy } from "../support/proxy.mjs";
import { echo, external, overChannel, swarms, swarmSocket } from "../support/swarm-viewers.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

onEveryDatabase("Genswarms' channel in trouble", (database) => {
  /** @type {Daemon} */
  let daemon;
  let all;
  before(async () => {
    daemon = await Daemon.start(database, { args: ["--max-message", `${1 << 20}`] });
    all = swarms(daemon.url);
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  const join = async (name, params, url = daemon.url) => overChannel(await swarmSocket(url), name, params);
  const outputs = (viewer) => viewer.of("agent_output").map(({ content }) => content);

  test("S1-23 what was told lasts over kill -9, and is what REST tells, too", async () => {
    const name = await all.start();
    const viewer = await overChannel(await swarmSocket(daemon.url, { timeout: 3_000 }), name);
    await viewer.ok("subscribe_events", {});
    const tasks = Array.from({ length: 100 }, (_, n) => `@b: ${n}`);
    const sending = Promise.all(tasks.map((task) => viewer.ask("send_task", { agent: "a", task })));
    await until(() => viewer.of("message_routed").length >= 20, "messages are passed on");
    const told = viewer.of("event");
    await daemon.kill("SIGKILL");
    const answers = await sending;
    const sent = tasks.filter((_, n) => answers[n][0] === "ok");
    await daemon.restart();
    const again = await join(name);
    const output = ({ event_type, agent }) => event_type === "stdout" && agent === "a";
    const logged = async () => (await all.events(name)).filter(output).reverse().map(({ metadata }) => metadata.output);
    await until(async () => (await logged()).length >= sent.length, "what was sent is done");
    // All that was acknowledged, once and in order; what was sent without an answer may be there, too.
    const done = await logged();
    assert.deepEqual(done.filter((task) => sent.includes(task)), sent);
    const { recent_events } = await again.ok("subscribe_events", {});
    const stored = (await all.events(name)).reverse();
    const ids = recent_events.map(({ id }) => id);
    assert.deepEqual(stored.filter(({ id }) => ids.includes(id)), recent_events);
    assert.equal(recent_events.length, 50);
    const kept = new Map(stored.map((event) => [event.id, event]));
    for (const event of told) assert.deepEqual(kept.get(event.id), event, "what was told is kept");
  });

  test("nothing is missing and nothing comes twice between what was and what comes", async () => {
    const name = await all.start();
    const busy = await join(name);
    let running = true;
    const working = (async () => {
      for (let n = 0; running; n++) await busy.ok("send_task", { agent: n % 2 ? "a" : "b", task: `@b: ${n}` });
    })();
    const viewers = [];
    for (let n = 0; n < 10; n++) {
      const viewer = await join(name);
      const { recent_logs } = await viewer.ok("subscribe_logs", {});
      const { recent_events } = await viewer.ok("subscribe_events", { filters: { category: "agent" } });
      viewers.push({ viewer, recent_logs, recent_events });
    }
    running = false;
    await working;
    const { task_id } = await all.steer(name, "agents/a/task", { task: "the last" });
    await until(async () => (await all.get(`/tasks/${task_id}`)).status === "completed", "the last task is done");
    const last = (await all.events(name)).find(({ metadata }) => metadata.output === "the last");
    const stored = (await all.events(name)).reverse().map(({ id, category }) => ({ id, category }));
    assert.ok(stored.length < 1_000);
    for (const { viewer, recent_logs, recent_events } of viewers) {
      for (const [recent, event, of] of [[recent_logs, "log_entry", stored], [recent_events, "event", stored.filter(({ category }) => category === "agent")]]) {
        await viewer.until(event, ({ id }) => id === last.id);
        const ids = [...recent, ...viewer.of(event)].map(({ id }) => id);
        const from = of.findIndex(({ id }) => id === ids[0]);
        const to = of.findIndex(({ id }) => id === last.id) + 1;
        assert.deepEqual(ids.slice(0, to - from), of.slice(from, to).map(({ id }) => id), event);
      }
    }
  });

  test("several clients are told the same in the same order, and who resumes misses nothing", async () => {
    const name = await all.start();
    const [one, two] = [await join(name), await join(name, { since: "now" })];
    for (let n = 0; n < 10; n++) await one.done("a", `@b: ${n}`);
    const pushes = (viewer) => viewer.told.filter(({ event }) => event !== "heartbeat");
    const plain = (viewer) => pushes(viewer).map(({ event, payload: { seq, ...payload } }) => ({ event, payload }));
    await until(() => outputs(one).length === 20 && outputs(two).length === 20, "all is told");
    await until(() => pushes(one).length === pushes(two).length, "both were told");
    assert.deepEqual(plain(one), plain(two));
    const [, { payload }] = pushes(two);
    two.close();
    await one.done("b", "meanwhile");
    const back = await join(name, { since: payload.seq });
    await until(() => outputs(back).includes("meanwhile"), "who resumes is told");
    await until(() => pushes(back).length === pushes(one).length - 2, "all of it");
    assert.deepEqual(plain(back), plain(one).slice(2));
    const other = await join(name, { since: "elsewhere-7" });
    assert.equal((await other.until("reset")).reason, "other_log");
    await assert.rejects(join(name, { since: "yesterday" }), /invalid_since/);
  });

  test("who reads slowly is told everything in the end", async () => {
    const name = await all.start();
    const proxy = await Proxy.open(daemon.port);
    const [slow, quick] = [await join(name, {}, proxy.url), await join(name)];
    await slow.ok("subscribe_logs", {});
    proxy.hold();
    const text = "x".repeat(50_000);
    for (let n = 0; n < 60; n++) await quick.done("a", `${n} ${text}`);
    proxy.go();
    await until(() => outputs(slow).length === 60, "all is told");
    assert.deepEqual(outputs(slow), outputs(quick));
  });

  test("an agent that loses its connection gives way to another, who is given the open turn", async () => {
    const name = await all.start([external("e"), external("f"), echo("a")], [["e", "a"]]);
    const proxy = await Proxy.open(daemon.port);
    const [viewer, first] = [await join(name), await join(name, {}, proxy.url)];
    assert.deepEqual(await first.ok("agent_attach", { agent: "e" }), { attached: true, agent: "e" });
    await viewer.until("agent_status", ({ agent, state }) => agent === "e" && state === "idle");
    for (const task of ["one", "two"]) await viewer.ok("send_task", { agent: "e", task });
    const turn = await first.until("agent_task");
    assert.equal(turn.content, "one");
    first.client.socket.disconnect();
    proxy.cut();
    const second = await join(name);
    await second.ok("agent_attach", { agent: "e" });
    assert.deepEqual(await second.until("agent_task"), turn);
    assert.deepEqual(await second.ok("agent_result", { id: turn.id, content: "@a: done" }), { status: "stored", id: turn.id });
    const next = await second.until("agent_task", ({ content }) => content === "two");
    // A third takes the place; the second is told so, and cannot answer any more.
    const third = await join(name);
    await third.ok("agent_attach", { agent: "e" });
    assert.deepEqual(await second.until("agent_detached"), { agent: "e" });
    assert.deepEqual(await third.until("agent_task"), next);
    const late = await second.ask("agent_result", { id: next.id, content: "late" });
    assert.deepEqual(late, ["error", { reason: ":not_found" }]);
    await third.ok("agent_result", { id: next.id, error: "it does not work" });
    const again = await third.ask("agent_result", { id: next.id, content: "twice" });
    assert.deepEqual(again, ["error", { reason: ":not_found" }]);
    assert.deepEqual(await third.ok("agent_detach", { agent: "e" }), { detached: true, agent: "e" });
    // A message to `a` came of the first turn; the place is free.
    await viewer.until("agent_output", ({ agent, content }) => agent === "a" && content === "done");
    await viewer.ok("send_task", { agent: "e", task: "three" });
    await until(async () => (await all.get(`/swarms/${name}/agents/e`)).state === "initializing", "the place is free");
    const fourth = await join(name);
    for (const agent of ["e", "f", "e"]) await fourth.ok("agent_attach", { agent });
    const three = await fourth.until("agent_task", ({ content }) => content === "three");
    await fourth.ok("agent_result", { id: three.id, content: "" });
    await viewer.until("agent_output", ({ agent, content }) => agent === "e" && content === "");
    assert.deepEqual(fourth.of("agent_detached"), [], "who takes a place again keeps it");
    await all.remove(`/swarms/${name}/agents/f`);
    assert.deepEqual(await fourth.until("agent_detached"), { agent: "f" });
    assert.deepEqual(third.of("agent_task").map(({ content }) => content), ["two"]);
  });

  test("frames that are too large or no frames at all end their own connection, and nothing else", async () => {
    const name = await all.start();
    const viewer = await join(name);
    const url = `${daemon.url.replace("http", "ws")}/swarm/websocket?vsn=2.0.0`;
    const joined = JSON.stringify(["1", "1", `swarm:${name}`, "phx_join", {}]);
    const large = JSON.stringify(["1", "2", `swarm:${name}`, "send_task", { agent: "a", task: "x".repeat(2 << 20) }]);
    for (const frame of [large, "{", "[1,2]", "\0", `[${"[".repeat(50_000)}`]) {
      const socket = new WebSocket(url);
      keep(() => socket.terminate());
      const closed = new Promise((resolve) => socket.on("close", resolve));
      socket.on("error", () => {});
      await soon(new Promise((resolve) => socket.on("open", resolve)), "a socket opens");
      socket.send(joined);
      socket.send(frame);
      await soon(closed, `the connection ends after ${frame.slice(0, 20)}`);
    }
    const deep = { filters: JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`) };
    assert.equal((await viewer.ok("subscribe_events", deep)).subscribed, true);
    const many = Array.from({ length: 150 }, (_, n) => viewer.ask("subscribe_logs", { agent: `agent${n}` }));
    const refused = (await Promise.all(many)).filter(([status]) => status === "error");
    assert.equal(refused.length, 50);
    assert.deepEqual(refused[0], ["error", { reason: ":too_many_subscriptions" }]);
    assert.equal(await viewer.done("a", "hello"), "hello");
  });
});
