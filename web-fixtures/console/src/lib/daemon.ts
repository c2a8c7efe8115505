// The daemon: one socket, a Feathers client on it, and what is known of the connection.

import { feathers, socketio, type Params } from "@feathersjs/client";
import { io } from "socket.io-client";
import { create } from "zustand";
import { resume, type Reset } from "../../../resume.js";
import { logins } from "./logins.ts";

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

const resuming = resume(socket as never, {
  async onReset(reset) {
    back = { ...back, reset: reset.reason };
    await Promise.all([...resets].map((read) => read(reset)));
  },
});

/** Since when there is no connection, and what came after it was back. */
let gone: { at: number; stamp: string | undefined } | undefined;
let back: { events: number; reset?: Reset["reason"] } = { events: 0 };

/** Events are counted together: there may be thousands a second. */
let counted = 0;
let flush: number | undefined;
socket.onAny((event: string, _record: unknown, stamp?: { seq?: string }) => {
  if (typeof stamp?.seq !== "string" || event === "reset") return;
  counted += 1;
  back.events += 1;
  flush ??= window.setTimeout(() => {
    flush = undefined;
    set(({ events }) => ({ events: events + counted, stamp: resuming.stamp }));
    counted = 0;
  }, 100);
});

/** Asks for the newest stamp; what was published before it has come by then. */
const head = () =>
  new Promise<string | undefined>((resolve) => {
    const asked = performance.now();
    socket.emit("find", "health", {}, (...answer: { seq?: string }[]) => {
      set({ latency: performance.now() - asked });
      resolve(answer.at(-1)?.seq);
    });
  });

socket.on("connect", async () => {
  const left = gone;
  gone = undefined;
  back = { events: 0 };
  set({ state: left ? "resuming" : "connecting" });
  const to = await head();
  if (!socket.connected) return;
  const { events, reset } = back;
  const returned = left && {
    at: Date.now(),
    from: left.stamp,
    to,
    events,
    away: Date.now() - left.at,
    ...(reset && { reset }),
  };
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

/** Connects anew, as whoever is logged in now. */
export function reconnect() {
  socket.disconnect().connect();
}
