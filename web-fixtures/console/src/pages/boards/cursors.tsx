// Where others point, on the board.

import { ViewportPortal, useStore } from "@xyflow/react";
import { ground } from "../../lib/format.ts";
import { usePresence } from "../../lib/presence.ts";
import css from "./boards.module.css";
import { useNames } from "./people.tsx";

/** Cursors that are drawn at most. */
const MOST = 100;

export function Cursors() {
  const cursors = usePresence(({ cursors }) => cursors);
  const me = usePresence(({ me }) => me);
  const zoom = useStore(({ transform }) => transform[2]);
  const names = useNames();
  return (
    <ViewportPortal>
      {[...cursors.values()].slice(0, MOST).map(({ userId, x, y }) => (
        <div
          key={userId}
          className={css.cursor}
          data-user={userId}
          aria-hidden
          style={{ transform: `translate(${x}px, ${y}px) scale(${1 / zoom})`, "--cursor": ground(userId) }}
        >
          <svg width="16" height="20" viewBox="0 0 16 20">
            <path d="M1 1 L1 16 L5 12.5 L8 19 L11 17.5 L8 11.5 L14 11.5 Z" />
          </svg>
          <span>{userId === me ? "You, in another tab" : names(userId)}</span>
        </div>
      ))}
    </ViewportPortal>
  );
}
