// How a session is: a word, and a sign beside it.

import type { Session } from "../../lib/types.ts";
import css from "./boards.module.css";

const WORDS: Record<string, string> = { awaiting_permission: "asks you" };

/** How a session's status is called. */
export const statusOf = ({ status }: Session): string => WORDS[status] ?? status;

export const titleOf = ({ title, session_id }: Session): string => title || `Session ${session_id.slice(0, 8)}`;

export function Status({ of }: { of: Session }) {
  return (
    <span className={css.status} data-status={of.status}>
      <span className={css.dot} aria-hidden />
      {statusOf(of)}
    </span>
  );
}
