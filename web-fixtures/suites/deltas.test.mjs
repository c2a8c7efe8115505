// Who is told an agent's words as they come.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { register } from "../support/people.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll } from "../support/wait.mjs";

/** Runs a test against a daemon with these flags. */
const withDaemon = (title, args, run) =>
  test(title, async (t) => {
    const daemon = await Daemon.start(sqlite, { args });
    try {
      await run(daemon, t);
    } finally {
      await Promise.all([closeAll(), daemon.stop()]);
    }
  });

/** The deltas that a viewer was told of a session. */
const deltas = (viewer, session_id) =>
  viewer.story(session_id).filter(({ event }) => /streaming:|thinking:/.test(event));

const PROMPT = { prompt: "some words" };

describe("Deltas", () => {
  withDaemon("with STREAMS=subscribed they go to who asked for the session's", ["--streams", "subscribed"], async (daemon) => {
    const [asking, other] = await Promise.all([Viewer.open(daemon.url), Viewer.open(daemon.url)]);
    const { session_id } = await other.create("sessions", {});
    assert.deepEqual(await asking.create("session-streams", { session_id }), { session_id });
    await other.create(`sessions/${session_id}/prompt`, PROMPT);
    await Promise.all([asking.idle(session_id), other.idle(session_id)]);
    assert.ok(deltas(asking, session_id).length > 5);
    assert.deepEqual(deltas(other, session_id), []);
    const logged = (viewer) => viewer.story(session_id).filter((item) => !deltas(viewer, session_id).includes(item));
    assert.deepEqual(logged(asking), logged(other));

    // Not any more.
    const before = deltas(asking, session_id).length;
    assert.deepEqual(await asking.remove("session-streams", session_id), { session_id });
    await assert.rejects(asking.remove("session-streams", session_id), { code: 404 });
    await other.create(`sessions/${session_id}/prompt`, PROMPT);
    await asking.idle(session_id, 2);
    assert.equal(deltas(asking, session_id).length, before);
  });

  withDaemon("what cannot be followed is refused", [], async (daemon) => {
    const viewer = await Viewer.open(daemon.url);
    await assert.rejects(viewer.create("session-streams", {}), { code: 400, message: "session_id is required" });
    await assert.rejects(viewer.create("session-streams", { session_id: "nope" }), { code: 404 });
    const headers = { "content-type": "application/json" };
    const { session_id } = await viewer.create("sessions", {});
    const body = JSON.stringify({ session_id });
    const response = await fetch(`${daemon.url}/session-streams`, { method: "POST", headers, body });
    assert.equal(response.status, 400);
    assert.match((await response.json()).message, /over a socket/);
  });

  withDaemon("a socket that hears of its boards only is told its boards' sessions, and those it asks for", [], async (daemon) => {
    const owner = await Viewer.open(daemon.url);
    const [here, there] = await Promise.all([owner.create("boards", {}), owner.create("boards", {})]);
    const session = async (board) => (await owner.create("sessions", { board_id: board.board_id })).session_id;
    const [on, off, asked] = [await session(here), await session(there), await session(there)];
    const scoped = await Viewer.open(daemon.url, { auth: { scope: "board", boards: [here.board_id] } });
    await scoped.create("session-streams", { session_id: asked });
    for (const id of [on, off, asked]) await owner.run(id, PROMPT.prompt);
    await owner.run(on, "the last");
    await scoped.idle(on, 2);
    assert.deepEqual(deltas(scoped, on), deltas(owner, on));
    assert.deepEqual(deltas(scoped, asked), deltas(owner, asked));
    assert.deepEqual(deltas(scoped, off), []);
  });

  withDaemon("a private board's are its members' and admins' only, from the moment it holds the session", ["--auth", "required"], async (daemon) => {
    const people = await register(daemon.url, ["ann", "bob", "eve"]);
    const open = (name) => Viewer.open(daemon.url, { auth: { token: people[name].token } });
    const [ann, bob, eve] = await Promise.all(["ann", "bob", "eve"].map(open));
    const board = await bob.create("boards", { visibility: "private" });
    const { session_id } = await bob.create("sessions", {});
    // On no board it is everybody's.
    await bob.create(`sessions/${session_id}/prompt`, { prompt: "/slow 2 /long 1000000" });
    await eve.hears("messages streaming:chunk", { session_id });
    await bob.create(`boards/${board.board_id}/sessions`, { sessionId: session_id });
    const heard = deltas(eve, session_id).length;
    const more = deltas(bob, session_id).length + 20;
    await bob.until(() => deltas(bob, session_id).length > more, "hears more");
    // What was on its way when the board took the session may be there; then nothing.
    await eve.find("boards");
    const marked = deltas(eve, session_id).length;
    assert.ok(marked - heard <= 2, `${marked - heard} deltas after the session was private`);
    await assert.rejects(eve.create("session-streams", { session_id }), { code: 404 });
    await assert.rejects(eve.create(`sessions/${session_id}/prompt`, PROMPT), { code: 404 });
    await assert.rejects(eve.create(`sessions/${session_id}/stop`, {}), { code: 404 });
    await assert.rejects(eve.find(`sessions/${session_id}/messages/queue`), { code: 404 });
    await bob.create(`sessions/${session_id}/stop`, {});
    await Promise.all([ann.idle(session_id), bob.idle(session_id)]);
    await eve.find("boards");
    assert.equal(deltas(eve, session_id).length, marked);
    assert.deepEqual(deltas(ann, session_id), deltas(bob, session_id));
  });

  withDaemon("who logged out is told nothing more", ["--auth", "required"], async (daemon) => {
    const people = await register(daemon.url, ["ann"]);
    const open = () => Viewer.open(daemon.url, { auth: { token: people.ann.token } });
    const [one, other] = await Promise.all([open(), open()]);
    const { session_id } = await one.create("sessions", {});
    await other.create("session-streams", { session_id });
    await one.create(`sessions/${session_id}/prompt`, { prompt: "/slow 2 /long 1000000" });
    await other.hears("messages streaming:chunk", { session_id });
    await other.remove("authentication", null);
    const marked = other.items.length;
    const more = deltas(one, session_id).length + 20;
    await one.until(() => deltas(one, session_id).length > more, "hears more");
    await other.find("health");
    assert.equal(other.items.length, marked);
    await one.create(`sessions/${session_id}/stop`, {});
    await one.idle(session_id);
  });

  // Each prompt is a script here.
  const scripts = ["--agent", "command", "--agent-command", "sh", "--stall-secs", "30"];
  withDaemon("a viewer that takes nothing lacks deltas, never a message", scripts, async (daemon) => {
    const [slow, quick] = await Promise.all([Viewer.open(daemon.url), Viewer.open(daemon.url)]);
    const { session_id } = await quick.create("sessions", {});
    const tcp = slow.socket.io.engine.transport.ws._socket;
    tcp.pause();
    // More than the kernel holds for a reader, in more pieces than may wait for one.
    const line = JSON.stringify({ type: "text", text: "x".repeat(8_000) });
    await quick.run(session_id, `yes '${line}' | head -n 4000`);
    await quick.idle(session_id);
    tcp.resume();
    await slow.idle(session_id);
    const messages = (viewer) => viewer.story(session_id).filter(({ event }) => event === "messages created");
    assert.deepEqual(messages(slow), messages(quick));
    // What came of a message came from its start, without a gap; and not all of it came.
    const of = (viewer, { message_id }) => deltas(viewer, session_id).filter(({ record }) => record.message_id === message_id);
    for (const { record } of messages(slow)) {
      const few = of(slow, record);
      assert.deepEqual(few, of(quick, record).slice(0, few.length));
    }
    assert.ok(deltas(slow, session_id).length < deltas(quick, session_id).length, "some deltas are missing");
    const metrics = await (await fetch(`${daemon.url}/metrics`)).text();
    assert.match(metrics, /roost_overflows_total\{protocol="socketio",policy="drop_deltas"\} \d/);
  });
});
