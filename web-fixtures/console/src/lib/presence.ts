// Who views the board that is looked at: the roster, what each of them shows, and where they point.

import { create } from "zustand";
import { service, socket } from "./daemon.ts";

/** What somebody shows on a board. */
export interface Presence {
  userId: string;
  boardId: string;
  cursorPosition?: { x: number; y: number };
  selectedSessionId?: string;
  typing?: boolean;
  lastActive: string;
}

/** Where somebody points, in the board's coordinates. */
export interface Cursor {
  userId: string;
  x: number;
  y: number;
  timestamp: number;
}

/** What one shows of oneself; null takes it away. */
export interface Shown {
  selectedSessionId?: string | null;
  typing?: boolean | null;
}

interface Viewing {
  boardId?: string;
  /** How one is called on the board. */
  me?: string;
  people: ReadonlyMap<string, Presence>;
  cursors: ReadonlyMap<string, Cursor>;
  /** Whether the roster is as the daemon has it. */
  known: boolean;
  /** Whether the board is not there, or not for whoever is in. */
  refused: boolean;
}

const nobody: Omit<Viewing, "boardId"> = { people: new Map(), cursors: new Map(), known: false, refused: false };

export const usePresence = create<Viewing>(() => nobody);

const set = usePresence.setState;
const presence = service("presence");

/** Milliseconds between two moves that are told: the daemon tells others no more either. */
const MOVES = 50;

/** Milliseconds after which the roster is read anew: who loses the right to see a board is told nothing. */
const CHECK = 5_000;

const NOT_FOUND = 404;

/** Views a board until what it returns is called; over reconnections, too. One board at a time. */
export function view(boardId: string, shows: Shown = {}): () => void {
  set({ ...nobody, boardId }, true);
  said = shows;
  const here = () => usePresence.getState().boardId === boardId;

  /** What is told while the roster is being read. */
  let meanwhile: (() => void)[] | undefined;
  const after = (change: () => void) => (meanwhile ? meanwhile.push(change) : change());
  const shown = (one: Presence) =>
    one.boardId === boardId && after(() => set(({ people }) => ({ people: new Map(people).set(one.userId, one) })));
  const removed = (one: Presence) =>
    one.boardId === boardId && after(() => set(({ people }) => ({ people: without(people, one.userId) })));

  const read = async () => {
    meanwhile = [];
    const roster: { data: Presence[] } = await presence.find({ query: { boardId, $limit: 1_000 } });
    const changes = meanwhile;
    meanwhile = undefined;
    if (!here()) return;
    set({ people: new Map(roster.data.map((one) => [one.userId, one])), known: true, refused: false });
    for (const change of changes ?? []) change();
  };
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      meanwhile = undefined;
      if (here() && (error as { code?: number }).code === NOT_FOUND) set({ ...nobody, boardId, refused: true }, true);
    }
  };
  const enter = () =>
    attempt(async () => {
      const { userId }: Presence = await presence.create({ boardId, ...said });
      if (here()) set({ me: userId });
      await read();
    });

  const pointed = ({ boardId: where, ...cursor }: Cursor & { boardId: string }) =>
    where === boardId && set(({ cursors }) => ({ cursors: new Map(cursors).set(cursor.userId, cursor) }));
  const unpointed = ({ boardId: where, userId }: Cursor & { boardId: string }) =>
    where === boardId && set(({ cursors }) => ({ cursors: without(cursors, userId) }));
  // Nobody knows what others do meanwhile.
  const gone = () => set({ cursors: new Map(), known: false });

  presence.on("created", shown);
  presence.on("updated", shown);
  presence.on("removed", removed);
  socket.on("cursor-moved", pointed).on("cursor-left", unpointed).on("connect", enter).on("disconnect", gone);
  if (socket.connected) void enter();
  const checking = window.setInterval(() => {
    if (!socket.connected || meanwhile) return;
    // Who was let in again is there again.
    void (usePresence.getState().refused ? enter() : attempt(read));
  }, CHECK);

  return () => {
    window.clearInterval(checking);
    presence.removeListener("created", shown);
    presence.removeListener("updated", shown);
    presence.removeListener("removed", removed);
    socket.off("cursor-moved", pointed).off("cursor-left", unpointed).off("connect", enter).off("disconnect", gone);
    unpoint();
    if (socket.connected) presence.remove(boardId).catch(() => {});
    if (here()) set({ ...nobody }, true);
  };
}

const without = <T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> => {
  if (!map.has(key)) return map;
  const rest = new Map(map);
  rest.delete(key);
  return rest;
};

/** What one shows, which is said again after a reconnection. */
let said: Shown = {};

/** Shows something of oneself on the board that is viewed. */
export function show(more: Shown): void {
  const { boardId, refused } = usePresence.getState();
  const news = Object.entries(more).filter(([name, value]) => (said[name as keyof Shown] ?? null) !== value);
  if (!boardId || news.length === 0) return;
  said = { ...said, ...more };
  if (socket.connected && !refused) presence.patch(boardId, Object.fromEntries(news)).catch(() => {});
}

/** Milliseconds after the last letter for which somebody types. */
const PAUSE = 3_000;

let pause: number | undefined;

/** Shows that one types, until a while after the last letter. */
export function types(): void {
  window.clearTimeout(pause);
  pause = window.setTimeout(rests, PAUSE);
  show({ typing: true });
}

/** Shows that one does not type any more. */
export function rests(): void {
  window.clearTimeout(pause);
  show({ typing: false });
}

let next: { x: number; y: number } | undefined;
let told: number | undefined;
let points = false;

/** Points somewhere on the board, in its coordinates. */
export function point(x: number, y: number): void {
  next = { x, y };
  if (told !== undefined) return;
  const tell = () => {
    const { boardId } = usePresence.getState();
    told = undefined;
    if (!next || !boardId) return;
    socket.volatile.emit("cursor-move", { boardId, ...next, timestamp: Date.now() });
    next = undefined;
    points = true;
    told = window.setTimeout(tell, MOVES);
  };
  tell();
}

/** Points nowhere any more. */
export function unpoint(): void {
  const { boardId } = usePresence.getState();
  next = undefined;
  if (!points || !boardId) return;
  points = false;
  if (socket.connected) socket.emit("cursor-leave", { boardId });
}
