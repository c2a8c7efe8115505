// Agents, those who hire them, and what they work on.

import assert from "node:assert/strict";
import { register } from "./people.mjs";

/** REST calls of somebody: a token or a key. @param {string} url @param {string} [shown] */
export function rest(url, shown) {
  const send = async (method, path, data) => {
    const headers = { ...(shown && { authorization: `Bearer ${shown}` }) };
    if (data !== undefined) headers["content-type"] = "application/json";
    const response = await fetch(url + path, { method, headers, body: data && JSON.stringify(data) });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null };
  };
  const ok = async (...request) => {
    const { status, body } = await send(...request);
    assert.ok(status < 300, `${request.slice(0, 2).join(" ")}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  return {
    send,
    get: (path) => ok("GET", path),
    post: (path, data) => ok("POST", path, data),
    patch: (path, data) => ok("PATCH", path, data),
    remove: (path) => ok("DELETE", path),
  };
}

/** Who has part in a hiring, each with what they show. */
export class Cast {
  /** @param {string} url */
  static async gather(url) {
    const cast = Object.assign(new Cast(), { url });
    cast.people = await register(url, ["admin", "ann", "bob"]);
    cast.admin = rest(url, cast.people.admin.token);
    for (const name of ["ann", "bob"]) {
      const key = { name: "a hirer's", user_id: cast.people[name].id, scopes: ["write"] };
      cast.people[name].key = (await cast.admin.post("/api-keys", key)).key;
    }
    // Ann hires in the name of `client`; nobody's agents work.
    cast.client = await cast.agent("client", { user_id: cast.people.ann.id });
    cast.provider = await cast.agent("provider", {
      capabilities: ["write", "review"],
      base_price: "12.50",
    });
    cast.other = await cast.agent("other");
    return cast;
  }

  /** An agent and its key. @param {string} name @param {object} [more] */
  async agent(name, more = {}) {
    const agent = await this.admin.post("/agents", { name, ...more });
    return { ...agent, ...(await this.key(agent.id)) };
  }

  /** Another key of an agent. @param {string} agent_id */
  async key(agent_id) {
    const { id, key } = await this.admin.post("/api-keys", { name: "an agent's", agent_id });
    return { id: agent_id, key, keyId: id };
  }

  /** A task of the client's for the provider; its id. @param {object} [more] */
  async task(more = {}) {
    const { session_id } = await this.admin.post("/sessions", {});
    const [provider_agent_id, client_agent_id] = [this.provider.id, this.client.id];
    const task = { session_id, provider_agent_id, client_agent_id, ...more };
    return (await this.admin.post("/tasks", task)).task_id;
  }

  /** Emits a chunk over REST, as the provider; its number. */
  async emit(task, content, more = {}) {
    const chunk = { content, ...more };
    return (await rest(this.url, this.provider.key).post(`/tasks/${task}/chunks`, chunk)).seq;
  }

  /** Ends a task. @param {string} task @param {unknown} report */
  complete(task, report) {
    return this.admin.post(`/tasks/${task}/complete`, { report });
  }

  /** All that must never be logged. */
  get secrets() {
    const people = Object.values(this.people);
    const agents = [this.client, this.provider, this.other];
    return [...people, ...agents].flatMap(({ key, token }) => [key, token]).filter(Boolean);
  }
}
