// A session: its conversation as it streams, where one writes to it, its tasks and its family.

import { Anchor, Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import { service } from "../lib/daemon.ts";
import { useRecords } from "../lib/records.ts";
import type { Session } from "../lib/types.ts";
import { Empty, Failed, Loading } from "../parts/states.tsx";
import { View } from "./session/view.tsx";

export default function SessionPage({ id }: { id: string }) {
  const { records, state, error, reload } = useRecords<Session>(`session:${id}`, () => ({
    service: "sessions",
    id: "session_id",
    query: { session_id: id },
    accepts: ({ session_id }) => session_id === id,
  }));
  const session = records[0];
  /** The session, as it was seen last. */
  const last = useRef<Session>(undefined);
  if (session) last.current = session;
  if (session) return <View session={session} />;
  if (state === "failed") return <Failed what="The session" error={error} retry={() => reload().catch(() => {})} />;
  if (state === "loading") return <Loading />;
  if (last.current) return <Gone session={last.current} />;
  return <Unknown id={id} />;
}

/** It was removed while one looked at it, or one may not see it any more. */
function Gone({ session }: { session: Session }) {
  return (
    <Empty title="This session is gone">
      {session.title ? `“${session.title}”` : "It"} was removed, or you may not see it any more.{" "}
      <Anchor underline="always" href={session.board_id ? `#/boards/${session.board_id}` : "#/boards"}>Go to the boards</Anchor>.
    </Empty>
  );
}

/** There is none of this id; it may be the start of one. */
function Unknown({ id }: { id: string }) {
  const [, go] = useLocation();
  const [why, setWhy] = useState<string>();
  useEffect(() => {
    let wanted = true;
    const found = service("sessions").get(id);
    found.then(
      ({ session_id }: Session) => wanted && session_id !== id && go(`/sessions/${session_id}`, { replace: true }),
      (error: Error & { code?: number }) => wanted && setWhy(error.code === 404 ? "" : error.message),
    );
    return () => void (wanted = false);
  }, [id, go]);
  if (why === undefined) return <Loading />;
  return (
    <Empty title="There is no such session">
      {why || "It was removed, or you may not see it."}
      <br />
      <Button component="a" href="#/boards" size="xs" variant="default" mt="sm">
        Go to the boards
      </Button>
    </Empty>
  );
}
