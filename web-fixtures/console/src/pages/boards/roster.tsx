// Who is here.

import { useMemo } from "react";
import { usePresence, type Presence } from "../../lib/presence.ts";
import css from "./boards.module.css";
import { Face } from "./people.tsx";

/** Faces that are shown; the others are counted. */
const FACES = 7;

export function Roster() {
  const { people, me, known } = usePresence();
  // Oneself first, then whoever came to be known first.
  const present = useMemo(() => [...people.values()].sort((a, b) => Number(b.userId === me) - Number(a.userId === me)), [people, me]);
  return (
    <ul className={css.roster} aria-label={`Here now: ${present.length}`} data-known={known}>
      {present.slice(0, FACES).map((one) => (
        <li key={one.userId} data-user={one.userId}>
          <Face userId={one.userId} says={doing(one, me)} />
        </li>
      ))}
      {present.length > FACES && <li>+{present.length - FACES}</li>}
    </ul>
  );
}

function doing({ userId, typing, selectedSessionId }: Presence, me: string | undefined): string {
  const what = typing ? "types" : selectedSessionId ? "looks at a session" : "is here";
  return userId === me ? "you" : what;
}
