// Tasks as far as their streams are concerned (docs/protocols/agrenting.md, "Streams").

import type { Task as Plain } from "../../lib/types.ts";

export interface Task extends Plain {
  provider_agent_id?: string;
  client_agent_id?: string;
  hiring_id?: string;
  capability?: string;
  output?: unknown;
  report?: unknown;
}

export interface Chunk {
  seq: number;
  content: string;
  kind: "chat" | "artifact";
  timestamp: string;
  metadata: Record<string, unknown>;
}

const OVER = new Set(["completed", "failed", "stopped", "cancelled"]);

export const isOver = (task: Pick<Task, "status">): boolean => OVER.has(task.status);

/** Whether one agent works for another. */
export const isHired = ({ provider_agent_id, client_agent_id }: Task): boolean => Boolean(provider_agent_id || client_agent_id);
