// The board's sessions as a list: for small screens, and for whoever does not look at a plane.

import { ScrollArea, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import { count, time } from "../../lib/format.ts";
import type { Session } from "../../lib/types.ts";
import css from "./boards.module.css";
import { usePreview } from "./previews.ts";
import { Status, titleOf } from "./status.tsx";
import { Watchers } from "./watchers.tsx";

interface Props {
  sessions: readonly Session[];
  selectedId: string | undefined;
  select: (sessionId: string | undefined) => void;
}

const ROW = 76;

export function ListView({ sessions, selectedId, select }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: sessions.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
    getItemKey: (index) => sessions[index]?.session_id ?? index,
  });
  return (
    <ScrollArea viewportRef={scroller} h="100%" className={css.list ?? ""} viewportProps={{ tabIndex: 0, "aria-label": "Sessions", role: "region" }}>
      <ul className={css.plain} style={{ height: rows.getTotalSize(), position: "relative" }} aria-label="Sessions on this board">
        {rows.getVirtualItems().map(({ index, start, key }) => {
          const session = sessions[index];
          return (
            session && (
              <li
                key={key}
                className={css.row}
                style={{ transform: `translateY(${start}px)`, height: ROW }}
                aria-posinset={index + 1}
                aria-setsize={sessions.length}
                data-selected={session.session_id === selectedId}
              >
                <Row session={session} selected={session.session_id === selectedId} select={select} />
              </li>
            )
          );
        })}
      </ul>
    </ScrollArea>
  );
}

function Row({ session, selected, select }: { session: Session; selected: boolean; select: Props["select"] }) {
  const preview = usePreview(session.session_id);
  const { session_id, agent, message_count, last_updated } = session;
  return (
    <UnstyledButton
      className={css.rowButton ?? ""}
      data-id={session_id}
      aria-pressed={selected}
      onClick={() => select(selected ? undefined : session_id)}
    >
      <span className={css.rowHead}>
        <span className={`cut ${css.title}`}>{titleOf(session)}</span>
        <Watchers sessionId={session_id} />
        <Status of={session} />
      </span>
      <span className={`cut ${css.preview}`}>{preview?.text ?? "Nothing was said yet."}</span>
      <span className={`cut ${css.small}`}>
        {agent} · {count(message_count)} {message_count === 1 ? "message" : "messages"} · {time(last_updated)}
      </span>
    </UnstyledButton>
  );
}
