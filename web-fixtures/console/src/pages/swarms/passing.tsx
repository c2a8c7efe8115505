// An edge of the graph: it lights up, and a dot goes along it, when a message passes.

import { useReducedMotion } from "@mantine/hooks";
import { useInternalNode, type EdgeProps } from "@xyflow/react";
import { createContext, useContext, useEffect, useRef, useState } from "react";
import { useStore } from "zustand";
import { createStore, type StoreApi } from "zustand/vanilla";
import classes from "./graph.module.css";
import type { Seen } from "./watch.ts";

/** What is known of the swarm. */
export const Store = createContext<StoreApi<Seen> | undefined>(undefined);

const nothing = createStore<Pick<Seen, "passed">>(() => ({ passed: {} }));

/** Milliseconds for which a message is seen. */
const SEEN = 900;

/** Pixels by which one of two lines between the same agents stands aside. */
const ASIDE = 16;

export function Passing({ id, source, target, markerEnd, data }: EdgeProps) {
  const store = useContext(Store);
  const passed = useStore((store ?? nothing) as StoreApi<Pick<Seen, "passed">>, (seen) => seen.passed[id] ?? 0);
  const [lit, setLit] = useState(0);
  const before = useRef(passed);
  const still = useReducedMotion();
  useEffect(() => {
    if (passed === before.current) return;
    before.current = passed;
    setLit(passed);
    const timer = window.setTimeout(() => setLit(0), SEEN);
    return () => window.clearTimeout(timer);
  }, [passed]);
  const [from, to] = [useInternalNode(source), useInternalNode(target)];
  if (!from || !to) return null;
  const path = source === target ? loop(boxOf(from)) : curve(boxOf(from), boxOf(to), data?.both === true ? ASIDE : 0);
  return (
    <g className={lit > 0 ? classes.lit : undefined} data-edge={id} data-passed={passed}>
      <path id={id} d={path} className={`react-flow__edge-path ${classes.line}`} markerEnd={markerEnd} fill="none" />
      {lit > 0 && !still && (
        <circle key={lit} r={5} className={classes.message}>
          <animateMotion ref={begin} begin="indefinite" dur="0.7s" fill="freeze" path={path} />
        </circle>
      )}
    </g>
  );
}

/** Otherwise it would have begun when the page did. */
const begin = (motion: SVGAnimationElement | null) => motion?.beginElement();

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

const boxOf = (node: NonNullable<ReturnType<typeof useInternalNode>>): Box => {
  const [width, height] = [node.measured.width ?? 0, node.measured.height ?? 0];
  const { x, y } = node.internals.positionAbsolute;
  return { x: x + width / 2, y: y + height / 2, width, height };
};

/** From the rim of a box to that of another. */
function curve(from: Box, to: Box, aside: number): string {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const [ax, ay] = [(-dy / length) * aside, (dx / length) * aside];
  const middle = { x: (from.x + to.x) / 2 + 2 * ax, y: (from.y + to.y) / 2 + 2 * ay };
  const [start, end] = [rim(from, middle, 2), rim(to, middle, 6)];
  return `M ${start.x} ${start.y} Q ${middle.x} ${middle.y} ${end.x} ${end.y}`;
}

/** Where the way from a box's middle to a point leaves it, and a little on. */
function rim(box: Box, { x, y }: { x: number; y: number }, gap: number) {
  const [dx, dy] = [x - box.x, y - box.y];
  const length = Math.hypot(dx, dy) || 1;
  const share = Math.min(box.width / 2 / (Math.abs(dx) || 1e-9), box.height / 2 / (Math.abs(dy) || 1e-9));
  const on = share + gap / length;
  return { x: box.x + dx * on, y: box.y + dy * on };
}

/** From an agent to itself. */
function loop({ x, y, width, height }: Box): string {
  const [right, top] = [x + width / 2, y - height / 2];
  return `M ${right} ${y} C ${right + 50} ${y} ${right + 20} ${top - 50} ${x + width / 4} ${top - 4}`;
}
