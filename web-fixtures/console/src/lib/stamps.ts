// Stamps: `<log>-<place>`, as the daemon gives them.

/** The place in its log. */
export const place = (stamp: string): number => Number(stamp.slice(stamp.lastIndexOf("-") + 1));

/** The log. */
const log = (stamp: string): string => stamp.slice(0, stamp.lastIndexOf("-"));

/** What somebody wrote as a stamp: a whole one, or a place in the log that another stamp is of. Nothing if it is none. */
export function stamp(text: string, like: string | undefined): string | undefined {
  const written = text.trim();
  if (/^[\w-]+-\d+$/.test(written)) return written;
  if (/^\d+$/.test(written) && like) return `${log(like)}-${written}`;
  return undefined;
}

/** Whether an event with this stamp is one after the other and not after the last. */
export const between = (seq: string, after: string, last: string): boolean =>
  log(seq) === log(after) && place(seq) > place(after) && place(seq) <= place(last);
