// The conversation: it opens at its end, follows the end while one is there, and keeps only what is in sight.

import { Button } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type Ref, useImperativeHandle } from "react";
import type { Task } from "../../lib/types.ts";
import { isOver, type Item, type Result } from "./items.ts";
import { Row } from "./row.tsx";
import styles from "./session.module.css";

/** How near the end counts as being there, in pixels. */
const NEAR = 80;

/** What others may do with it. */
export interface Scrolling {
  /** Shows the first thing of a task. */
  toTask(task: Task): void;
  toEnd(): void;
}

interface Shown {
  items: readonly Item[];
  results: ReadonlyMap<string, Result>;
  tasks: ReadonlyMap<string, Task>;
  isRunning: boolean;
  scrolling: Ref<Scrolling>;
}

export function Conversation({ items, results, tasks, isRunning, scrolling }: Shown) {
  const scroller = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(items.length);
  const list = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    getItemKey: (place) => items[place]?.key ?? place,
    estimateSize: () => 90,
    overscan: 6,
    paddingStart: 8,
    paddingEnd: 12,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: NEAR,
    useFlushSync: false,
    useAnimationFrameWithResizeObserver: false,
  });
  /** Whether the end is where one wants to be, and how it was when that was looked at last. */
  const follows = useRef({ end: true, top: 0, height: 0 });
  const look = () => {
    const { current: feed } = scroller;
    if (!feed) return;
    const { scrollTop: top, scrollHeight: height, clientHeight } = feed;
    const last = follows.current;
    // What becomes less moves up by itself; who goes up where it does not wants to be elsewhere.
    const goesUp = top < last.top - 1 && height >= last.height;
    follows.current = { end: height - top - clientHeight < 2 || (last.end && !goesUp), top, height };
  };
  useLayoutEffect(() => {
    if (follows.current.end && list.getDistanceFromEnd() > 1) list.scrollToEnd();
  });
  // The list is drawn anew whenever it was scrolled.
  const isAway = list.scrollOffset !== null && list.getDistanceFromEnd() > NEAR;
  useEffect(() => {
    if (!isAway) setSeen(items.length);
  }, [isAway, items.length]);
  const toEnd = () => {
    follows.current.end = true;
    list.scrollToEnd();
    scroller.current?.focus({ preventScroll: true });
  };
  useImperativeHandle(scrolling, () => ({
    toEnd,
    toTask(task) {
      const of = (item: Item) => item.kind === "message" && item.message.task_id === task.task_id;
      const place = items.findIndex(of);
      if (place < 0) return;
      follows.current.end = false;
      list.scrollToIndex(place, { align: "start" });
    },
  }));
  const news = items.length - seen;
  return (
    <div className={styles.frame}>
      {/* What can be scrolled can be reached by keyboard. */}
      <div ref={scroller} className={styles.scroller} onScroll={look} tabIndex={0} role="feed" aria-label="Conversation" aria-busy={isRunning}>
        <div className={styles.all} style={{ height: list.getTotalSize() }}>
          {list.getVirtualItems().map(({ index, key, start }) => {
            const item = items[index];
            if (!item) return null;
            const task = item.kind === "message" ? item.message.task_id : undefined;
            return (
              <article
                key={key}
                ref={list.measureElement}
                data-index={index}
                data-kind={item.kind}
                data-id={item.key}
                className={styles.row}
                style={{ transform: `translateY(${start}px)` }}
                aria-posinset={index + 1}
                aria-setsize={items.length}
              >
                <Row item={item} results={results} isOver={!task || isOver(tasks.get(task)) || !isRunning} />
              </article>
            );
          })}
        </div>
      </div>
      {isAway && (
        <Button className={styles.toEnd} size="xs" radius="xl" onClick={toEnd}>
          {news > 0 ? `${news} new ${news === 1 ? "message" : "messages"} ↓` : "To the end ↓"}
        </Button>
      )}
    </div>
  );
}
