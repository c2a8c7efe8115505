// Clients of other hands join `realtime:*` and hear: Supabase's in JavaScript and Python, and phoenix-channels.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RealtimeClient } from "@supabase/realtime-js";
import { WebSocket } from "ws";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { answer, clients, heard, open } from "../support/phoenix.mjs";
import { python } from "../support/python.mjs";
import { closeAll, keep, leave, soon } from "../support/wait.mjs";

// phoenix-channels brings a WebSocket of its own, and asks a browser for nothing else.
const { Socket } = createRequire(import.meta.url)("phoenix-channels");

/** @type {Daemon} */
let daemon;
before(async () => (daemon = await Daemon.start(sqlite, { binary: CONFORMANCE })));
after(async () => {
  await closeAll();
  await daemon.stop();
  leave();
});

const url = () => `${daemon.url.replace("http", "ws")}/socket`;
const broadcast = async (path) => assert.ok((await fetch(`${daemon.url}/ctl/broadcast/${path}`)).ok);

for (const vsn of ["1.0.0", "2.0.0"]) {
  test(`@supabase/realtime-js, version ${vsn}`, async () => {
    const client = new RealtimeClient(url(), { params: { apikey: "anon" }, vsn, transport: WebSocket });
    keep(() => client.disconnect());
    const channel = client.channel("room", { config: { broadcast: { self: true }, presence: { key: "ann" } } });
    const story = [];
    const all = new Promise((resolve) => {
      const note = (what) => {
        story.push(what);
        if (story.some((each) => each[0] === "broadcast") && story.some((each) => each[0] === "joins")) resolve();
      };
      channel.on("broadcast", { event: "greeting" }, ({ payload }) => note(["broadcast", payload]));
      channel.on("presence", { event: "join" }, ({ key, newPresences }) => note(["joins", key, newPresences[0].mood]));
    });
    const subscribed = new Promise((resolve) => channel.subscribe((status) => resolve(status)));
    assert.equal(await soon(subscribed, "it subscribes"), "SUBSCRIBED");
    assert.equal(await channel.track({ mood: "fine" }), "ok");
    await broadcast("realtime:room/broadcast?type=broadcast&event=greeting&payload=hello");
    await soon(all, "presence and a broadcast come");
    assert.deepEqual(story.sort(), [
      ["broadcast", "hello"],
      ["joins", "ann", "fine"],
    ]);
    await channel.unsubscribe();
  });
}

test("phoenix-channels", async () => {
  const socket = new Socket(url(), { timeout: 5_000 });
  keep(() => socket.disconnect());
  socket.connect();
  const channel = socket.channel("realtime:phoenix-channels", {});
  assert.deepEqual(await answer(channel.join()), ["ok", { postgres_changes: [] }]);
  const news = heard(channel, "news");
  await broadcast("realtime:phoenix-channels/news?k=v");
  assert.deepEqual(await news, { k: "v" });
  assert.deepEqual(await answer(channel.push("shout", { n: 1 })), ["ok", {}]);
  assert.deepEqual(await answer(channel.leave()), ["ok", {}]);
});

test("realtime for Python", async (context) => {
  const interpreter = await python("realtime==2.34.1");
  if (interpreter.missing) {
    console.error(`PYTHON'S REALTIME CLIENT: SKIPPED (${interpreter.missing})`);
    return context.skip(interpreter.missing);
  }
  const script = fileURLToPath(new URL("../support/realtime_client.py", import.meta.url));
  const client = spawn(interpreter.path, [script, url()], { stdio: ["ignore", "pipe", "inherit"] });
  keep(() => client.kill());
  const [{ phoenix }] = clients;
  const writer = (await open(phoenix, "WebSocket", url())).channel("realtime:python");
  await answer(writer.join());
  const greeting = { type: "broadcast", event: "greeting", payload: { text: "hello" } };
  const lines = [];
  createInterface({ input: client.stdout }).on("line", (line) => {
    lines.push(line);
    if (line === "subscribed") writer.push("broadcast", greeting);
  });
  const [code] = await soon(once(client, "close"), "the Python client ends");
  assert.deepEqual([code, ...lines], [0, "subscribed", "heard hello"]);
});
