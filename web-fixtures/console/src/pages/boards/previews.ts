// The last thing that was said in each session whose card is in sight.

import { useEffect } from "react";
import { create } from "zustand";
import { onReset, service } from "../../lib/daemon.ts";
import type { Block, Message } from "../../lib/types.ts";

interface Preview {
  text: string;
  role: string;
  at: string;
}

/** By session. */
const usePreviews = create<{ bySession: ReadonlyMap<string, Preview> }>(() => ({ bySession: new Map() }));

/** Letters of a preview. */
const LONGEST = 160;
/** Questions that are asked at a time. */
const AT_ONCE = 6;
/** Messages that are looked at for one with a text: results of tools have none. */
const LOOKED_AT = 4;

/** How many cards show a session. */
const shown = new Map<string, number>();
const asked = new Set<string>();
const waiting: string[] = [];
let asking = 0;

function textOf({ content_preview, content }: Message): string {
  if (content_preview) return content_preview;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return (content as Block[]).map(({ type, text }) => (type === "text" ? (text ?? "") : "")).join(" ");
}

function keep(message: Message) {
  // What waits in a queue was not said yet.
  if (message.index < 0 || message.status === "queued") return;
  // Signs of Markdown say nothing in a line or two.
  const plain = textOf(message).slice(0, LONGEST).replace(/\*\*|`+|^#+ |^> /gm, "");
  const text = plain.replace(/\s+/g, " ").trim();
  if (!text) return;
  usePreviews.setState(({ bySession }) => {
    const had = bySession.get(message.session_id);
    if (had && had.at > message.timestamp) return { bySession };
    return { bySession: new Map(bySession).set(message.session_id, { text, role: message.role, at: message.timestamp }) };
  });
}

async function ask() {
  const session_id = waiting.shift();
  if (session_id === undefined || asking >= AT_ONCE) return void (session_id && waiting.unshift(session_id));
  asking += 1;
  try {
    // Who scrolled past it does not need it any more.
    if (shown.has(session_id)) {
      const query = { session_id, $sort: { index: -1 }, $limit: LOOKED_AT };
      const { data }: { data: Message[] } = await service("messages").find({ query });
      const last = data.find((message) => message.index >= 0 && textOf(message).trim());
      if (last) keep(last);
    } else {
      asked.delete(session_id);
    }
  } catch {
    asked.delete(session_id);
  } finally {
    asking -= 1;
    void ask();
  }
}

function want(session: string) {
  if (asked.has(session)) return;
  asked.add(session);
  waiting.push(session);
  void ask();
}

const heard = (message: Message) => asked.has(message.session_id) && keep(message);
service("messages").on("created", heard);
service("messages").on("patched", heard);
onReset(async () => {
  asked.clear();
  usePreviews.setState({ bySession: new Map() });
  for (const session of shown.keys()) want(session);
});

/** The last thing that was said in a session; it is asked for when somebody looks. */
export function usePreview(session: string): Preview | undefined {
  useEffect(() => {
    shown.set(session, (shown.get(session) ?? 0) + 1);
    want(session);
    return () => {
      const left = (shown.get(session) ?? 1) - 1;
      if (left > 0) shown.set(session, left);
      else shown.delete(session);
    };
  }, [session]);
  return usePreviews(({ bySession }) => bySession.get(session));
}
