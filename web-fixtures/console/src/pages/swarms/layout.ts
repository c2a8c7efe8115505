// Where agents stand: in a circle; who speaks with everybody, in its middle; many, in rings around each other.

import type { Edge } from "./types.ts";

export const [WIDTH, HEIGHT] = [150, 56];

/** Pixels between neighbours of a ring, and between rings. */
const [BESIDE, BETWEEN] = [WIDTH, 150];

/** Rings are wider than high, as agents are. */
const [WIDE, HIGH] = [1.5, 0.85];

/** Agents of the outermost ring at most. */
const RING = 24;

/** The place of each agent's middle. */
export function layOut(names: readonly string[], edges: readonly Edge[]): Map<string, { x: number; y: number }> {
  const places = new Map<string, { x: number; y: number }>();
  let around = [...names];
  const hub = hubOf(names, edges);
  if (hub !== undefined) {
    places.set(hub, { x: 0, y: 0 });
    around = around.filter((name) => name !== hub);
  } else if (around.length === 1) {
    places.set(around.pop()!, { x: 0, y: 0 });
  }
  let radius = 0;
  while (around.length > 0) {
    const size = radius === 0 && around.length <= RING ? around.length : Math.max(6, Math.floor((2 * Math.PI * (radius + BETWEEN)) / BESIDE));
    const ring = around.splice(0, size);
    radius = Math.max(radius + BETWEEN, (ring.length * BESIDE) / (2 * Math.PI));
    ring.forEach((name, at) => {
      const angle = (2 * Math.PI * at) / ring.length - Math.PI / 2;
      places.set(name, { x: WIDE * radius * Math.cos(angle), y: HIGH * radius * Math.sin(angle) });
    });
  }
  return places;
}

/** Who has an edge with everybody, where the others have few among themselves. */
function hubOf(names: readonly string[], edges: readonly Edge[]): string | undefined {
  if (names.length < 4) return undefined;
  const beside = new Map(names.map((name) => [name, new Set<string>()]));
  for (const [from, to] of edges) {
    if (from === to) continue;
    beside.get(from)?.add(to);
    beside.get(to)?.add(from);
  }
  const hubs = names.filter((name) => beside.get(name)!.size === names.length - 1);
  return hubs.length === 1 ? hubs[0] : undefined;
}
