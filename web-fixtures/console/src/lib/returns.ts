// What a return of the connection means, in words.

import type { Return } from "./daemon.ts";
import { count, duration } from "./format.ts";

const REASONS: Record<NonNullable<Return["reset"]>, string> = {
  too_old: "the log does not reach back that far any more",
  other_log: "the daemon has another log than before",
  unreadable: "the daemon could not read where this page was",
  no_stamp: "the connection ended before this page knew where it was",
};

const events = (number: number) => `${count(number)} ${number === 1 ? "event" : "events"}`;

/** Whether all that the log holds came, or was read anew. */
export const isWhole = ({ reset, events, expected }: Return): boolean =>
  reset !== undefined || expected === undefined || events >= expected;

/** How it ended: `12 events caught up, nothing missed`. */
export function outcome(back: Return): string {
  const { reset, expected } = back;
  if (reset) return `records were read anew, because ${REASONS[reset]}`;
  if (!isWhole(back)) return `${events(back.events)} of ${count(expected ?? 0)} came: load the page again`;
  if (expected === undefined) return `${events(back.events)} caught up`;
  if (expected === 0) return "nothing happened meanwhile";
  return `${events(back.events)} caught up, nothing missed`;
}

/** `Back after 3 s: 12 events caught up, nothing missed`. */
export const sentence = (back: Return): string => `Back after ${duration(back.away)}: ${outcome(back)}`;
