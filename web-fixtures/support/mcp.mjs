// MCP's own clients, of every revision, and plain requests.

import assert from "node:assert/strict";
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { http } from "./http.mjs";
import { keep, soon } from "./wait.mjs";

const WHO = { name: "roost-suite", version: "1.0.0" };

/** The newest revision. */
export const NEWEST = "2026-07-28";

/** How clients connect, by the revision, or the older transport. */
const WAYS = {
  [NEWEST](url, requestInit) {
    const client = new ModernClient(WHO, { versionNegotiation: { mode: { pin: NEWEST } } });
    return [client, new ModernTransport(new URL("/mcp", url), { requestInit })];
  },
  "2025-11-25"(url, requestInit) {
    return [new Client(WHO), new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit })];
  },
  "HTTP+SSE"(url, requestInit) {
    return [new Client(WHO), new SSEClientTransport(new URL("/mcp/sse", url), { requestInit })];
  },
};

/** What suites are run with. */
export const REVISIONS = Object.keys(WAYS);

/** Connects a client. @param {string} url @param {string} revision @param {string} [key] */
export async function connect(url, revision, key) {
  const requestInit = key ? { headers: { "x-api-key": key } } : {};
  const [client, transport] = WAYS[revision](url, requestInit);
  keep(() => client.close());
  await soon(client.connect(transport), `a client of ${revision} connects`);
  return client;
}

/**
 * Calls a tool; the JSON of its answer, or of its error.
 *
 * @param {any} client
 * @param {string} name
 * @param {object} [args]
 * @returns {Promise<{answer?: any, error?: any}>}
 */
export async function tool(client, name, args = {}) {
  const result = await soon(client.callTool({ name, arguments: args }), `${name} is answered`);
  assert.equal(result.content.length, 1);
  assert.equal(result.content[0].type, "text");
  const document = JSON.parse(result.content[0].text);
  if (result.isError) {
    assert.equal(result.structuredContent, undefined);
    return { error: document };
  }
  // Where results have a structure, it says the same.
  assert.deepEqual(result.structuredContent ?? document, document);
  return { answer: document };
}

/** The headers of a client of streamable HTTP. */
export const HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

/** A JSON-RPC request. */
export const request = (method, params = {}, id = 1) => ({ jsonrpc: "2.0", id, method, params });

/** What a client says first. */
export const hello = (protocolVersion = "2025-11-25") =>
  request("initialize", { protocolVersion, capabilities: {}, clientInfo: { ...WHO } });

/** Posts something to `/mcp`. @param {string} url @param {unknown} body @param {Record<string, string>} [headers] */
export function post(url, body, headers = {}, path = "/mcp") {
  const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return http(url, path, { method: "POST", headers: { ...HEADERS, ...headers }, body: text });
}

/** The messages in an answer that is an event stream. @param {string} text */
export const messages = (text) =>
  [...text.matchAll(/^data: ?(\S.*)$/gm)].map(([, data]) => JSON.parse(data));

/** Opens a session with plain requests; its id. */
export async function session(url, headers = {}) {
  const answer = await post(url, hello(), headers);
  assert.equal(answer.status, 200, answer.text);
  const id = answer.headers["mcp-session-id"];
  assert.ok(id);
  const done = await post(url, { jsonrpc: "2.0", method: "notifications/initialized" }, { ...headers, "mcp-session-id": id });
  assert.equal(done.status, 202);
  return id;
}

/** An event stream that is read as it comes. */
export class Events {
  /** What came, an item an event. @type {{event: string, data: string}[]} */
  items = [];
  /** Whether it has ended. */
  over = false;
  #waiting = new Set();

  /** Opens a stream. @param {string} url @param {string} path @param {Record<string, string>} [headers] */
  static async open(url, path, headers = {}) {
    const events = new Events();
    const abort = new AbortController();
    keep(() => abort.abort());
    events.close = () => abort.abort();
    const init = { headers: { accept: "text/event-stream", ...headers }, signal: abort.signal };
    const response = await soon(fetch(new URL(path, url), init), `${path} is answered`);
    events.status = response.status;
    events.headers = response.headers;
    events.ended = events.#read(response).catch(() => {}).finally(() => events.#change((events.over = true)));
    return events;
  }

  /** The first event of this kind from an index on. */
  async next(event, from = 0) {
    const find = () => this.items.slice(from).find((item) => item.event === event);
    const found = new Promise((resolve, reject) => {
      const look = () => {
        if (find() || this.over) this.#waiting.delete(look);
        if (find()) resolve(find());
        else if (this.over) reject(new Error(`the stream ended without ${event}`));
      };
      this.#waiting.add(look);
      look();
    });
    return soon(found, `an event ${event} comes`);
  }

  async #read(response) {
    let text = "";
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
        const field = (name) => new RegExp(`^${name}: ?(.*)$`, "m").exec(text.slice(0, end))?.[1];
        if (field("data") !== undefined) this.items.push({ event: field("event") ?? "message", data: field("data") });
      }
      this.#change();
    }
  }

  #change() {
    for (const look of [...this.#waiting]) look();
  }
}
