// How values are written for people.

/** `1.2 s`, `3 min 4 s`. */
export function duration(ms: number | undefined): string {
  if (ms === undefined) return "";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `12:34:56`, with the date where it was on another day. */
export function time(at: string | number): string {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return today ? date.toLocaleTimeString() : `${date.toLocaleDateString()} ${date.toLocaleTimeString()}`;
}

const number = new Intl.NumberFormat();
export const count = (value: number): string => number.format(value);

/** The start of an id, as people call it. */
export const short = (id: string): string => id.slice(0, 8);

/** A hue for a name, the same each time, in degrees. */
export function hue(name: string): number {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) | 0;
  return ((hash % 360) + 360) % 360;
}

/** A colour for a name, the same each time, that can be read on both schemes. */
export const colour = (name: string): string => `hsl(${hue(name)} 70% 38%)`;

/** A colour for a name, the same each time, on which white can be read whatever its hue. */
export const ground = (name: string): string => `hsl(${hue(name)} 65% 28%)`;
