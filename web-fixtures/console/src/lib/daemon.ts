// The daemon: one socket, a Feathers client on it, and what is known of the connection.

import { feathers, socketio, type Params } from "@feathersjs/client";
import { io } from "socket.io-client";
import { create } from "zustand";
import { resume, type Reset } from "../../../resume.js";
import { logins } from "./logins.ts";
import { between, place } from "./stamps.ts";

/** How the connection is. `resuming`: it is back, and what was missed is coming. */
export type State = "connecting" | "live" | "resuming" | "offline";

/** One time that the connection came back. */
export interface Return {
  /** When. */
  at: number;
  /** The stamp up to which everything was had, and the one that was the newest on return. */
  from: string | undefined;
  to: string | undefined;
  /** Events that came to fill the gap. */
  events: number;
  /** How many there are in the log for it, as the daemon counts; nothing where it could not say. */
  expected?: number;
  /** Milliseconds without a connection. */
  away: number;
  /** Why records had to be read anew; nothing where none had to. */
  reset?: Reset["reason"];
}

interface Connection {
  state: State;
  /** Of the newest event that was dealt with. */
  stamp: string | undefined;
  /** Events since the page was opened. */
  events: number;
  returns: Return[];
  /** Socket.IO's way: `polling` or `websocket`. */
  transport: string;
  /** Of the last question that was asked for it, in milliseconds. */
  latency: number | undefined;
}

export const useConnection = create<Connection>(() => ({
  state: "connecting",
  stamp: undefined,
  events: 0,
  returns: [],
  transport: "",
  latency: undefined,
}));

const set = useConnection.setState;

export const socket = io({
  // The page shows more than the board that is looked at, also where the daemon tells of that only.
  auth: (give) => give({ scope: "everybody", ...(logins.token() && { token: logins.token() }) }),
  // The page says itself how long it waits.
  reconnectionDelay: 300,
  reconnectionDelayMax: 3_000,
});

const client = feathers().configure(socketio(socket, { timeout: 30_000 }));

const strangers = new Set<() => void>();

/** Has something done whenever the daemon answers that it does not know who asks. */
export function onStranger(act: () => void): () => void {
  strangers.add(act);
  return () => void strangers.delete(act);
}

client.hooks({
  error: {
    all: [
      async ({ error, path }) => {
        // A wrong password is whose who typed it.
        if (error?.code === 401 && !path.startsWith("authentication")) for (const act of strangers) act();
      },
    ],
  },
});

/** As much of a Feathers service as is used here. */
export interface Service {
  find(params?: Params): Promise<any>;
  get(id: string, params?: Params): Promise<any>;
  create(data: unknown, params?: Params): Promise<any>;
  patch(id: string, data: unknown, params?: Params): Promise<any>;
  remove(id: string, params?: Params): Promise<any>;
  on(event: string, listener: (record: any, stamp?: { seq: string }) => void): unknown;
  removeListener(event: string, listener: (...args: any[]) => void): unknown;
}

/** A service of the daemon's, such as `sessions` or `sessions/<id>/prompt`. */
export const service = (path: string): Service => client.service(path) as unknown as Service;

const resets = new Set<(reset: Reset) => Promise<void>>();

/** Has something read anew whenever events may have been missed for good. */
export function onReset(read: (reset: Reset) => Promise<void>): () => void {
  resets.add(read);
  return () => void resets.delete(read);
}

/** Records that are being read anew; it does not fail. */
let reading: Promise<unknown> = Promise.resolve();

const resuming = resume(socket as never, {
  async onReset(reset) {
    if (back) {
      back.reset = reset.reason;
      back.heard();
    }
    const read = Promise.all([...resets].map((read) => read(reset)));
    reading = read.catch(() => {});
    await read;
  },
});

/** Since when there is no connection, and what came after it was back. */
let gone: { at: number; stamp: string | undefined } | undefined;
let back: { stamps: string[]; heard: () => void; reset?: Reset["reason"] } | undefined;

