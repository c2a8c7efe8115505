// One swarm as it is now: read once, then kept up by what its namespace tells.

import { createStore, type StoreApi } from "zustand/vanilla";
import { calmly } from "../../lib/calmly.ts";
import { service } from "../../lib/daemon.ts";
import { join } from "../../lib/namespaces.ts";
import type { Agent, Edge, Entry, Status } from "./types.ts";
import { idOf } from "./types.ts";

export interface Seen {
  /** `gone`: there is none of that name for whoever asks. */
  state: "loading" | "ready" | "failed" | "gone" | "forbidden";
  error?: Error;
  /** Whether the swarm was there while one looked at it. */
  wasThere: boolean;
  status: Status | undefined;
  agents: readonly Agent[];
  edges: readonly Edge[];
  /** What happened, oldest first. */
  log: readonly Entry[];
  /** How many messages passed an edge while one looked, by the edge's id. */
  passed: Readonly<Record<string, number>>;
  /** How often something was said of an agent while one looked: who shows it reads it anew. */
  stirs: Readonly<Record<string, number>>;
}

/** Events that are read first, and kept at most. */
const [READ, KEPT] = [1_000, 5_000];

/** Milliseconds for which what is told is gathered before it is shown. */
const GATHER = 80;

/** Milliseconds between readings of inboxes, of which nothing is told. */
const PAUSE = 300;

const first: Seen = { state: "loading", wasThere: false, status: undefined, agents: [], edges: [], log: [], passed: {}, stirs: {} };

const WORDS: Record<string, Seen["state"]> = { swarm_not_found: "gone", unauthorized: "forbidden" };

/** Pushes behind which the swarm's own facts may be others. */
const CHANGES = new Set(["swarm_started", "swarm_stopped", "agent_added", "agent_removed", "topology_changed"]);

export class Watch {
  readonly store: StoreApi<Seen> = createStore(() => first);
  #since = "now";
  #door;
  #told: [event: string, payload: any][] = [];
  #timer: number | undefined;
  /** The last event up to which none is missing; whether some may be missing after it. */
  #known: string | undefined;
  #hasGap = false;
  #whole = calmly(() => this.#read(), PAUSE);
  #status = calmly(() => this.#readStatus(), PAUSE);
  #agents = calmly(() => this.#readAgents(), PAUSE);

  constructor(readonly name: string) {
    this.#door = join(`/swarm/${name}`, {
      auth: () => ({ since: this.#since }),
      hears: (event, payload) => this.#heard(event, payload),
      refused: (reason) => {
        const state = WORDS[reason] ?? "failed";
        this.store.setState({ state, ...(state === "failed" && { error: new Error(reason) }) });
      },
    });
  }

  leave() {
    this.#door.leave();
    this.#whole.stop();
    this.#status.stop();
    this.#agents.stop();
    window.clearTimeout(this.#timer);
  }

  /** Reads everything anew. */
  reload = () => {
    this.#door.again();
    this.#whole.ask();
  };

  #path(rest: string) {
    return service(`swarms/${this.name}/${rest}`);
  }

  #heard(event: string, payload: any) {
    if (typeof payload?.seq === "string") this.#since = payload.seq;
    if (event === "joined") void this.#joined();
    else if (event === "reset") {
      this.#since = payload.latest ?? "now";
      this.store.setState({ log: [] });
      [this.#known, this.#hasGap] = [undefined, true];
      this.reload();
    } else if (event === "heartbeat") {
      // Of pauses nothing is told.
      if (document.visibilityState === "visible") this.#status.ask();
    } else {
      this.#told.push([event, payload]);
      this.#timer ??= window.setTimeout(() => this.#show(), GATHER);
    }
  }

  async #joined() {
    this.#whole.ask();
    // What is told from now on comes after a gap, until that is closed: by this connection, or by a later one.
    if (!this.#hasGap) this.#known = this.store.getState().log.at(-1)?.id;
    this.#hasGap = true;
    try {
      await this.#door.ask("subscribe_events", { filters: {} });
      await this.#catchUp();
    } catch {
      // The connection ended, and the next has it again.
    }
  }

  /** Reads the events since the gap began: what comes after the subscription comes by itself. */
  async #catchUp(): Promise<void> {
    const last = this.#known;
    const query = last ? { after: last, limit: READ } : { limit: READ };
    const found: Entry[] = await this.#path("events").find({ query });
    if (last && found.length === READ) {
      // More than one reads: the newest are enough.
      this.store.setState({ log: [] });
      this.#known = undefined;
      return this.#catchUp();
    }
    this.#add(found);
    this.#hasGap = false;
  }

  /** Adds events in their order, each once: mostly they come behind those that are known. */
  #add(more: readonly Entry[]) {
    if (more.length === 0) return;
    const { log } = this.store.getState();
    const last = log.at(-1)?.id ?? "";
    if (more.every(({ id }, at) => id > (more[at - 1]?.id ?? last))) {
      this.store.setState({ log: [...log, ...more].slice(-KEPT) });
      return;
    }
    const known = new Map(log.map((entry) => [entry.id, entry]));
    for (const entry of more) known.set(entry.id, entry);
    const all = [...known.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.store.setState({ log: all.slice(-KEPT) });
  }

  async #read() {
    try {
      const [status, agents, topology] = await Promise.all([
        service("swarms").get(this.name) as Promise<Status>,
        this.#path("agents").find() as Promise<Agent[]>,
        this.#path("topology").find() as Promise<{ from: string; targets: string[] }[]>,
      ]);
      const edges = topology.flatMap(({ from, targets }) => targets.map((to) => [from, to] as const));
      const before = this.store.getState();
      const same = before.edges.length === edges.length && edges.every((edge, at) => idOf(edge) === idOf(before.edges[at]!));
      this.store.setState({ state: "ready", wasThere: true, status, agents, ...(!same && { edges }) });
    } catch (error) {
      if (this.store.getState().status) return;
      if ((error as { code?: number }).code === 404) this.store.setState({ state: "gone" });
      else this.store.setState({ state: "failed", error: error as Error });
    }
  }

  async #readStatus() {
    const status: Status = await service("swarms").get(this.name);
    this.store.setState({ status });
  }

  async #readAgents() {
    const agents: Agent[] = await this.#path("agents").find();
    this.store.setState({ agents });
  }

  /** Shows what was gathered. */
  #show() {
    this.#timer = undefined;
    const told = this.#told.splice(0);
    const { agents, passed, stirs } = this.store.getState();
    const states = new Map<string, string>();
    const [now, stirred] = [{ ...passed }, { ...stirs }];
    const entries: Entry[] = [];
    for (const [event, payload] of told) {
      if (event === "agent_status") states.set(payload.agent, payload.state);
      else if (event === "event") {
        entries.push(payload);
        if (payload.agent) stirred[payload.agent] = (stirred[payload.agent] ?? 0) + 1;
      } else if (event === "message_routed" || event === "message_broadcast") {
        for (const to of [payload.to].flat()) {
          const id = idOf([payload.from, to]);
          now[id] = (now[id] ?? 0) + 1;
        }
      }
      if (CHANGES.has(event)) this.#whole.ask();
    }
    this.#add(entries);
    const changed = agents.map((agent) => {
      const state = states.get(agent.name);
      return state === undefined || state === agent.state ? agent : { ...agent, state };
    });
    this.store.setState({ ...(states.size > 0 && { agents: changed }), passed: now, stirs: stirred });
    this.#agents.ask();
  }
}
