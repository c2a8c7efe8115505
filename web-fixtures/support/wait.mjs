// Waits for what must happen, with a deadline, and ends what a test left open.

/** How long anything may take before the suites give up, in milliseconds. */
export const DEADLINE = 20_000;

/**
 * The promise's value, or an error that says what did not happen in time.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what what should happen
 * @param {number} [within] milliseconds
 * @returns {Promise<T>}
 */
export function soon(promise, what, within = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${within} ms`)), within);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until something holds. */
export async function until(holds, what) {
  const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
  let isLate = false;
  const asking = (async () => {
    while (!isLate && !(await holds())) await turn();
  })();
  // Who gives up asks no more: the process could not end.
  await soon(asking, what).finally(() => (isLate = true));
}

/** @type {(() => unknown)[]} */
const open = [];

/** Remembers how to end something that a failing test would leave open. @param {() => unknown} end */
export const keep = (end) => void open.push(end);

/** Ends the process soon: some clients leave timers behind that nobody can stop. */
export const leave = () => void setTimeout(() => process.exit(), 1_000).unref();

/** Ends what is still open. */
export const closeAll = () => Promise.all(open.splice(0).map((end) => end()));
