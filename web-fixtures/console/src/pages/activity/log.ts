// A window on the log: some of its events, in order, that more are read to on either side.

import { createStore } from "zustand/vanilla";
import { service, socket } from "../../lib/daemon.ts";
import { place } from "../../lib/stamps.ts";
import type { LogEvent } from "../../lib/types.ts";
import { rates } from "./rates.ts";
import { listen } from "./stream.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;

/** Which events are wanted; everything where nothing is said. */
export interface Filters {
  sources: string[];
  /** This bad or worse. */
  level?: (typeof LEVELS)[number] | undefined;
  /** What they are about. */
  board?: string | undefined;
}

/**
 * - `live`: the newest events are shown, and those that come
 * - `paused`: those that come are counted, and wait
 * - `elsewhere`: there are newer events that were not read
 */
export type Mode = "live" | "paused" | "elsewhere";

export interface Shown {
  events: readonly LogEvent[];
  state: "loading" | "ready" | "failed";
  error?: Error | undefined;
  mode: Mode;
  /** Whether there may be events before them. */
  older: boolean;
  reading?: "older" | "newer" | undefined;
  /** Events that came and are not shown. */
  waiting: number;
  connected: boolean;
  /** Something that whoever looks should know. */
  notice?: string | undefined;
  /** The newest stamp that is known. */
  newest?: string | undefined;
}

/** Events that are read at a time. */
const PAGE = 200;
/** Events that are kept; others are read again when somebody scrolls there. */
export const MOST = 10_000;
/** Events that wait while it is paused; when there are more, the newest are read anew. */
const WAIT = 2_000;

const LOST: Record<string, string> = {
  too_old: "This page was away longer than the log reaches back: it was read anew.",
  other_log: "The daemon has another log than before: it was read anew.",
};

type Page = { data: LogEvent[]; total: number };

export class Log {
  readonly shown = createStore<Shown>(() => ({
    events: [],
    state: "loading",
    mode: "live",
    older: false,
    waiting: 0,
    connected: false,
  }));
  #filters: Filters = { sources: [] };
  #waiting: LogEvent[] = [];
  #stop: (() => void) | undefined;
  /** The place up to which everything was read or heard. */
  #end = 0;
  /** Counts what was asked for: answers to older questions are of no use. */
  #turn = 0;

