// Work that is asked for often, and done no more often than it can be borne.

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
    await work().catch(() => {});
    const took = performance.now() - began;
    if (over) return;
    timer = window.setTimeout(
      () => {
        busy = false;
        if (wanted) void run();
      },
      Math.max(pause, 3 * took),
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
