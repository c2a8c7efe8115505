// How a session or a task is, as a colour and a word.

import { Badge } from "@mantine/core";

const LOOKS: Record<string, [color: string, word: string]> = {
  idle: ["gray.5", "idle"],
  created: ["gray.5", "waiting"],
  running: ["teal", "running"],
  stopping: ["orange", "stopping"],
  awaiting_permission: ["yellow", "asks you"],
  awaiting_input: ["yellow", "asks you"],
  completed: ["teal", "completed"],
  failed: ["red", "failed"],
  stopped: ["orange", "stopped"],
};

/** The statuses in which something runs. */
const BUSY = new Set(["running", "stopping", "awaiting_permission", "awaiting_input"]);

export const isBusy = (status: string | undefined): boolean => BUSY.has(status ?? "");

export function Status({ status }: { status: string }) {
  const [color, word] = LOOKS[status] ?? ["gray", status.replaceAll("_", " ")];
  return (
    <Badge variant="dot" color={color} size="sm" tt="none" data-status={status} miw="max-content">
      {word}
    </Badge>
  );
}
