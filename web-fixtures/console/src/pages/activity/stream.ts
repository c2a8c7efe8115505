// The log as it is written: an event source that comes back to where it was.

import { socket } from "../../lib/daemon.ts";
import { logins } from "../../lib/logins.ts";
import type { LogEvent } from "../../lib/types.ts";

interface Listening {
  /** Events, in the log's order; several where several came together. */
  heard(events: LogEvent[]): void;
  /** Events were lost for good. */
  reset(reason: string): void;
  /** Whether it is connected. */
  state(connected: boolean): void;
}

/** Events are handed over together: there may be thousands a second. */
const TOGETHER = 100;

/** Time before it is tried again, and at most, in milliseconds. */
const AGAIN = 1_000;
const AT_MOST = 16_000;

/** Listens to the whole log after a stamp; what it returns ends it. */
export function listen(since: string, { heard, reset, state }: Listening): () => void {
  let at = since;
  let source: EventSource | undefined;
  let again: number | undefined;
  let flush: number | undefined;
  let came: LogEvent[] = [];
  let wait = AGAIN;

  const give = () => {
    window.clearTimeout(flush);
    flush = undefined;
    if (came.length === 0) return;
    const events = came;
    came = [];
    heard(events);
  };
  const open = () => {
    window.clearTimeout(again);
    again = undefined;
    source?.close();
    const token = logins.token();
    const query = new URLSearchParams({ since: at, ...(token && { token }) });
    source = new EventSource(`/events?${query}`);
    source.onopen = () => {
      wait = AGAIN;
      state(true);
    };
    source.onmessage = ({ data, lastEventId }) => {
      at = lastEventId;
      came.push(JSON.parse(data));
      flush ??= window.setTimeout(give, TOGETHER);
    };
    source.addEventListener("place", ({ lastEventId }) => (at = lastEventId));
    source.addEventListener("reset", ({ data, lastEventId }) => {
      give();
      at = lastEventId;
      reset((JSON.parse(data) as { reason: string }).reason);
    });
    source.onerror = () => {
      source?.close();
      source = undefined;
      state(false);
      // Without the daemon there is nothing to try: it is back when the socket is.
      if (socket.connected) again = window.setTimeout(open, wait);
      wait = Math.min(wait * 2, AT_MOST);
    };
  };
  const back = () => {
    if (!source) open();
  };
  socket.on("connect", back);
  open();
  return () => {
    socket.off("connect", back);
    window.clearTimeout(again);
    window.clearTimeout(flush);
    source?.close();
  };
}
