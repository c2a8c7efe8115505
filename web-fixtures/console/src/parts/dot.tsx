// A state: a colour, and its word.

import { Group, Text } from "@mantine/core";
import classes from "./dot.module.css";

const COLOURS: Record<string, string> = {
  running: "teal",
  working: "teal",
  idle: "blue",
  completed: "blue",
  done: "blue",
  starting: "yellow",
  initializing: "yellow",
  created: "yellow",
  paused: "yellow",
  stopping: "yellow",
  awaiting_permission: "yellow",
  failed: "red",
  error: "red",
  stopped: "gray",
};

export const colourOf = (state: string): string => `var(--mantine-color-${COLOURS[state] ?? "gray"}-6)`;

/** Whether something goes on, which is shown by movement, too. */
const MOVES = new Set(["running", "working"]);

export function Dot({ state, size = "sm" }: { state: string; size?: "xs" | "sm" | "md" }) {
  return (
    <Group gap={6} wrap="nowrap" component="span" className={classes.state} data-status={state}>
      <span aria-hidden className={`${classes.dot} ${MOVES.has(state) ? classes.moves : ""}`} style={{ background: colourOf(state) }} />
      <Text span size={size}>
        {state.replaceAll("_", " ")}
      </Text>
    </Group>
  );
}
