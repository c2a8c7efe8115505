// Where the cards are: as the board says, but for those that one moves at this moment.

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Board } from "../../lib/types.ts";
import { placesOf, put, type Place } from "./places.ts";

/** Milliseconds without another move after which everybody is told. */
const REST = 200;

/** Milliseconds for which a place is still one's own after the daemon has it: its event may be on its way. */
const GRACE = 300;

export function useMoves(board: Board, attempt: (work: Promise<unknown>) => Promise<boolean>) {
  const { board_id } = board;
  const [moved, setMoved] = useState<ReadonlyMap<string, Place>>(new Map());
  /** What nobody was told of yet. */
  const untold = useRef(new Map<string, Place>());
  const rest = useRef<number>(undefined);

  const tell = useCallback(async () => {
    window.clearTimeout(rest.current);
    const places = untold.current;
    untold.current = new Map();
    if (places.size === 0) return;
    const done = await attempt(put(board_id, places));
    window.setTimeout(
      () =>
        setMoved((moved) => {
          const left = new Map(moved);
          for (const [id, place] of places) if (left.get(id) === place) left.delete(id);
          return left;
        }),
      done ? GRACE : 0,
    );
  }, [board_id, attempt]);

  // Whoever leaves has moved what they moved.
  const last = useRef(tell);
  last.current = tell;
  useEffect(() => () => void last.current(), []);

  const move = useCallback((id: string, place: Place, dragging: boolean) => {
    setMoved((moved) => new Map(moved).set(id, place));
    if (!dragging) untold.current.set(id, place);
    window.clearTimeout(rest.current);
    if (untold.current.size > 0) rest.current = window.setTimeout(() => void last.current(), REST);
  }, []);

  const places = useMemo(() => new Map([...placesOf(board), ...moved]), [board, moved]);
  return { places, move };
}
