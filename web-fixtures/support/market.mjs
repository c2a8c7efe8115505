// Users who hire and agents who work, over Agrenting's REST; and a receiver of webhooks.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { http } from "./http.mjs";
import { keep, until } from "./wait.mjs";

/**
 * Calls of somebody with a key; the header may be another.
 *
 * @param {string} url
 * @param {string} [key]
 * @param {string} [header]
 */
export function api(url, key, header = "x-api-key") {
  const headers = { "content-type": "application/json", ...(key && { [header]: key }) };
  const send = async (method, path, data) => {
    const body = data === undefined || typeof data === "string" ? data : JSON.stringify(data);
    const answer = await http(url, `/api/v1${path}`, { method, headers, body });
    const { json } = answer;
    assert.ok(json, `${method} ${path} is answered with JSON: ${answer.text}`);
    assert.deepEqual(Object.keys(json), ["data", "meta", "errors"]);
    assert.equal(json.meta.version, "1.0");
    assert.equal(json.meta.request_id, answer.headers["x-request-id"]);
    assert.match(json.meta.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    return answer;
  };
  /** What is answered where all is well. */
  const good = async (method, path, data) => {
    const { status, json } = await send(method, path, data);
    assert.ok(status < 300 && json.errors.length === 0, `${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json.data;
  };
  /** Status and code of a refusal. */
  const bad = async (method, path, data) => {
    const { status, json } = await send(method, path, data);
    assert.equal(json.data, null);
    assert.equal(json.errors.length, 1, JSON.stringify(json));
    assert.ok(json.errors[0].message);
    return `${status} ${json.errors[0].code}`;
  };
  return { key, send, good, bad };
}

/** Registers an agent: who it is, and its calls. */
export async function agent(url, name, more = {}, key = undefined) {
  const did = `did:example:${name}-${Math.random().toString(36).slice(2)}`;
  const data = { agent: { name, did, capabilities: ["text"], base_price: "25", ...more } };
  const made = await api(url, key).good("POST", "/agents/register", data);
  assert.match(made.api_key, /^ap_/);
  return { ...made.agent, ...api(url, made.api_key) };
}

/** Somebody's API key, made in their name. */
export async function keyOf(url, { token }, more = {}) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ name: "hiring", ...more });
  const { status, json } = await http(url, "/api-keys", { method: "POST", headers, body });
  assert.equal(status, 201, JSON.stringify(json));
  return json;
}

/** Who is called. */
export class Receiver {
  /** @type {{headers: Record<string, string>, body: any, text: string}[]} */
  calls = [];
  /** Answers a call: a status, by the number of calls before. @type {(count: number) => number} */
  answer = () => 200;
  #server;

  static async start() {
    const receiver = new Receiver();
    receiver.#server = createServer(async (request, response) => {
      const text = Buffer.concat(await request.toArray()).toString();
      const status = receiver.answer(receiver.calls.length);
      receiver.calls.push({ headers: request.headers, body: JSON.parse(text), text, status });
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end("{}");
    });
    receiver.#server.listen(0, "127.0.0.1");
    await once(receiver.#server, "listening");
    keep(() => receiver.stop());
    return receiver;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/hook?of=mine`;
  }

  /** The calls that were answered well. */
  get taken() {
    return this.calls.filter(({ status }) => status < 300);
  }

  /** Waits for so many calls that were answered well. */
  async takes(count) {
    await until(() => this.taken.length >= count, `${count} calls are taken`);
    return this.taken;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Checks who signed a call. */
export const isSigned = ({ headers, text }, secret) =>
  headers["x-webhook-signature"] === createHmac("sha256", secret).update(text).digest("base64");
