// What deploy/ holds: nginx in front of the daemon, the service of systemd, the image, and `roost health`.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DockerfileParser } from "dockerfile-ast";
import { io } from "socket.io-client";
import { parse } from "yaml";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { NAME, Nginx, noNginx, there } from "../support/nginx.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const run = promisify(execFile);
const deploy = (name) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));

describe("nginx in front", { skip: noNginx }, () => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Nginx} */
  let nginx;
  let token;
  before(async () => {
    daemon = await Daemon.start(sqlite, { args: ["--auth", "required", "--allowed-hosts", NAME, "--heartbeat-secs", "1"] });
    const { ann } = await register(daemon.url, ["admin", "ann"]);
    token = ann.token;
    const site = await readFile(deploy("nginx.conf"), "utf8");
    nginx = await Nginx.start(site, [["server 127.0.0.1:3030;", `server 127.0.0.1:${daemon.port};`]]);
  });
  after(async () => {
    await closeAll();
    await daemon?.stop();
    await nginx?.remove();
  });

  test("calls are passed on, with who is asked for", async () => {
    assert.equal(JSON.parse((await nginx.get("/health")).text).status, "ok");
    assert.equal((await nginx.get("/boards")).status, 401);
    assert.equal((await nginx.get("/boards", { authorization: `Bearer ${token}` })).status, 200);
    assert.equal((await nginx.get("/health", { host: "elsewhere.example.com" })).status, 403);
    assert.equal((await nginx.get("/auth")).status, 404, "the door is inside");
  });

  test("S4-26 a stream of events is opened with a token only, and stays while nothing happens", async () => {
    assert.deepEqual(await nginx.open("/ws/stream"), { status: 401 });
    assert.deepEqual(await nginx.open("/ws/stream?token=nonsense"), { status: 401 });
    const { frames } = await nginx.open(`/ws/stream?token=${token}`);
    await until(() => frames.filter(({ type }) => type === "heartbeat").length > 1, "heartbeats come");
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const post = (path, data) => fetch(`${daemon.url}${path}`, { method: "POST", headers, body: JSON.stringify(data) });
    const { session_id } = await (await post("/sessions", {})).json();
    await post("/messages", { session_id, content: "Hello" });
    await until(() => frames.some(({ event_type }) => event_type === "agent_message"), "the message comes");
  });

  test("Socket.IO polls and is upgraded, and server-sent events come as they happen", async () => {
    const { tls, port } = nginx;
    const options = { ...tls, extraHeaders: tls.headers, auth: { token }, forceNew: true };
    const socket = io(`https://127.0.0.1:${port}`, options);
    keep(() => socket.close());
    await soon(new Promise((resolve, reject) => socket.on("connect", resolve).on("connect_error", reject)), "it connects");
    if (socket.io.engine.transport.name !== "websocket") {
      await soon(new Promise((resolve) => socket.io.engine.once("upgrade", resolve)), "it is upgraded");
    }
    const heard = new Promise((resolve) => socket.once("boards created", resolve));
    const told = new Promise((resolve, reject) => {
      const headers = { ...tls.headers, accept: "text/event-stream", authorization: `Bearer ${token}` };
      const asked = get({ ...tls, host: "127.0.0.1", port, path: "/events", headers }, (response) => {
        keep(() => response.destroy());
        let text = "";
        response.setEncoding("utf8").on("data", (part) => {
          text += part;
          if (text.includes("created")) resolve(text);
        });
        socket.emit("create", "boards", { name: "Behind nginx" }, () => {});
      });
      asked.on("error", reject);
    });
    assert.equal((await soon(heard, "the socket hears of it")).name, "Behind nginx");
    assert.match(await soon(told, "the stream tells it"), /Behind nginx/);
  });

  test("no log of nginx's holds a token, whether what is asked is answered or fails", async () => {
    const key = `rst_${"k".repeat(40)}`;
    assert.equal((await nginx.get(`/boards?token=${token}`)).status, 200);
    assert.equal((await nginx.get(`/boards?token=${key}`)).status, 401);
    await nginx.get("/health", { referer: `https://${NAME}/?token=${token}` });
    await nginx.open(`/ws/stream?token=${token}`);
    await daemon.kill();
    for (const path of ["/health", "/ws/stream", "/socket.io/"]) {
      const { status } = await nginx.get(`${path}?token=${token}`);
      assert.ok(status >= 500, `${path}: ${status}`);
    }
    for (const line of [/"GET \/boards HTTP\/1.1" 401/, /"GET \/ws\/stream HTTP\/1.1" 101/, /"GET \/socket.io\/ HTTP\/1.1" 502/]) {
      await until(async () => line.test(await nginx.logs()), `${line} is logged`);
    }
    const logs = await nginx.logs();
    for (const secret of [token, key, "token="]) assert.ok(!logs.includes(secret), logs);
  });
});

test("the service of systemd is one", { skip: there("systemd-analyze") ? false : "there is no systemd-analyze" }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "roost-unit-"));
  try {
    const unit = await readFile(deploy("roost.service"), "utf8");
    assert.match(unit, /^ExecStart=\/usr\/local\/bin\/roost serve$/m);
    const here = join(folder, "roost.service");
    await writeFile(here, unit.replace("/usr/local/bin/roost", BINARY));
    const { stderr } = await run("systemd-analyze", ["verify", here]);
    assert.doesNotMatch(stderr, /roost\.service/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the image and the composition can be read, and ask the daemon for its health", async () => {
  const image = DockerfileParser.parse(await readFile(deploy("Dockerfile"), "utf8"));
  const instructions = image.getInstructions().map((instruction) => instruction.getKeyword());
  assert.equal(image.getFROMs().length, 3);
  for (const keyword of ["COPY", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]) assert.ok(instructions.includes(keyword), keyword);
  const { services, volumes } = parse(await readFile(deploy("compose.yaml"), "utf8"));
  assert.deepEqual(Object.keys(services), ["roost", "postgres"]);
  assert.deepEqual(services.roost.healthcheck.test.slice(0, 3), ["CMD", "roost", "health"]);
  assert.equal(services.roost.build.dockerfile, "deploy/Dockerfile");
  const unit = await readFile(deploy("roost.service"), "utf8");
  assert.equal(services.roost.stop_grace_period, `${/^TimeoutStopSec=(\d+)$/m.exec(unit)[1]}s`, "it has time to end in");
  for (const { volumes: used } of Object.values(services)) for (const volume of used) assert.ok(volume.split(":")[0] in volumes);
});

test("roost health says whether the daemon is well, and ends with 1 if it is not", async () => {
  const daemon = await Daemon.start(sqlite, { args: ["--auth", "required"] });
  const health = (...args) => run(BINARY, ["health", ...args], { env: { PATH: process.env.PATH } });
  const { stdout } = await health("--url", daemon.url);
  assert.match(stdout, /is ok: Roost \d+\.\d+\.\d+ on sqlite\n$/);
  const { stdout: json } = await health("--url", daemon.url, "--json");
  assert.equal(JSON.parse(json).status, "ok");
  await daemon.stop();
  await assert.rejects(health("--url", daemon.url), ({ code, stderr }) => code === 1 && /^roost: no daemon answers at/.test(stderr));
});
