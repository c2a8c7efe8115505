// How the connection is, always in sight.

import { Badge, Tooltip } from "@mantine/core";
import { useConnection, type State } from "../lib/daemon.ts";

const LOOKS: Record<State, { color: string; word: string; says: string }> = {
  connecting: { color: "gray", word: "connecting", says: "The page connects to the daemon." },
  live: { color: "teal", word: "live", says: "What you see is what is." },
  resuming: { color: "yellow", word: "resuming", says: "The connection is back; what you missed is coming." },
  offline: { color: "red", word: "offline", says: "There is no connection; the page goes on by itself." },
};

export function ConnectionBadge() {
  const state = useConnection(({ state }) => state);
  const { color, word, says } = LOOKS[state];
  return (
    <Tooltip label={says}>
      <Badge component="a" href="#/connection" color={color} variant="filled" autoContrast role="status" aria-label={`Connection: ${word}`} data-state={state} className="pointing">
        {word}
      </Badge>
    </Tooltip>
  );
}
