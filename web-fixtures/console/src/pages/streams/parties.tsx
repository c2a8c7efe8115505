// Who works for whom.

import { Text } from "@mantine/core";
import { useAgentName } from "./names.ts";
import type { Task } from "./types.ts";

export function Parties({ task, size = "sm" }: { task: Task; size?: "xs" | "sm" }) {
  const provider = useAgentName(task.provider_agent_id);
  const client = useAgentName(task.client_agent_id);
  if (!provider && !client) return null;
  return (
    <Text span size={size} data-parties>
      <strong>{provider ?? "nobody yet"}</strong> works for <strong>{client ?? "a user"}</strong>
      {task.capability && `: ${task.capability}`}
    </Text>
  );
}