/** Events are counted together: there may be thousands a second. */
let counted = 0;
let flush: number | undefined;
socket.onAny((event: string, _record: unknown, stamp?: { seq?: string }) => {
  if (typeof stamp?.seq !== "string" || event === "reset") return;
  counted += 1;
  back?.stamps.push(stamp.seq);
  flush ??= window.setTimeout(() => {
    flush = undefined;
    const more = counted;
    counted = 0;
    set(({ events }) => ({ events: events + more, stamp: resuming.stamp }));
    back?.heard();
  }, 100);
});

/** Asks for the newest stamp. */
const head = () =>
  new Promise<string | undefined>((resolve) => {
    const asked = performance.now();
    const timer = window.setTimeout(() => resolve(undefined), 30_000);
    socket.emit("find", "health", {}, (...answer: { seq?: string }[]) => {
      window.clearTimeout(timer);
      set({ latency: performance.now() - asked });
      resolve(answer.at(-1)?.seq);
    });
  });

/** What the log holds for this page after one stamp and up to another: how many events, and the last of them. */
async function missed(since: string, to: string): Promise<{ total?: number; last?: string; gone?: boolean }> {
  // Pieces of task streams are told in namespaces of their own.
  const query = { since, seq: { $lte: to }, name: { $ne: "stream:chunk" }, $sort: { seq: -1 }, $limit: 1, $select: ["seq"] };
  try {
    const { total, data }: { total: number; data: { seq: string }[] } = await service("events").find({ query });
    return { total, ...(data[0] && { last: data[0].seq }) };
  } catch (error) {
    return { gone: (error as { code?: number }).code === 410 };
  }
}

/** Waits until everything came that happened meanwhile: answers overtake it. */
async function catchUp(from: string, to: string): Promise<{ events: number; expected?: number }> {
  const { total, last, gone } = await missed(from, to);
  await new Promise<void>((resolve) => {
    const look = () => {
      const newest = back?.stamps.at(-1);
      const all = !gone && (last === undefined || (newest !== undefined && place(newest) >= place(last)));
      if (all || !back || back.reset || !socket.connected) resolve();
    };
    if (back) back.heard = look;
    socket.once("disconnect", look);
    look();
  });
  const events = back?.stamps.filter((seq) => between(seq, from, to)).length ?? 0;
  return { events, ...(total !== undefined && { expected: total }) };
}

socket.on("connect", async () => {
  const { id } = socket;
  const connectedAt = Date.now();
  const left = gone;
  back = left && { stamps: back?.stamps ?? [], heard: () => {} };
  set({ state: left ? "resuming" : "connecting" });
  const to = await head();
  if (socket.id !== id) return;
  let returned: Return | undefined;
  if (left) {
    const gap = left.stamp && to ? await catchUp(left.stamp, to) : { events: 0 };
    await reading;
    if (socket.id !== id) return;
    const reset = back?.reset;
    returned = { at: Date.now(), from: left.stamp, to, away: connectedAt - left.at, ...gap, ...(reset && { reset }) };
  }
  gone = undefined;
  back = undefined;
  set((before) => ({
    state: "live",
    stamp: resuming.stamp ?? to,
    returns: returned ? [returned, ...before.returns].slice(0, 50) : before.returns,
  }));
});
socket.on("disconnect", () => {
  gone ??= { at: Date.now(), stamp: resuming.stamp };
  set({ state: "offline", transport: "" });
});
socket.on("connect_error", () => set({ state: "offline" }));
socket.io.on("open", () => {
  const { engine } = socket.io;
  set({ transport: engine.transport.name });
  engine.on("upgrade", (transport: { name: string }) => set({ transport: transport.name }));
});

/** Measures how long an answer takes, now and then. */
window.setInterval(() => {
  if (socket.connected) void head();
}, 10_000);

/** Loses the connection, as a train does in a tunnel; it is back after about so many milliseconds. */
export function drop(ms: number) {
  const { io } = socket;
  const [first, most] = [io.reconnectionDelay(), io.reconnectionDelayMax()];
  io.reconnectionDelay(ms).reconnectionDelayMax(Math.max(ms, most));
  socket.once("disconnect", () => {
    io.once("reconnect_attempt", () => io.reconnectionDelay(first).reconnectionDelayMax(most));
  });
  io.engine.close();
}

/** Connects anew, as whoever is logged in now. */
export function reconnect() {
  socket.disconnect();
  // Nothing was missed: who comes in reads everything.
  gone = undefined;
  socket.connect();
}
