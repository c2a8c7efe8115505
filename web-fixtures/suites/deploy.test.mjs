// What deploy/ holds: nginx in front of the daemon, the service of systemd, the image, and `roost health`.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DockerfileParser } from "dockerfile-ast";
import { io } from "socket.io-client";
import { WebSocket } from "ws";
import { parse } from "yaml";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon, until } from "../support/wait.mjs";

const run = promisify(execFile);
const deploy = (name) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const there = (program) => spawnSync("which", [program]).status === 0;
const NAME = "agents.example.com";

/** The program, if there is one. */
const NGINX = [process.env.NGINX, "/usr/sbin/nginx", deploy("../target/nginx/usr/sbin/nginx")].find((path) => path && existsSync(path));

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const skip = NGINX && there("openssl") ? false : "there is no nginx (tests/nginx.sh) or no openssl";

describe("nginx in front", { skip }, () => {
  /** @type {Daemon} */
  let daemon;
  let folder;
  let port;
  let token;
  before(async () => {
    daemon = await Daemon.start(sqlite, { args: ["--auth", "required", "--allowed-hosts", NAME, "--heartbeat-secs", "1"] });
    const { ann } = await register(daemon.url, ["admin", "ann"]);
    token = ann.token;
    folder = await mkdtemp(join(tmpdir(), "roost-nginx-"));
    port = await freePort();
    const [certificate, key] = ["roost.pem", "roost.key"].map((name) => join(folder, name));
    await run("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`, "-keyout", key, "-out", certificate],
    ]);
    const site = (await readFile(deploy("nginx.conf"), "utf8"))
      .replace("server 127.0.0.1:3030;", `server 127.0.0.1:${daemon.port};`)
      .replace("listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`)
      .replace("/etc/ssl/certs/roost.pem", certificate)
      .replace("/etc/ssl/private/roost.key", key);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    const user = process.getuid() === 0 ? "user root;" : "";
    const main = `daemon off; ${user} pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${temporary.join(" ")}\n${site}\n}`;
    await writeFile(join(folder, "nginx.conf"), main);
    const nginx = spawn(NGINX, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: ["ignore", "inherit", "inherit"] });
    keep(() => nginx.kill("SIGTERM"));
    let listens = false;
    const look = () => fetched("/health").then(() => (listens = true), () => setTimeout(look, 50));
    look();
    await until(() => listens, "nginx listens");
  });
  after(async () => {
    await closeAll();
    await daemon?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const tls = { rejectUnauthorized: false, servername: NAME, headers: { host: NAME } };

  /** A request's status, and its text. */
  function fetched(path, headers = {}) {
    return new Promise((resolve, reject) => {
      const options = { ...tls, host: "127.0.0.1", port, path, headers: { ...tls.headers, ...headers } };
      const asked = get(options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => resolve({ status: response.statusCode, text }));
      });
      asked.on("error", reject);
    });
  }

  /** A WebSocket's status, or what it hears once it is open. */
  function opened(path) {
    const socket = new WebSocket(`wss://127.0.0.1:${port}${path}`, tls);
    keep(() => socket.terminate());
    const frames = [];
    socket.on("message", (data) => frames.push(JSON.parse(data)));
    const answered = new Promise((resolve) => {
      socket.on("open", () => resolve({ frames }));
      socket.on("unexpected-response", (_, { statusCode }) => resolve({ status: statusCode }));
      socket.on("error", () => {});
    });
    return soon(answered, `${path} is answered`);
  }

  test("calls are passed on, with who is asked for", async () => {
    assert.equal(JSON.parse((await fetched("/health")).text).status, "ok");
    assert.equal((await fetched("/boards")).status, 401);
    assert.equal((await fetched("/boards", { authorization: `Bearer ${token}` })).status, 200);
    assert.equal((await fetched("/health", { host: "elsewhere.example.com" })).status, 403);
    assert.equal((await fetched("/auth")).status, 404, "the door is inside");
  });

  test("S4-26 a stream of events is opened with a token only, and stays while nothing happens", async () => {
    assert.deepEqual(await opened("/ws/stream"), { status: 401 });
    assert.deepEqual(await opened("/ws/stream?token=nonsense"), { status: 401 });
    const { frames } = await opened(`/ws/stream?token=${token}`);
    await until(() => frames.filter(({ type }) => type === "heartbeat").length > 1, "heartbeats come");
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const post = (path, data) => fetch(`${daemon.url}${path}`, { method: "POST", headers, body: JSON.stringify(data) });
    const { session_id } = await (await post("/sessions", {})).json();
    await post("/messages", { session_id, content: "Hello" });
    await until(() => frames.some(({ event_type }) => event_type === "agent_message"), "the message comes");
  });

  test("Socket.IO polls and is upgraded, and server-sent events come as they happen", async () => {
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
  assert.equal(image.getFROMs().length, 2);
  for (const keyword of ["COPY", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]) assert.ok(instructions.includes(keyword), keyword);
  const { services, volumes } = parse(await readFile(deploy("compose.yaml"), "utf8"));
  assert.deepEqual(Object.keys(services), ["roost", "postgres"]);
  assert.deepEqual(services.roost.healthcheck.test.slice(0, 3), ["CMD", "roost", "health"]);
  assert.equal(services.roost.build.dockerfile, "deploy/Dockerfile");
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
