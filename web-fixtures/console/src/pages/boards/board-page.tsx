// A board: its sessions, and who looks at them.

import { Anchor, Alert, SegmentedControl, Stack, Text } from "@mantine/core";
import { useLocalStorage, useMediaQuery } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState } from "react";
import { useRecords, type Records } from "../../lib/records.ts";
import { show, usePresence, view } from "../../lib/presence.ts";
import type { Board, Session } from "../../lib/types.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { BoardHead } from "./board-head.tsx";
import css from "./boards.module.css";
import { Canvas } from "./canvas.tsx";
import { ListView } from "./list-view.tsx";
import { useMayWork } from "./people.tsx";
import { SessionPanel } from "./session-panel.tsx";
import { useBoards } from "./use-boards.ts";

export type Look = "canvas" | "list";

export function BoardPage({ id }: { id: string }) {
  const boards = useBoards();
  const refused = usePresence(({ refused, boardId }) => refused && boardId === id);
  const board = boards.byId.get(id);
  const seen = useRef(false);
  seen.current ||= board !== undefined;
  // Without the board there is nothing to be present on.
  const there = board !== undefined;
  useEffect(() => (there ? view(id) : undefined), [id, there]);
  const { reload } = boards;
  useEffect(() => {
    if (refused) void reload().catch(() => {});
  }, [refused, reload]);

  if (boards.state === "failed" && !board) return <Failed what="The board" error={boards.error} retry={reload} />;
  if (boards.state === "loading" && !board) return <Loading />;
  if (!board || refused) return <Gone wasThere={seen.current} />;
  return <Present board={board} boards={boards} />;
}

function Gone({ wasThere }: { wasThere: boolean }) {
  return (
    <Alert color="yellow" role="alert" title={wasThere ? "This board is gone" : "There is no such board"}>
      <Text size="sm">
        {wasThere ? "It was removed, or you may not see it any more." : "It was removed, or it is private and you are no member of it."}{" "}
        <Anchor href="#/boards" size="sm" c="inherit" underline="always">
          Go to the boards
        </Anchor>
      </Text>
    </Alert>
  );
}

/** The sessions of a board, in its order. */
function useSessions({ board_id, sessions: ids }: Board) {
  const all = useRecords<Session>(`sessions of ${board_id}`, () => ({
    service: "sessions",
    id: "session_id",
    query: { board_id },
    sort: { created_at: 1 },
  }));
  const sessions = useMemo(() => ids.flatMap((id) => all.byId.get(id) ?? []), [ids, all.byId, all.records]);
  // One that was made elsewhere, and put here later, was not told of.
  const missing = all.state === "ready" ? ids.filter((id) => !all.byId.has(id)).join() : "";
  const { reload } = all;
  useEffect(() => {
    if (missing) void reload().catch(() => {});
  }, [missing, reload]);
  return { ...all, sessions };
}

function Present({ board, boards }: { board: Board; boards: Records<Board> }) {
  const { sessions, state, error, reload } = useSessions(board);
  const small = useMediaQuery("(max-width: 600px)", undefined, { getInitialValueInEffect: false });
  const [chosen, choose] = useLocalStorage<Look | null>({ key: "roost-board-look", defaultValue: null, getInitialValueInEffect: false });
  const look: Look = chosen ?? (small ? "list" : "canvas");
  const [selectedId, select] = useState<string>();
  const [trouble, setTrouble] = useState<string>();
  const mayWork = useMayWork();
  const selected = sessions.find(({ session_id }) => session_id === selectedId);
  useEffect(() => show({ selectedSessionId: selected?.session_id ?? null }), [selected?.session_id]);

  /** Does something, and says what the daemon has against it. */
  const attempt = async (work: Promise<unknown>) => {
    try {
      await work;
      setTrouble(undefined);
      return true;
    } catch (error) {
      setTrouble((error as Error).message);
      return false;
    }
  };

  return (
    <Stack gap="sm" className={css.page ?? ""}>
      <BoardHead board={board} boards={boards.records} attempt={attempt} select={select}>
        <SegmentedControl
          size="xs"
          aria-label="How the board is shown"
          value={look}
          onChange={(value) => choose(value as Look)}
          data={[
            { value: "canvas", label: "Canvas" },
            { value: "list", label: "List" },
          ]}
        />
      </BoardHead>
      <div className={css.area}>
        {state === "loading" && sessions.length === 0 ? (
          <Loading />
        ) : state === "failed" && sessions.length === 0 ? (
          <Failed what="The sessions" error={error} retry={reload} />
        ) : look === "canvas" ? (
          <Canvas board={board} sessions={sessions} selectedId={selectedId} select={select} mayMove={mayWork} attempt={attempt} />
        ) : (
          <ListView sessions={sessions} selectedId={selectedId} select={select} />
        )}
        {state === "ready" && sessions.length === 0 && (
          <div className={css.nothing}>
            <Empty title="No session is on this board yet">
              A session is one conversation with an agent. {mayWork ? "Make one with “New session”; everybody here sees it at once." : "Who may work here makes one."}
            </Empty>
          </div>
        )}
        {selected && <SessionPanel board={board} session={selected} close={() => select(undefined)} attempt={attempt} mayWork={mayWork} />}
        {trouble && (
          <Alert color="red" role="alert" withCloseButton closeButtonLabel="Close" onClose={() => setTrouble(undefined)} className={css.trouble ?? ""} variant="filled">
            {trouble}
          </Alert>
        )}
      </div>
    </Stack>
  );
}
