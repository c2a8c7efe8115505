// Who looks at a session, and who types to it.

import { useShallow } from "zustand/react/shallow";
import { usePresence } from "../../lib/presence.ts";
import css from "./boards.module.css";
import { Face, useNames } from "./people.tsx";

/** Faces on a card. */
const FACES = 4;

/** The others who look at a session. */
export const useWatchers = (sessionId: string) =>
  usePresence(
    useShallow(({ people, me }) => [...people.values()].filter((one) => one.selectedSessionId === sessionId && one.userId !== me)),
  );

export function Watchers({ sessionId }: { sessionId: string }) {
  const watchers = useWatchers(sessionId);
  const names = useNames();
  const typing = watchers.filter((one) => one.typing);
  if (watchers.length === 0) return null;
  return (
    <span className={css.watchers} data-watchers={watchers.length}>
      {typing.length > 0 && (
        <span className={css.typing}>
          {typing.length === 1 ? `${names(typing[0]?.userId ?? "")} types` : `${typing.length} type`}
          <span aria-hidden>…</span>
        </span>
      )}
      {watchers.slice(0, FACES).map((one) => (
        <Face key={one.userId} userId={one.userId} says={one.typing ? "types" : "looks at this"} size={22} />
      ))}
      {watchers.length > FACES && <span>+{watchers.length - FACES}</span>}
    </span>
  );
}
