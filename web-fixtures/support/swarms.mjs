// Swarms over Genswarms' REST.

import assert from "node:assert/strict";
import { http } from "./http.mjs";
import { soon } from "./wait.mjs";

/** An agent that says back what it is told. */
export const echo = (name, more = {}) => ({ name, backend: "echo", ...more });

/** A ring of echo agents: `a0` may speak to `a1`, … */
export function ring(name, count) {
  const at = (place) => `a${place % count}`;
  const places = Array.from({ length: count }, (_, place) => place);
  return { name, agents: places.map((place) => echo(at(place))), topology: places.map((place) => [at(place), at(place + 1)]) };
}

/** A text that goes on from agent to agent of a ring, `hops` times; the last is told `text`. */
export const round = (count, from, hops, text) =>
  Array.from({ length: hops }, (_, hop) => `@a${(from + hop + 1) % count}: `).join("") + text;

/**
 * Calls below `/api`.
 *
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
export function api(url, headers = {}) {
  const send = async (method, path, data) => {
    const body = data === undefined || typeof data === "string" ? data : JSON.stringify(data);
    const answer = await http(url, `/api${path}`, { method, headers: { "content-type": "application/json", ...headers }, body });
    assert.notEqual(answer.json, undefined, `${method} ${path} is answered with JSON: ${answer.text}`);
    return answer;
  };
  /** What is answered where all is well; 200, unless another status is said. */
  const good = async (method, path, data, wanted = 200) => {
    const { status, json } = await send(method, path, data);
    assert.equal(status, wanted, `${method} ${path}: ${JSON.stringify(json)}`);
    return json;
  };
  /** Status and text of a refusal. */
  const bad = async (method, path, data) => {
    const { status, json } = await send(method, path, data);
    return [status, json.error ?? json.errors?.detail];
  };
  const get = (path) => good("GET", path);
  /** Makes a swarm, and starts it. */
  const make = (config) => good("POST", "/swarms", { config }, 201);
  return { send, good, bad, get, make };
}

/**
 * Asks until the answer fits; it.
 *
 * @template T
 * @param {() => Promise<T>} ask
 * @param {(answer: T) => unknown} fits
 * @param {string} what
 * @param {number} [within] milliseconds
 * @param {number} [pause] milliseconds
 * @returns {Promise<T>}
 */
export async function eventually(ask, fits, what, within = undefined, pause = 50) {
  let answer;
  const asking = async () => {
    for (;;) {
      answer = await ask();
      if (fits(answer)) return answer;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  return soon(asking(), what, within).catch((error) => {
    throw new Error(`${error.message}; last: ${JSON.stringify(answer)?.slice(0, 400)}`);
  });
}

/** Waits until nothing waits for a swarm's agents and none works. */
export const atRest = (of, name, within = undefined, pause = undefined) =>
  eventually(
    () => of.get(`/swarms/${name}/agents`),
    ({ agents }) => agents.every(({ inbox_size, state }) => inbox_size === 0 && state === "idle"),
    `${name} is at rest`,
    within,
    pause,
  );

/** Every event of a swarm that is kept, oldest first. */
export async function everyEvent(of, name, filter = "") {
  const all = [];
  for (let after = "0"; ; after = all.at(-1).id) {
    const { events } = await of.get(`/swarms/${name}/events?after=${after}&limit=1000${filter}`);
    all.push(...events);
    if (events.length < 1000) return all;
  }
}
