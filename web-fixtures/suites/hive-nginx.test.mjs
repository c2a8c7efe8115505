// Hive behind nginx: with the guide's configuration, as it stands but for the certificate and the two addresses,
// where ROOST_SEEDS says in which folder the pages are; with the same, written anew; and with deploy/nginx.conf.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { rest } from "../support/agrenting.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { hiveUrl } from "../support/hive.mjs";
import { NAME, Nginx, noNginx } from "../support/nginx.mjs";
import { register } from "../support/people.mjs";
import { NGINX_ANEW, verbatim } from "../support/seed-004.mjs";
import { noPages } from "../support/seeds.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

describe("Hive behind nginx", { skip: noNginx }, () => {
  /** @type {Daemon} */
  let daemon;
  let ann;
  let shown;
  before(async () => {
    // The guide's nginx calls the daemon by its upstream's name.
    const args = ["--auth", "required", "--allowed-hosts", `${NAME},websocket`, "--heartbeat-secs", "1"];
    daemon = await Daemon.start(sqlite, { args: [...args, "--hive-listen", "127.0.0.1:0"] });
    const people = await register(daemon.url, ["admin", "ann"]);
    ann = people.ann;
    shown = (await rest(daemon.url, ann.token).post("/hive/tokens", { streams: ["webhook"] })).token;
  });
  after(() => daemon?.stop());
  afterEach(closeAll);

  const tell = (stream_id, data) => rest(daemon.url, ann.token).post("/hive/events", { type: "custom", stream_id, data });

  /** Watches a stream through nginx. */
  async function watched(nginx, path) {
    const { socket, frames } = await nginx.open(path);
    assert.ok(socket, "it is let in");
    let pings = 0;
    socket.on("ping", () => pings++);
    socket.send(JSON.stringify({ action: "auth", token: shown }));
    socket.send(JSON.stringify({ action: "subscribe", stream_id: "webhook" }));
    await until(() => frames.length === 3, "it subscribes");
    assert.deepEqual(frames.map(({ type }) => type), ["authenticated", "connected", "subscribed"]);
    await until(() => pings >= 2, "nothing happens, and the daemon asks twice whether the link is there");
    await tell("other", {});
    await tell("webhook", { "kéy": "x".repeat(100_000) });
    await until(() => frames.length === 4, "what happens comes");
    assert.deepEqual(frames[3].event.data, { "kéy": "x".repeat(100_000) });
    const closed = new Promise((resolve) => socket.on("close", (code, reason) => resolve([code, String(reason)])));
    const denied = await nginx.open(path);
    denied.socket.send(JSON.stringify({ action: "subscribe" }));
    await soon(new Promise((resolve) => denied.socket.on("close", (code) => resolve(assert.equal(code, 1008)))), "who shows nothing is turned away");
    socket.close(1000);
    assert.deepEqual((await soon(closed, "it ends"))[0], 1000);
  }

  /** The guide's: nginx asks who it is before the daemon does. */
  async function guide(site) {
    assert.match(site, /proxy_read_timeout +86400/);
    const nginx = await Nginx.start(site, [
      ["localhost:8765", new URL(hiveUrl(daemon)).host],
      ["http://auth-service/verify", `http://127.0.0.1:${daemon.port}/auth/verify`],
    ]);
    try {
      assert.deepEqual(await nginx.open("/stream"), { status: 401 });
      assert.deepEqual(await nginx.open("/stream?token=nonsense"), { status: 401 });
      await watched(nginx, `/stream?token=${ann.token}`);
      await watched(nginx, `/stream/of/agents?token=${ann.token}`);
      assert.equal((await nginx.get("/auth")).status, 404, "the door is inside");
    } finally {
      await closeAll();
      await nginx.remove();
    }
  }

  test("S4-26 with the guide's configuration, written anew", () => guide(NGINX_ANEW));
  test("S4-26 with the guide's configuration, as it stands", { skip: noPages }, async () => guide((await verbatim()).nginx));

  test("S4-26 with deploy/nginx.conf, where the first frame says who it is", async () => {
    const site = await readFile(new URL("../../deploy/nginx.conf", import.meta.url), "utf8");
    const nginx = await Nginx.start(site, [["server 127.0.0.1:3030;", `server 127.0.0.1:${daemon.port};`]]);
    try {
      for (const path of ["/", "/stream", "/hive"]) await watched(nginx, path);
    } finally {
      await closeAll();
      await nginx.remove();
    }
  });
});
