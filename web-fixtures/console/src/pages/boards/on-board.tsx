// Who looks at a session elsewhere than on its board is on the board all the same, and sees who else looks.

import { useEffect } from "react";
import { usePresence, view } from "../../lib/presence.ts";
import { useBoards } from "./use-boards.ts";
import { Watchers } from "./watchers.tsx";

/** Shows the others who look at a session, and shows them that one looks at it. */
export function OnBoard({ sessionId }: { sessionId: string }) {
  const board = useBoards().records.find(({ sessions }) => sessions.includes(sessionId))?.board_id;
  const there = usePresence(({ boardId }) => boardId === board);
  useEffect(() => (board ? view(board, { selectedSessionId: sessionId }) : undefined), [board, sessionId]);
  return there ? <Watchers sessionId={sessionId} /> : null;
}
