// What a conversation shows, made of messages, tasks and what grows.

import type { Block, Message, Task } from "../../lib/types.ts";
import type { Growing } from "./streams.ts";

export type Item =
  | { kind: "message"; key: string; message: Message; isFirst: boolean }
  | { kind: "growing"; key: string; growing: Growing; isFirst: boolean }
  | { kind: "end"; key: string; task: Task };

/** What a tool gave. */
export interface Result {
  content: unknown;
  isError: boolean;
}

const OVER = new Set(["completed", "failed", "stopped", "cancelled", "timed_out"]);

export const isOver = (task: Task | undefined): boolean => !!task && OVER.has(task.status);

export const blocksOf = ({ content }: Message): Block[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : Array.isArray(content) ? content.filter(isBlock) : [];

const isBlock = (value: unknown): value is Block =>
  typeof value === "object" && value !== null && typeof (value as Block).type === "string";

/** Who speaks, in a word. */
export const speaker = ({ type, role }: Message): string =>
  type === "permission_request" ? "Question" : role === "user" ? "Prompt" : role === "assistant" ? "Agent" : role || "System";

/** What tools gave, by the id of their use. */
export function resultsOf(messages: readonly Message[]): Map<string, Result> {
  const results = new Map<string, Result>();
  for (const message of messages) {
    if (typeof message.content === "string") continue;
    for (const { type, tool_use_id, content, is_error } of blocksOf(message)) {
      if (type === "tool_result" && typeof tool_use_id === "string") results.set(tool_use_id, { content, isError: !!is_error });
    }
  }
  return results;
}

/** The tools that are used, by id. */
function usesOf(messages: readonly Message[]): Set<string> {
  const uses = new Set<string>();
  for (const message of messages) {
    if (typeof message.content === "string") continue;
    for (const { type, id } of blocksOf(message)) if (type === "tool_use" && id) uses.add(id);
  }
  return uses;
}

/** What is to be seen of the messages, in order, and of the tasks that ended otherwise than well. */
export function itemsOf(messages: readonly Message[], tasks: ReadonlyMap<string, Task>): Item[] {
  const uses = usesOf(messages);
  const lastOf = new Map<string, string>();
  for (const { task_id, message_id } of messages) if (task_id) lastOf.set(task_id, message_id);
  const items: Item[] = [];
  let before: string | undefined;
  for (const message of messages) {
    // Results are shown with the use of their tool.
    const isResult = (block: Block) => block.type === "tool_result" && uses.has(block.tool_use_id ?? "");
    const blocks = Array.isArray(message.content) ? blocksOf(message) : [];
    const isHidden = blocks.length > 0 && blocks.every(isResult);
    if (!isHidden) {
      const who = speaker(message) + (message.role === "assistant" ? message.task_id : message.message_id);
      items.push({ kind: "message", key: message.message_id, message, isFirst: who !== before });
      before = who;
    }
    const task = message.task_id === undefined ? undefined : tasks.get(message.task_id);
    if (task && lastOf.get(task.task_id) === message.message_id && (task.status === "failed" || task.status === "stopped")) {
      items.push({ kind: "end", key: `end-${task.task_id}`, task });
      before = undefined;
    }
  }
  return items;
}

/** What still grows: of no task that is over, and no message that is there. */
export function growingItems(
  growing: readonly Growing[],
  messages: ReadonlyMap<string, Message>,
  tasks: ReadonlyMap<string, Task>,
  isRunning: boolean,
  last: Item | undefined,
): Item[] {
  const grows = ({ id, becomes, task }: Growing) =>
    !messages.has(id) && !(becomes && messages.has(becomes)) && (task && tasks.has(task) ? !isOver(tasks.get(task)) : isRunning);
  const isAgents = last?.kind === "message" && last.message.role === "assistant";
  return growing
    .filter(grows)
    .map((growing, place) => ({ kind: "growing", key: growing.id, growing, isFirst: place === 0 && !isAgents }));
}
