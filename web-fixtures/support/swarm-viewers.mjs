// Swarms, and those who watch them, over a Phoenix channel or a namespace; each keeps what it was told.

import { io } from "socket.io-client";
import { rest } from "./agrenting.mjs";
import { answer, clients, open } from "./phoenix.mjs";
import { DEADLINE, keep, soon, until } from "./wait.mjs";

const [{ phoenix }] = clients;

/** Everything that is pushed, and what else a viewer may be told. */
export const PUSHES = [
  ["agent_output", "message_routed", "message_broadcast", "agent_status", "swarm_started", "swarm_stopped"],
  ["agent_added", "agent_removed", "topology_changed", "log_entry", "event", "heartbeat"],
  ["agent_task", "agent_detached", "reset"],
].flat();

/** Somebody who watches a swarm. */
export class Viewer {
  /** What the join was answered. */
  joined;
  /** All that was told, in order. @type {{event: string, payload: any}[]} */
  told = [];
  /** The channel or socket, what asks, and what closes it. */
  client;
  ask;
  close;

  hears(on) {
    for (const event of PUSHES) on(event, (payload) => this.told.push({ event, payload }));
  }

  /** What was told by this name. @param {string} event */
  of(event) {
    return this.told.filter((said) => said.event === event).map(({ payload }) => payload);
  }

  /** Waits for a push that fits, and gives it. @param {string} event @param {(payload: any) => boolean} [fits] */
  async until(event, fits = () => true) {
    await until(() => this.of(event).some(fits), `${event} comes`);
    return this.of(event).find(fits);
  }

  /** What a question is answered; a refusal is an error. */
  async ok(event, payload) {
    const [status, response] = await this.ask(event, payload);
    if (status !== "ok") throw new Error(response?.reason ?? status);
    return response;
  }

  /** Gives an agent a task, and waits for its output. */
  async done(agent, task) {
    const before = this.of("agent_output").filter((output) => output.agent === agent).length;
    await this.ok("send_task", { agent, task });
    const outputs = () => this.of("agent_output").filter((output) => output.agent === agent);
    await until(() => outputs().length > before, `${agent} says something`);
    return outputs().at(-1).content;
  }
}

/** A Phoenix socket at `/swarm`. */
export const swarmSocket = (url, options = {}, client = phoenix) =>
  open(client, "WebSocket", `${url.replace("http", "ws")}/swarm`, { timeout: DEADLINE, ...options });

/** Joins `swarm:<name>` over a socket that is open. */
export async function overChannel(socket, name, params = {}) {
  const viewer = new Viewer();
  const channel = socket.channel(`swarm:${name}`, params);
  viewer.hears((event, hear) => channel.on(event, hear));
  viewer.client = channel;
  viewer.close = () => channel.leave();
  viewer.ask = (event, payload) => answer(channel.push(event, payload));
  const [status, response] = await answer(channel.join());
  viewer.joined = response;
  if (status === "ok") return viewer;
  channel.leave();
  throw new Error(response.reason);
}

/** Connects to `/swarm/<name>`. */
export async function overNamespace(url, name, auth = {}, options = {}) {
  const viewer = new Viewer();
  const socket = io(`${url}/swarm/${name}`, { transports: ["websocket"], forceNew: true, auth, ...options });
  keep(() => socket.close());
  viewer.hears((event, hear) => socket.on(event, hear));
  viewer.client = socket;
  viewer.close = () => socket.close();
  viewer.ask = async (event, ...payload) => {
    const { status, response } = await soon(socket.emitWithAck(event, ...payload), `${event} is answered`);
    return [status, response];
  };
  viewer.joined = await soon(
    new Promise((resolve, reject) => socket.once("joined", resolve).once("connect_error", reject)),
    "the namespace is joined",
  );
  return viewer;
}

/** An agent that says back what it is told. */
export const echo = (name) => ({ name, backend: "echo" });

/** An agent that somebody is who connects. */
export const external = (name) => ({ name, backend: "external" });

/** Swarms of a daemon, as REST has them. @param {string} url @param {string} [token] */
export function swarms(url, token) {
  const calls = rest(url, token);
  let count = 0;
  return {
    ...calls,
    /** Starts a swarm, and waits until its echo agents are ready; its name. */
    async start(agents = [echo("a"), echo("b")], topology = [["a", "b"]], more = {}) {
      const name = more.name ?? `swarm${count++}`;
      await calls.post("/swarms", { config: { name, agents, topology, ...more } });
      const ready = agents.filter(({ backend }) => backend === "echo").length;
      const idle = async () => (await calls.get(`/swarms/${name}`)).agent_counts.idle ?? 0;
      await until(async () => (await idle()) === ready, `${name} is ready`);
      return name;
    },
    steer: (name, what, data = {}) => calls.post(`/swarms/${name}/${what}`, data),
    events: (name, query = "limit=1000") => calls.get(`/swarms/${name}/events?${query}`),
  };
}
