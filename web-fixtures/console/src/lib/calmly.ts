// Work that is asked for often, and done no more often than it can be borne.

import { socket } from "./daemon.ts";

/** The longest pause, in milliseconds, however long the work takes. */
const LONGEST = 10_000;

/**
 * Does something soon after it was asked for: at once if it is long ago, else after a pause. One at a time; however
 * often it is asked for meanwhile, once again.
 *
 * @param pause milliseconds between its end and the next, at least; longer where the work takes long
 */
export function calmly(work: () => Promise<unknown>, pause: number) {
  let timer: number | undefined;
  let busy = false;
  let wanted = false;
  let over = false;
  const run = async () => {
    busy = true;
    wanted = false;
    const began = performance.now();
    await answered(work());
    const took = performance.now() - began;
    if (over) return;
    timer = window.setTimeout(
      () => {
        busy = false;
        if (wanted) void run();
      },
      Math.max(pause, Math.min(3 * took, LONGEST)),
    );
  };
  return {
    ask() {
      wanted = true;
      if (!busy && !over) void run();
    },
    stop() {
      over = true;
      window.clearTimeout(timer);
    },
  };
}

/** Waits for an answer, or until the connection is lost on which it was asked for: then none comes. */
function answered(answer: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("disconnect", done);
      resolve();
    };
    socket.once("disconnect", done);
    void answer.then(done, done);
  });
}
