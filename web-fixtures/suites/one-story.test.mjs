// One prompt, asked through Feathers and seen through every door at once: the stories are the same.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import { WebSocket } from "ws";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Watcher } from "../support/hive.mjs";
import { sendJson } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { overChannel, overNamespace, socketOf } from "../support/streaming.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

/** What happened, in words that all doors share: a run's begin and end, and the messages between. */
const STORY = {
  feathers: ({ event, record }) => {
    const told = `${event} ${record.status}`;
    if (told === "tasks created running") return "started";
    if (told === "tasks patched completed") return "completed";
    return event === "messages created" ? record.message_id : undefined;
  },
  mgx: ({ event_type, data }) =>
    ({ analysis_start: "started", completion: "completed" })[event_type] ?? data.message?.message_id,
  hive: ({ type, data }) =>
    ({ execution_started: "started", execution_completed: "completed" })[type] ?? data.message?.message_id,
};

onEveryDatabase("One prompt, seen through every door", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const post = async (path, data = {}, headers = {}) => {
    const answer = await fetch(daemon.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(data),
    });
    assert.equal(answer.status, 201, await answer.clone().text());
    return answer.json();
  };

  /** MGX's frames of a path. */
  async function mgx(path) {
    const socket = new WebSocket(`${daemon.url.replace("http", "ws")}/ws/${path}`);
    keep(() => socket.terminate());
    const frames = [];
    socket.on("message", (data) => frames.push(JSON.parse(data)));
    await soon(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)), `${path} opens`);
    return frames;
  }

  /** Server-sent events of a session. */
  async function sse(session) {
    const source = new EventSource(`${daemon.url}/events?session=${session}`);
    keep(() => source.close());
    const told = [];
    const hear = ({ data }) => told.push(JSON.parse(data));
    await soon(new Promise((resolve, reject) => ((source.onopen = resolve), (source.onerror = reject))), "the stream opens");
    for (const name of ["created", "patched"]) source.addEventListener(name, hear);
    source.onmessage = hear;
    return told;
  }

  test("Feathers, MGX, Hive, server-sent events, the task's channel and its namespace tell the same story", async () => {
    const { ann } = await register(daemon.url, ["admin", "ann"]);
    const bearer = { authorization: `Bearer ${ann.token}` };
    const { key } = await post("/api-keys", { name: "a hirer's" }, bearer);
    const viewer = await Viewer.open(daemon.url);
    const { session_id } = await viewer.create("sessions", { description: "told by all" });
    const hive = await Watcher.of(`${daemon.url}/hive`, { stream_id: session_id });
    const [task, everything, events] = [await mgx(`tasks/${session_id}`), await mgx("stream"), await sse(session_id)];

    const { taskId } = await post(`/sessions/${session_id}/prompt`, { prompt: "Tell it to all of them" });
    const run = await mgx(`runs/${taskId}?since=0`);
    const channel = await overChannel(await socketOf(daemon.url, "hirer", key), taskId);
    const namespace = await overNamespace(daemon.url, taskId, { api_key: key });
    await viewer.idle(session_id);
    await Promise.all([channel.ended(), namespace.ended()]);

    const said = (items, words) => items.map(words).filter((word) => word !== undefined);
    const story = said(viewer.story(session_id), STORY.feathers);
    assert.deepEqual([story[0], story.at(-1)], ["started", "completed"]);
    assert.ok(story.length > 4, "there are messages");
    const whole = (door, told) => until(() => told().length >= story.length, `${door} tells the story`);
    const doors = {
      mgx: () => said(task.filter(({ run_id }) => run_id === taskId), STORY.mgx),
      everything: () => said(everything.filter(({ run_id }) => run_id === taskId), STORY.mgx),
      late: () => said(run.filter(({ event_type }) => event_type), STORY.mgx),
      hive: () => said(hive.events, STORY.hive),
      sse: () => said(events.map(({ source, name, data }) => ({ event: `${source} ${name}`, record: data })), STORY.feathers),
    };
    for (const [door, told] of Object.entries(doors)) {
      await whole(door, told);
      assert.deepEqual(told(), story, door);
    }
    assert.deepEqual(new Set(hive.events.map(({ execution_id }) => execution_id)), new Set([taskId]));

    // What is streamed is what the messages say.
    assert.deepEqual(channel.chunks, namespace.chunks);
    assert.deepEqual(channel.seqs, channel.seqs.map((_, index) => index + 1));
    assert.equal(channel.end[0], "stream.done");
    const spoken = channel.chunks.filter(({ kind }) => kind === "chat").map(({ content }) => content).join("");
    const { data: messages } = (await sendJson(daemon.url, "GET", `/messages?session_id=${session_id}&role=assistant`)).json;
    for (const { content } of messages) {
      for (const { text } of content.filter(({ type }) => type === "text")) assert.ok(spoken.includes(text), text);
    }
  });
});
