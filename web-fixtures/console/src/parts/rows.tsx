// A long list, of which only what is in sight is in the document.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, type ReactNode } from "react";
import classes from "./rows.module.css";

interface Props<T> {
  items: readonly T[];
  keyOf: (item: T, place: number) => string | number;
  children: (item: T, place: number) => ReactNode;
  /** What it is called. */
  label: string;
  /** About how high a row is, in pixels. */
  estimate: number;
  role?: "list" | "log";
  /** Whether the newest, at the end, stays in sight while one looks at the end. */
  follows?: boolean;
  /** Brings a row into sight whenever it changes; `at` is its place. */
  shows?: { at: number } | undefined;
  className?: string | undefined;
}

/** Pixels from the end that still count as the end. */
const NEAR = 40;

export function Rows<T>({ items, keyOf, children, label, estimate, role = "list", follows = false, shows, className }: Props<T>) {
  const frame = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => frame.current,
    estimateSize: () => estimate,
    getItemKey: (place) => keyOf(items[place]!, place),
    overscan: 8,
  });
  const height = rows.getTotalSize();
  useEffect(() => {
    const { current } = frame;
    if (follows && atEnd.current && current) current.scrollTop = current.scrollHeight;
  }, [follows, height, items]);
  useEffect(() => {
    if (shows) rows.scrollToIndex(shows.at, { align: "start" });
  }, [shows, rows]);
  const scrolled = () => {
    const { current } = frame;
    if (current) atEnd.current = current.scrollHeight - current.scrollTop - current.clientHeight < NEAR;
  };
  const isList = role === "list";
  return (
    <div ref={frame} className={`${classes.frame} ${className ?? ""}`} onScroll={scrolled} tabIndex={0} role={isList ? "region" : "log"} aria-label={label} aria-live="off" data-total={items.length}>
      <div className={classes.all} style={{ height }} role={isList ? "list" : undefined}>
        {rows.getVirtualItems().map(({ index, key, start }) => (
          <div key={key} data-index={index} ref={rows.measureElement} className={classes.row} style={{ transform: `translateY(${start}px)` }} role={isList ? "listitem" : undefined} aria-setsize={isList ? items.length : undefined} aria-posinset={isList ? index + 1 : undefined}>
            {children(items[index]!, index)}
          </div>
        ))}
      </div>
    </div>
  );
}
