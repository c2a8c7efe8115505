// How many events there were in each second, and how many clients are connected.

import { createStore } from "zustand/vanilla";
import { service } from "../../lib/daemon.ts";
import { logins } from "../../lib/logins.ts";
import { place } from "../../lib/stamps.ts";
import type { LogEvent } from "../../lib/types.ts";

/** Seconds that the charts show. */
export const SHOWN = 300;

/** Events that are looked up for the time before the page was opened. */
const LOOKED_UP = 1_000;

const second = (at: string | number) => Math.floor(new Date(at).getTime() / 1_000);

class Rates {
  #counts = new Map<number, number>();
  /** Since when they are known, in seconds. */
  #since = Number.POSITIVE_INFINITY;
  /** The place up to which events were counted. */
  #last = 0;

  /** Counts events that were not counted yet. */
  note(events: readonly Pick<LogEvent, "at" | "seq">[]) {
    for (const { at, seq } of events) {
      if (place(seq) <= this.#last) continue;
      this.#last = place(seq);
      const when = second(at);
      this.#counts.set(when, (this.#counts.get(when) ?? 0) + 1);
    }
    const oldest = second(Date.now()) - SHOWN - 10;
    for (const when of this.#counts.keys()) if (when < oldest) this.#counts.delete(when);
  }

  /** Begins anew with what the log says of the last minutes, up to a stamp. */
  async begin(head: string) {
    const from = new Date(Date.now() - SHOWN * 1_000).toISOString();
    const query = { seq: { $lte: head }, at: { $gt: from }, $sort: { seq: -1 }, $limit: LOOKED_UP, $select: ["seq", "at"] };
    const page: { data: LogEvent[]; total: number } = await service("events").find({ query });
    const [first] = page.data.reverse();
    this.#counts = new Map();
    this.#last = 0;
    this.note(page.data);
    this.#last = place(head);
    this.#since = page.total > page.data.length && first ? second(first.at) + 1 : 0;
  }

  /** Seconds, and the events of each; nothing where it is not known. */
  series(now = second(Date.now())): [number[], (number | null)[]] {
    const seconds = Array.from({ length: SHOWN }, (_, index) => now - SHOWN + 1 + index);
    return [seconds, seconds.map((when) => (when < this.#since ? null : (this.#counts.get(when) ?? 0)))];
  }
}

/** Of events that this page may see. */
export const rates = new Rates();

interface Clients {
  /** When, in seconds, and how many there were. */
  points: [number, number | null][];
  /** Why it is not known. */
  why?: string | undefined;
}

export const clients = createStore<Clients>(() => ({ points: [] }));

/** Asks the daemon's metrics how many clients there are. */
export async function askForClients(): Promise<void> {
  const token = logins.token();
  const answer = await fetch("/metrics", { headers: token ? { authorization: `Bearer ${token}` } : {} }).catch(() => undefined);
  const text = answer?.ok ? await answer.text() : "";
  const found = /^roost_connections(?:\{[^}]*\})? (\S+)$/m.exec(text)?.[1];
  const refused = answer && [401, 403].includes(answer.status);
  const why = refused ? "Not allowed for you" : answer && !found ? "The daemon does not say" : undefined;
  const value = found === undefined ? null : Number(found);
  const now = second(Date.now());
  clients.setState(({ points }) => ({ why, points: [...points.filter(([at]) => at > now - SHOWN), [now, value]] }));
}
