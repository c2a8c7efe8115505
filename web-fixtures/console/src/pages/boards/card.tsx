// A session's card on the canvas.

import type { Node, NodeProps } from "@xyflow/react";
import { memo } from "react";
import { count, ground } from "../../lib/format.ts";
import type { Session } from "../../lib/types.ts";
import css from "./boards.module.css";
import { usePreview } from "./previews.ts";
import { Status, titleOf } from "./status.tsx";
import { Watchers, useWatchers } from "./watchers.tsx";

export type CardNode = Node<{ session: Session }, "session">;

export const SessionCard = memo(function SessionCard({ data: { session }, selected }: NodeProps<CardNode>) {
  const [watcher] = useWatchers(session.session_id);
  return (
    <article
      className={css.card}
      data-status={session.status}
      data-selected={selected}
      {...(watcher && { "data-watched": true, style: { "--watcher": ground(watcher.userId) } })}
    >
      <header>
        <a href={`#/sessions/${session.session_id}`} className={`nodrag cut ${css.title}`} title={titleOf(session)}>
          {titleOf(session)}
        </a>
        <Status of={session} />
      </header>
      <Preview session={session} />
      <footer>
        <span className="cut">
          {session.agent} · {count(session.message_count)} {session.message_count === 1 ? "message" : "messages"}
        </span>
        <Watchers sessionId={session.session_id} />
      </footer>
    </article>
  );
});

function Preview({ session }: { session: Session }) {
  const preview = usePreview(session.session_id);
  return <p className={css.preview}>{preview ? preview.text : session.description || "Nothing was said yet."}</p>;
}
