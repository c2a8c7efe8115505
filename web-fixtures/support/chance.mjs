// Chance that can be repeated: what a seed brings.

/**
 * Numbers between 0 and 1, always the same ones from a seed (mulberry32).
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One of a list's items. @template T @param {() => number} random @param {T[]} list @returns {T | undefined} */
export const pick = (random, list) => list[Math.floor(random() * list.length)];

/** A while between two times, in milliseconds. */
export const between = (random, least, most) =>
  new Promise((resolve) => setTimeout(resolve, least + random() * (most - least)));
