// What an agent says and thinks as it comes. It is told once and is in no log, so whatever was missed is missing
// until the message itself is there.

import { useEffect, useState } from "react";
import { service, socket } from "../../lib/daemon.ts";

/** A message, or a thought, that grows. */
export interface Growing {
  id: string;
  kind: "text" | "thought";
  /** Nothing, where its start was missed. */
  task?: string | undefined;
  text: string;
  /** Nothing more comes. */
  ended: boolean;
  /** Some of it was missed. */
  hasGap: boolean;
  /** The message that it is told by as a whole. */
  becomes?: string;
}

interface Delta {
  message_id: string;
  session_id: string;
  task_id?: string;
  chunk?: string;
}

/** How often what grows is shown, in milliseconds. */
const SHOW = 50;

/** What grows in one session. */
class Growth {
  #all = new Map<string, Growing>();
  #timer: number | undefined;

  constructor(
    readonly session: string,
    readonly show: (growing: readonly Growing[]) => void,
  ) {}

  /** Listens, until what is returned is called. */
  listen() {
    const messages = service("messages");
    const of = (act: (delta: Delta) => void) => (delta: Delta) => {
      if (delta.session_id === this.session) act(delta);
    };
    const listeners: [string, (delta: any) => void][] = [
      ["streaming:start", of((delta) => this.#start(delta, "text"))],
      ["streaming:chunk", of((delta) => this.#grow(delta, "text"))],
      ["streaming:end", of((delta) => this.#end(delta))],
      ["streaming:error", of((delta) => this.#end(delta))],
      ["thinking:start", of((delta) => this.#start(delta, "thought"))],
      ["thinking:chunk", of((delta) => this.#grow(delta, "thought"))],
      ["thinking:end", of((delta) => this.#end(delta))],
      ["created", of((message) => this.#said(message as Delta & { role: string }))],
    ];
    for (const [event, listener] of listeners) messages.on(event, listener);
    // A daemon may tell words only to who asks for them; another connection asks again.
    const follow = () => void service("session-streams").create({ session_id: this.session }).catch(() => {});
    const lost = () => this.#miss();
    if (socket.connected) follow();
    socket.on("connect", follow).on("disconnect", lost);
    return () => {
      socket.off("connect", follow).off("disconnect", lost);
      for (const [event, listener] of listeners) messages.removeListener(event, listener);
      window.clearTimeout(this.#timer);
      if (socket.connected) void service("session-streams").remove(this.session).catch(() => {});
    };
  }

  #start({ message_id: id, task_id: task }: Delta, kind: Growing["kind"]) {
    this.#all.set(id, { id, kind, task, text: "", ended: false, hasGap: false });
    this.#changed();
  }

  #grow({ message_id: id, chunk = "" }: Delta, kind: Growing["kind"]) {
    const known = this.#all.get(id) ?? { id, kind, text: "", ended: false, hasGap: true };
    this.#all.set(id, { ...known, text: known.text + chunk });
    this.#changed();
  }

  #end({ message_id: id }: Delta) {
    const known = this.#all.get(id);
    if (known) this.#all.set(id, { ...known, ended: true });
    this.#changed();
  }

  /** A message is there: it tells its words as a whole, and all that was thought or taken back before it. */
  #said({ message_id, role }: Delta & { role: string }) {
    for (const one of this.#all.values()) {
      // What has been shown as its message by now is forgotten.
      if (one.becomes) this.#all.delete(one.id);
      else if (one.id === message_id || (role === "assistant" && one.ended)) this.#all.set(one.id, { ...one, becomes: message_id });
    }
    this.#changed();
  }

  #miss() {
    for (const one of this.#all.values()) if (!one.ended) this.#all.set(one.id, { ...one, hasGap: true });
    this.#changed();
  }

  #changed() {
    this.#timer ??= window.setTimeout(() => {
      this.#timer = undefined;
      this.show([...this.#all.values()]);
    }, SHOW);
  }
}

/** What grows in a session now, in order. */
export function useGrowing(session: string): readonly Growing[] {
  const [growing, show] = useState<readonly Growing[]>([]);
  useEffect(() => new Growth(session, show).listen(), [session]);
  return growing;
}
