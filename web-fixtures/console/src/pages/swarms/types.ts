// Swarms as the daemon shows them (docs/swarms.md).

export interface Summary {
  name: string;
  status: string;
  started_at: string | null;
  agent_count: number;
  board_id: string | null;
}

export interface Status {
  name: string;
  status: string;
  started_at: string | null;
  config_path: string | null;
  agent_counts: Record<string, number>;
  config: { agent_count: number; topology_edges: number };
  board_id: string | null;
}

export interface Agent {
  name: string;
  state: string;
  backend: string;
  inbox_size: number;
  message_count: number;
  skills: unknown[];
  started_at: string | null;
  last_activity: string | null;
  model: string | null;
  endpoint: string | null;
  presets: unknown[];
  config: Record<string, unknown>;
  group: string | null;
  session_id: string;
  process_id: number | null;
}

/** Agents that are offered for choice at a time; who looks for one finds all. */
export const SHOWN = 50;

/** An edge, by the names of its ends. */
export type Edge = readonly [from: string, to: string];

export const idOf = ([from, to]: Edge): string => `${from}>${to}`;

/** An event that is kept. */
export interface Entry {
  id: string;
  timestamp: string;
  level: "debug" | "info" | "warning" | "error";
  category: string;
  swarm: string;
  agent: string | null;
  event_type: string;
  message: string;
  metadata: Record<string, unknown> | null;
}

/** What is wrong with a definition. */
export interface Problem {
  line: number | null;
  field: string | null;
  message: string;
}

/** The problems that a refusal names; itself, where it names none. */
export function problemsOf(error: unknown): Problem[] {
  const { data, message } = error as { data?: { errors?: Problem[] }; message: string };
  return data?.errors?.length ? data.errors : [{ line: null, field: null, message }];
}
