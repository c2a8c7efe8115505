// Where cards are: in the board's `objects`, by their sessions' ids; in rows, where nobody put them anywhere.

import { service } from "../../lib/daemon.ts";
import type { Board } from "../../lib/types.ts";

export interface Place {
  x: number;
  y: number;
}

/** A card's size. */
export const CARD = { width: 256, height: 140 };

const STEP = { x: CARD.width + 24, y: CARD.height + 24 };
const COLUMNS = 4;

/** Where a session stands that was not put anywhere: by its turn on the board, so that everybody sees the same. */
const slot = (turn: number): Place => ({ x: (turn % COLUMNS) * STEP.x, y: Math.floor(turn / COLUMNS) * STEP.y });

function stored(object: unknown): Place | undefined {
  const { x, y } = (object ?? {}) as Partial<Place>;
  return Number.isFinite(x) && Number.isFinite(y) ? { x: x as number, y: y as number } : undefined;
}

/** Where each session of a board is. */
export function placesOf(board: Board): Map<string, Place> {
  return new Map(board.sessions.map((id, turn) => [id, stored(board.objects?.[id]) ?? slot(turn)]));
}

const drawn = (place: Place) => ({ type: "session", x: Math.round(place.x), y: Math.round(place.y) });

/** Puts cards somewhere, for everybody. */
export async function put(boardId: string, places: ReadonlyMap<string, Place>): Promise<void> {
  const objects = Object.fromEntries([...places].map(([id, place]) => [id, drawn(place)]));
  await service("boards").patch(boardId, { _action: "batchUpsertObjects", objects });
}

/** Takes a session from a board; the others stay where they are. */
export async function takeOff(boardId: string, sessionId: string): Promise<void> {
  const board: Board = await service("boards").get(boardId);
  const turn = board.sessions.indexOf(sessionId);
  const later = board.sessions.slice(turn + 1).filter((id) => !stored(board.objects?.[id]));
  const places = placesOf(board);
  if (turn >= 0 && later.length > 0) await put(boardId, new Map(later.map((id) => [id, places.get(id) ?? slot(0)])));
  const sessions = board.sessions.filter((id) => id !== sessionId);
  await service("boards").patch(boardId, { sessions, _action: "removeObject", objectId: sessionId });
}

/** A free place near another. */
export function freeNear(wanted: Place, places: Iterable<Place>): Place {
  const taken = [...places];
  const place = { ...wanted };
  const meets = ({ x, y }: Place) => Math.abs(x - place.x) < CARD.width && Math.abs(y - place.y) < CARD.height;
  while (taken.some(meets)) place.y += STEP.y / 2;
  return place;
}
