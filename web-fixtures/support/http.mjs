// Plain HTTP requests, as they stand: nothing is added, followed, unpacked or tried again.

import { once } from "node:events";
import { request } from "node:http";
import { keep, soon } from "./wait.mjs";

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {Buffer} body
 * @property {string} text the body as text
 * @property {any} json the body as JSON; undefined if it is none
 */

/**
 * Sends a request and waits for the whole answer.
 *
 * @param {string} url where the daemon is
 * @param {string} path with its query, as it goes over the wire
 * @param {{method?: string, headers?: Record<string, string>, body?: string | Buffer | (string | Buffer)[]}} [what]
 *   a list as body is sent in chunks, without a length
 * @returns {Promise<Answer>}
 */
export async function http(url, path, { method = "GET", headers = {}, body } = {}) {
  const { hostname: host, port } = new URL(url);
  const sent = request({ host, port, path, method, headers, agent: false });
  keep(() => sent.destroy());
  const answered = once(sent, "response");
  if (Array.isArray(body)) for (const chunk of body) sent.write(chunk);
  sent.end(Array.isArray(body) ? undefined : body);
  const [response] = await soon(answered, `${method} ${path.slice(0, 80)} is answered`);
  // A daemon that has answered need not read the rest.
  sent.on("error", () => {});
  const chunks = await soon(response.toArray(), `${method} ${path.slice(0, 80)} is answered in full`);
  const whole = Buffer.concat(chunks);
  const text = whole.toString();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.statusCode, headers: response.headers, body: whole, text, json };
}

/**
 * Sends JSON.
 *
 * @param {string} url
 * @param {string} method
 * @param {string} path
 * @param {unknown} [data]
 */
export function sendJson(url, method, path, data) {
  const headers = { "content-type": "application/json" };
  return http(url, path, { method, headers, body: data === undefined ? undefined : JSON.stringify(data) });
}