  /** Shows the newest events and what comes, or, with a stamp, the events around it. */
  async open(filters: Filters, seq?: string, notice?: string): Promise<void> {
    const turn = ++this.#turn;
    this.#filters = filters;
    this.#waiting = [];
    const { set } = this;
    set({ state: "loading", error: undefined, waiting: 0, reading: undefined, notice });
    try {
      const { seq: head } = await service("health").find();
      const [before, after] = await Promise.all([
        this.#ask({ seq: { $lte: seq ?? head }, $sort: { seq: -1 } }),
        seq ? this.#ask({ seq: { $gt: seq, $lte: head }, $sort: { seq: 1 } }) : { data: [], total: 0 },
      ]);
      if (turn !== this.#turn) return;
      if (!this.#stop || notice) await rates.begin(head).catch(() => {});
      if (turn !== this.#turn) return;
      const events = [...before.data.reverse(), ...after.data];
      const missing = seq && !before.data.some((event) => event.seq === seq);
      const elsewhere = after.total > after.data.length;
      set({
        events,
        state: "ready",
        older: before.total > before.data.length,
        mode: elsewhere ? "elsewhere" : "live",
        newest: head,
        ...(missing && { notice: `Event ${place(seq)} is not here: it does not fit the filters, is no longer in the log, or is not yours to see.` }),
      });
      this.#end = place(head);
      this.#listen(head);
    } catch (error) {
      if (turn !== this.#turn) return;
      set({ state: "failed", error: error as Error });
      // It is tried again as soon as the daemon is back.
      if (!socket.connected) socket.once("connect", () => turn === this.#turn && void this.open(filters, seq));
    }
  }

  /** Lets events wait. */
  pause() {
    if (this.shown.getState().mode === "live") this.set({ mode: "paused" });
  }

  /** Shows what waited, and what comes. */
  async goOn(): Promise<void> {
    const { mode, waiting, events } = this.shown.getState();
    if (mode === "live") return;
    if (mode === "elsewhere" || waiting > this.#waiting.length) return this.open(this.#filters);
    this.set({ mode: "live", waiting: 0, ...this.#cut([...events, ...this.#waiting.splice(0)]) });
  }

  /** Reads what is before the events that are shown. */
  async readOlder(): Promise<void> {
    const { events, older, reading, state } = this.shown.getState();
    const [first] = events;
    if (!older || reading || !first || state !== "ready") return;
    await this.#read("older", { seq: { $lt: first.seq }, $sort: { seq: -1 } }, ({ data, total }) => {
      const { events, mode } = this.shown.getState();
      const all = [...data.reverse(), ...events];
      const kept = all.slice(0, MOST);
      if (kept.length < all.length) this.#waiting = [];
      return { events: kept, older: total > data.length, mode: kept.length < all.length ? "elsewhere" : mode };
    });
  }

  /** Reads what is after them, where newer ones were not read. */
  async readNewer(): Promise<void> {
    const { events, mode, reading, state } = this.shown.getState();
    const last = events.at(-1);
    if (mode !== "elsewhere" || reading || !last || state !== "ready") return;
    await this.#read("newer", { seq: { $gt: last.seq }, $sort: { seq: 1 } }, ({ data, total }) => {
      const { events, waiting } = this.shown.getState();
      const all = [...events, ...data];
      const end = place(all.at(-1)?.seq ?? "-0");
      const rest = this.#waiting.filter(({ seq }) => place(seq) > end);
      const isWhole = waiting === this.#waiting.length;
      if (total > data.length && isWhole) return this.#cut(all);
      // Where some of what waited was not kept, it is read next.
      this.#waiting = [];
      if (total > data.length || !isWhole) return { ...this.#cut(all), waiting: 0 };
      this.#end = Math.max(this.#end, end);
      return { ...this.#cut([...all, ...rest]), mode: "live", waiting: 0 };
    });
  }

  close() {
    this.#turn += 1;
    this.set({ connected: false });
    this.#stop?.();
    this.#stop = undefined;
  }

  set = (changes: Partial<Shown>) => this.shown.setState(changes);

  async #read(reading: "older" | "newer", query: object, apply: (page: Page) => Partial<Shown>) {
    const turn = this.#turn;
    this.set({ reading });
    try {
      const page = await this.#ask(query);
      if (turn === this.#turn) this.set({ ...apply(page), reading: undefined, notice: undefined });
    } catch (error) {
      if (turn !== this.#turn) return;
      this.set({ reading: undefined, notice: `More could not be read: ${(error as Error).message}` });
    }
  }

  #ask(query: object): Promise<Page> {
    const { sources, level, board } = this.#filters;
    const worse = level && LEVELS.slice(LEVELS.indexOf(level));
    const asked = {
      ...query,
      $limit: PAGE,
      ...(sources.length > 0 && { source: { $in: sources } }),
      ...(worse && { level: { $in: worse } }),
      ...(board && { board }),
    };
    return service("events").find({ query: asked });
  }

  #listen(since: string) {
    this.#stop?.();
    this.#stop = listen(since, {
      heard: (events) => this.#heard(events),
      reset: (reason) => void this.open(this.#filters, undefined, LOST[reason]),
      state: (connected) => this.set({ connected }),
    });
  }

  #heard(came: LogEvent[]) {
    rates.note(came);
    const newest = came.at(-1)?.seq;
    const fitting = came.filter((event) => place(event.seq) > this.#end && fits(event, this.#filters));
    if (newest) this.#end = Math.max(this.#end, place(newest));
    const { mode, events, waiting } = this.shown.getState();
    if (mode === "live") {
      this.set({ newest, ...(fitting.length > 0 && this.#cut([...events, ...fitting])) });
      return;
    }
    if (this.#waiting.length + fitting.length <= WAIT && waiting === this.#waiting.length) this.#waiting.push(...fitting);
    this.set({ newest, waiting: waiting + fitting.length });
  }

  /** As many of the newest as are kept. */
  #cut(events: LogEvent[]): Partial<Shown> {
    return events.length > MOST ? { events: events.slice(-MOST), older: true } : { events };
  }
}

/** Whether an event is wanted. */
function fits(event: LogEvent, { sources, level, board }: Filters): boolean {
  if (sources.length > 0 && !sources.includes(event.source)) return false;
  if (level && LEVELS.indexOf(event.level as (typeof LEVELS)[number]) < LEVELS.indexOf(level)) return false;
  return !board || event.topics.includes(`board:${board}`);
}
