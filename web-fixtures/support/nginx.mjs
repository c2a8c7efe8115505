// nginx in front of the daemon, with a certificate of its own.

import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { keep, soon, until } from "./wait.mjs";

/** What the site is called. */
export const NAME = "agents.example.com";

/** The program, if there is one. */
const UNPACKED = fileURLToPath(new URL("../../target/nginx/usr/sbin/nginx", import.meta.url));
const NGINX = [process.env.NGINX, "/usr/sbin/nginx", UNPACKED].find((path) => path && existsSync(path));

/** Whether a program is there. @param {string} program */
export const there = (program) => spawnSync("which", [program]).status === 0;

/** Why there is no nginx; false if there is one. */
export const noNginx = NGINX && there("openssl") ? false : "there is no nginx (tests/nginx.sh) or no openssl";

/** A running nginx. */
export class Nginx {
  folder;
  port;
  /** What it says of itself. */
  #said = "";

  /**
   * Starts it, and waits until it listens.
   *
   * @param {string} site its configuration: it listens at 443, and has a certificate and a key somewhere
   * @param {[string | RegExp, string][]} replaced what stands for what in it
   */
  static async start(site, replaced) {
    const nginx = new Nginx();
    const folder = (nginx.folder = await mkdtemp(join(tmpdir(), "roost-nginx-")));
    nginx.port = await freePort();
    const [certificate, key] = ["site.pem", "site.key"].map((name) => join(folder, name));
    await promisify(execFile)("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`, "-keyout", key, "-out", certificate],
    ]);
    const here = [
      ["listen 443 ssl;", `listen 127.0.0.1:${nginx.port} ssl;`],
      [/(ssl_certificate\s+)[^;]+/, `$1${certificate}`],
      [/(ssl_certificate_key\s+)[^;]+/, `$1${key}`],
      ...replaced,
    ].reduce((text, [what, by]) => text.replace(what, by), site.replaceAll("/var/log/nginx/", `${folder}/`));
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`);
    const user = process.getuid() === 0 ? "user root;" : "";
    const main = `daemon off; ${user} pid ${folder}/pid; error_log stderr; events {} http { access_log ${folder}/access.log; ${temporary.join(" ")}\n${here}\n}`;
    await writeFile(join(folder, "nginx.conf"), main);
    const child = spawn(NGINX, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: ["ignore", "inherit", "pipe"] });
    child.stderr.setEncoding("utf8").on("data", (part) => (process.stderr.write(part), (nginx.#said += part)));
    keep(() => child.kill("SIGTERM"));
    await until(() => nginx.get("/").then(() => true, () => false), "nginx listens");
    return nginx;
  }

  /** How clients reach it: by the site's name, whoever signed its certificate. */
  get tls() {
    return { rejectUnauthorized: false, servername: NAME, headers: { host: NAME } };
  }

  /** A request's status, and its text. @param {string} path @param {Record<string, string>} [headers] */
  get(path, headers = {}) {
    return new Promise((resolve, reject) => {
      const options = { ...this.tls, host: "127.0.0.1", port: this.port, path, headers: { ...this.tls.headers, ...headers } };
      const asked = get(options, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => (text += part)).on("end", () => resolve({ status: response.statusCode, text }));
      });
      asked.on("error", reject);
    });
  }

  /** A WebSocket's status if it is refused, else the socket, and what it hears. @param {string} path */
  open(path) {
    const socket = new WebSocket(`wss://127.0.0.1:${this.port}${path}`, this.tls);
    keep(() => socket.terminate());
    const frames = [];
    socket.on("message", (data) => frames.push(JSON.parse(data)));
    const answered = new Promise((resolve) => {
      socket.on("open", () => resolve({ socket, frames }));
      socket.on("unexpected-response", (_, { statusCode }) => resolve({ status: statusCode }));
      socket.on("error", () => {});
    });
    return soon(answered, `${path} is answered`);
  }

  /** All that it logged. */
  async logs() {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith(".log"));
    const texts = await Promise.all(names.map((name) => readFile(join(this.folder, name), "utf8")));
    return [this.#said, ...texts].join("\n");
  }

  /** Removes its files. */
  remove() {
    return rm(this.folder, { recursive: true, force: true });
  }
}

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
