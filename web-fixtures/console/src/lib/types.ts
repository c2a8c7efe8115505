// The daemon's records, as far as the page reads them (docs/protocols/feathers.md).

export interface Session {
  session_id: string;
  title?: string;
  description?: string;
  status: string;
  agent: string;
  created_at: string;
  last_updated: string;
  created_by?: string;
  message_count: number;
  tool_use_count: number;
  ready_for_prompt?: boolean;
  genealogy: { forked_from_session_id?: string; parent_session_id?: string; children?: string[] };
  repo?: { name?: string; cwd?: string };
  board_id?: string;
  archived?: boolean;
}

export interface Task {
  task_id: string;
  session_id: string;
  status: string;
  description: string;
  full_prompt: string;
  created_at: string;
  completed_at?: string;
  duration_ms?: number;
  error?: string;
  usage?: { input?: number; output?: number; cost?: number };
  tool_use_count: number;
  progress_percent?: number;
  progress_message?: string;
  permission_request?: { request_id?: string; tool_name?: string; tool_input?: unknown };
}

/** A part of what somebody said. */
export interface Block {
  type: string;
  text?: string;
  thinking?: string;
  id?: string;
  name?: string;
  input?: unknown;
  tool_use_id?: string;
  content?: unknown;
  is_error?: boolean;
}

export interface Message {
  message_id: string;
  session_id: string;
  task_id?: string;
  type: string;
  role: string;
  index: number;
  timestamp: string;
  content: string | Block[] | Record<string, unknown>;
  content_preview?: string;
  status?: string;
  queue_position?: number;
}

export interface Board {
  board_id: string;
  name: string;
  slug?: string;
  description?: string;
  icon?: string;
  color?: string;
  visibility?: "public" | "private";
  sessions: string[];
  objects?: Record<string, unknown>;
  created_by?: string;
  created_at: string;
  last_updated: string;
}

export interface LogEvent {
  seq: string;
  id: string;
  at: string;
  source: string;
  name: string;
  level: string;
  message?: string;
  topics: string[];
  data: unknown;
}

export interface ApiKey {
  id: string;
  name: string;
  scopes: string[];
  user_id: string;
  /** The key's first characters. */
  prefix: string;
  expires_at?: string | null;
  created_at: string;
  last_used_at?: string | null;
}
