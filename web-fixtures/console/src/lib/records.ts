// Records that stay as they are in the daemon: read once, then kept up by events.

import { useEffect, useMemo, useSyncExternalStore } from "react";
import { onReset, service, socket } from "./daemon.ts";

/** What is wanted of a service. */
export interface Wanted<T> {
  service: string;
  /** The field that holds the id. */
  id: keyof T & string;
  /** What is asked for, without `$sort`; `$limit` is how many are asked for at a time. */
  query?: Record<string, unknown>;
  /** Whether a record belongs here: what the query says, for events. */
  accepts?: (record: T) => boolean;
  /** The order; by age if nothing is said. */
  order?: (a: T, b: T) => number;
  /** How the daemon is to order what it reads, so that pages fit together. */
  sort?: Record<string, 1 | -1>;
  /** How many are read at most; all if nothing is said. */
  most?: number;
  /** Events beside those of every service that tell a record as it is, such as `queued` of messages. */
  events?: string[];
}

/** Records, in order. */
export interface Records<T> {
  records: readonly T[];
  byId: ReadonlyMap<string, T>;
  state: "loading" | "ready" | "failed";
  error?: Error;
  /** Reads them anew. */
  reload: () => Promise<void>;
}

const PAGE = 1_000;
const EVENTS = ["created", "updated", "patched", "removed"] as const;

/** Records that several parts of the page may share. */
class Live<T> {
  #byId = new Map<string, T>();
  #listeners = new Set<() => void>();
  #snapshot: Records<T>;
  #scheduled = false;
  /** What happened while records were being read. */
  #meanwhile: [string, T][] | undefined;
  #stop: (() => void) | undefined;
  users = 0;

  constructor(readonly wanted: Wanted<T>) {
    this.#snapshot = this.#now("loading");
  }

  subscribe = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  snapshot = () => this.#snapshot;

  start() {
    const { service: path, events = [] } = this.wanted;
    const listeners = [...EVENTS, ...events].map((event) => [event, (record: T) => this.#heard(event, record)] as const);
    for (const [event, listener] of listeners) service(path).on(event, listener);
    const off = onReset(() => this.read());
    // What the connection broke off is asked for again on the next.
    const again = () => void (this.#snapshot.state === "failed" && this.read().catch(() => {}));
    socket.on("connect", again);
    this.#stop = () => {
      off();
      socket.off("connect", again);
      for (const [event, listener] of listeners) service(path).removeListener(event, listener);
    };
    this.read().catch(() => {});
  }

  stop() {
    this.#stop?.();
  }

  /** Reads all records; what happens meanwhile is applied to what was read. */
  read = async () => {
    const meanwhile: [string, T][] = [];
    this.#meanwhile = meanwhile;
    try {
      const records = await this.#pages();
      if (this.#meanwhile !== meanwhile) return;
      this.#byId = new Map(records.map((record) => [this.#idOf(record), record]));
      this.#meanwhile = undefined;
      for (const [event, record] of meanwhile) this.#apply(event, record);
      this.#show("ready");
    } catch (error) {
      if (this.#meanwhile !== meanwhile) return;
      this.#meanwhile = undefined;
      this.#show("failed", error as Error);
      // Whoever resumes is to ask for it again.
      throw error;
    }
  };

  async #pages() {
    const { query = {}, sort, most = Infinity, service: path } = this.wanted;
    const records: T[] = [];
    for (;;) {
      const $limit = Math.min(PAGE, most - records.length);
      const asked = { ...query, $limit, $skip: records.length, ...(sort && { $sort: sort }) };
      const page: { data: T[]; total: number } | T[] = await service(path).find({ query: asked });
      const data = Array.isArray(page) ? page : page.data;
      records.push(...data);
      const total = Array.isArray(page) ? data.length : page.total;
      if (data.length === 0 || records.length >= Math.min(total, most)) return records;
    }
  }

  #idOf(record: T) {
    return String(record[this.wanted.id]);
  }

  #heard(event: string, record: T) {
    if (this.#meanwhile) this.#meanwhile.push([event, record]);
    else if (this.#apply(event, record)) this.#schedule();
  }

  #apply(event: string, record: T) {
    const id = this.#idOf(record);
    const { accepts = () => true } = this.wanted;
    if (event === "removed" || !accepts(record)) return this.#byId.delete(id);
    this.#byId.set(id, record);
    return true;
  }

  /** Shows what changed once a frame at most. */
  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    window.setTimeout(() => {
      this.#scheduled = false;
      this.#show(this.#snapshot.state, this.#snapshot.error);
    }, 16);
  }

  #show(state: Records<T>["state"], error?: Error) {
    this.#snapshot = this.#now(state, error);
    for (const listener of this.#listeners) listener();
  }

  #now(state: Records<T>["state"], error?: Error): Records<T> {
    const records = [...this.#byId.values()];
    if (this.wanted.order) records.sort(this.wanted.order);
    return { records, byId: this.#byId, state, reload: this.read, ...(error && { error }) };
  }
}

const lives = new Map<string, Live<any>>();

/** Time that records are kept for when nobody looks at them any more, in milliseconds. */
const LINGER = 5_000;

const nothing: Records<any> = { records: [], byId: new Map(), state: "loading", reload: async () => {} };

/**
 * Records of a service, as they are now. The key says what is wanted: the same for the same.
 *
 * @param key nothing, where nothing is wanted yet
 */
export function useRecords<T>(key: string | undefined, wanted: () => Wanted<T>): Records<T> {
  const live = useMemo(() => {
    if (key === undefined) return undefined;
    const found: Live<T> = lives.get(key) ?? new Live<T>(wanted());
    lives.set(key, found);
    return found;
  }, [key]);
  useEffect(() => {
    if (!live || key === undefined) return;
    // What lingered may have been forgotten meanwhile.
    lives.set(key, live);
    live.users += 1;
    if (live.users === 1) live.start();
    return () => {
      window.setTimeout(() => {
        live.users -= 1;
        if (live.users > 0) return;
        live.stop();
        if (lives.get(key) === live) lives.delete(key);
      }, LINGER);
    };
  }, [live, key]);
  return useSyncExternalStore(live?.subscribe ?? (() => () => {}), live?.snapshot ?? (() => nothing));
}
