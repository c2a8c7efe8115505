// The events, of which only those are in the page that can be seen.

import { Badge, Button, Text } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState, type KeyboardEvent } from "react";
import { time } from "../../lib/format.ts";
import { place } from "../../lib/stamps.ts";
import type { LogEvent } from "../../lib/types.ts";
import type { Mode } from "./log.ts";
import styles from "./list.module.css";

interface Props {
  events: readonly LogEvent[];
  mode: Mode;
  /** The stamp of the event that is shown beside the list. */
  opened: string | undefined;
  open: (seq: string) => void;
  /** What waits at the start. */
  older: boolean;
  readOlder: () => void;
  readNewer: () => void;
}

const COLOURS: Record<string, string> = { warn: "yellow", error: "red" };

/** Rows from an end at which more are read. */
const NEAR = 20;

const rowId = (seq: string) => `event-${place(seq)}`;

export function EventList({ events, mode, opened, open, older, readOlder, readNewer }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const isNarrow = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  const [active, setActive] = useState(opened);
  const height = isNarrow ? 54 : 32;
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => frame.current,
    estimateSize: () => height,
    getItemKey: useCallback((index: number) => events[index]?.seq ?? index, [events]),
    overscan: 12,
    anchorTo: "end",
    followOnAppend: mode === "live",
    scrollEndThreshold: height,
  });
  const items = rows.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  const isAtEnd = events.length === 0 || last >= events.length - 2;

  useEffect(() => rows.measure(), [rows, height]);

  // What was asked for is in the middle, at first; else the newest are seen. Nothing is read before that is so.
  const [settled, setSettled] = useState<{ at?: string | undefined }>();
  useEffect(() => {
    if (events.length === 0 || (settled && settled.at === opened)) return;
    const asked = opened ? events.findIndex(({ seq }) => seq === opened) : -1;
    if (settled && asked < 0) return;
    const index = asked >= 0 ? asked : events.length - 1;
    if (asked >= 0) setActive(opened);
    if (index >= first && index <= last && frame.current?.clientHeight) setSettled({ at: opened });
    else rows.scrollToIndex(index, { align: asked >= 0 ? "center" : "end" });
  }, [events, opened, settled, first, last, rows]);

  useEffect(() => {
    if (settled && older && events.length > 0 && first < NEAR) readOlder();
  }, [settled, older, first, events, readOlder]);
  useEffect(() => {
    if (settled && mode === "elsewhere" && events.length > 0 && last >= events.length - NEAR) readNewer();
  }, [settled, mode, last, events, readNewer]);

  const go = (index: number) => {
    const event = events[Math.min(Math.max(index, 0), events.length - 1)];
    if (!event) return;
    setActive(event.seq);
    rows.scrollToIndex(events.indexOf(event), { align: "auto" });
    if (opened && !isNarrow) open(event.seq);
  };
  const keys = (event: KeyboardEvent) => {
    const at = active ? events.findIndex(({ seq }) => seq === active) : -1;
    const page = Math.max(1, last - first - 24);
    const from = at >= 0 ? at : last;
    const steps: Record<string, () => void> = {
      ArrowDown: () => go(from + 1),
      ArrowUp: () => go(from - 1),
      PageDown: () => go(from + page),
      PageUp: () => go(from - page),
      Home: () => go(0),
      End: () => go(events.length - 1),
      Enter: () => active && open(active),
      " ": () => active && open(active),
    };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  const isActiveHere = items.some(({ key }) => key === active);
  return (
    <div className={styles.around}>
      <div
        ref={frame}
        className={styles.list}
        role="listbox"
        aria-label="Events"
        tabIndex={0}
        onKeyDown={keys}
        {...(active && isActiveHere && { "aria-activedescendant": rowId(active) })}
      >
        <div className={styles.rows} style={{ height: rows.getTotalSize() }} role="presentation">
          {items.map(({ index, start, key, size }) => {
            const event = events[index];
            if (!event) return null;
            return (
              <div
                key={key}
                id={rowId(event.seq)}
                role="option"
                aria-selected={event.seq === opened}
                aria-setsize={older ? -1 : events.length}
                aria-posinset={index + 1}
                data-seq={event.seq}
                data-active={event.seq === active || undefined}
                className={styles.row}
                style={{ transform: `translateY(${start}px)`, height: size }}
                onClick={() => {
                  setActive(event.seq);
                  open(event.seq);
                }}
              >
                <Row event={event} />
              </div>
            );
          })}
        </div>
      </div>
      {!isAtEnd && (
        <Button className={styles.down ?? ""} size="compact-sm" onClick={() => rows.scrollToEnd()}>
          ↓ To the end
        </Button>
      )}
    </div>
  );
}

function Row({ event }: { event: LogEvent }) {
  const { seq, at, level, source, name } = event;
  return (
    <>
      <Text span size="xs" c="dimmed" className={styles.seq} title={seq}>
        {place(seq)}
      </Text>
      <Text span size="xs" c="dimmed" className={styles.at}>
        {time(at)}
      </Text>
      <Badge className={styles.level ?? ""} size="xs" {...(COLOURS[level] ? { color: COLOURS[level], variant: "filled", autoContrast: true } : { variant: "default" })}>
        {level}
      </Badge>
      <Text span size="sm" fw={600} className={styles.name}>
        {source} {name}
      </Text>
      <Text span size="sm" className={styles.says}>
        {says(event)}
      </Text>
    </>
  );
}

/** What people call a record, in the order in which it is looked for. */
const NAMES = ["title", "name", "description", "content_preview", "content", "message", "email", "prompt", "status"];

/** A few words of an event. */
function says({ message, data }: LogEvent): string {
  if (message) return message;
  if (typeof data !== "object" || data === null) return data === null ? "" : String(data);
  const record = data as Record<string, unknown>;
  const found = NAMES.map((name) => record[name]).find((value) => typeof value === "string" && value.trim());
  return typeof found === "string" ? found.slice(0, 300) : "";
}
