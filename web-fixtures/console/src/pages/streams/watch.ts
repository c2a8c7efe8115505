// What a task streams: first what was, then what comes, each chunk once. A connection that is lost is gone on with
// behind the last chunk.

import { createStore, type StoreApi } from "zustand/vanilla";
import { join } from "../../lib/namespaces.ts";
import type { Chunk } from "./types.ts";

/** What stands in the conversation: text that was said together, or a place where something was made. */
export type Block = { key: number; text: string; artifact?: undefined } | { key: number; artifact: Chunk; text?: undefined };

export interface Seen {
  state: "loading" | "ready" | "failed" | "gone" | "forbidden";
  error?: Error;
  /** In order. The last is another object whenever it grew. */
  blocks: readonly Block[];
  artifacts: readonly Chunk[];
  chunks: number;
  /** Characters of all chunks. */
  size: number;
  /** The number of the last chunk that there was when it was joined: what is behind it came live. */
  known: number;
  /** How it ended, if it did. */
  end: { result: unknown } | { error: unknown } | undefined;
}

const first: Seen = { state: "loading", blocks: [], artifacts: [], chunks: 0, size: 0, known: 0, end: undefined };

/** Milliseconds for which chunks are gathered before they are shown. */
const GATHER = 40;

/** Characters from which a text goes on in another block, at the next line; and at the latest. */
const [LONG, LONGEST] = [1_500, 6_000];

const WORDS: Record<string, Seen["state"]> = { not_found: "gone", unauthorized: "forbidden" };

export class Stream {
  readonly store: StoreApi<Seen> = createStore(() => first);
  #last = 0;
  #told: Chunk[] = [];
  #end: Seen["end"];
  #timer: number | undefined;
  #door;

  constructor(readonly task: string) {
    this.#door = join(`/task_stream/${task}`, {
      auth: () => ({ last_seq: this.#last }),
      hears: (event, payload) => this.#heard(event, payload),
      refused: (reason) => {
        const state = WORDS[reason] ?? "failed";
        this.store.setState({ state, ...(state === "failed" && { error: new Error(reason) }) });
      },
    });
  }

  /** Tries again to be let in. */
  reload = () => this.#door.again();

  leave() {
    this.#door.leave();
    window.clearTimeout(this.#timer);
  }

  #heard(event: string, payload: any) {
    if (event === "joined") {
      const { state } = this.store.getState();
      this.store.setState({ known: state === "ready" ? this.store.getState().known : payload.seq, state: "ready" });
      return;
    }
    if (event === "stream.chunk") {
      if (payload.seq <= this.#last) return;
      this.#last = payload.seq;
      this.#told.push(payload);
    } else if (event === "stream.done") this.#end = { result: payload.result };
    else if (event === "stream.error") this.#end = { error: payload.error };
    this.#timer ??= window.setTimeout(() => this.#show(), GATHER);
  }

  #show() {
    this.#timer = undefined;
    const told = this.#told.splice(0);
    const before = this.store.getState();
    const blocks = [...before.blocks];
    for (const chunk of told) {
      if (chunk.kind === "artifact") blocks.push({ key: chunk.seq, artifact: chunk });
      else say(blocks, chunk);
    }
    const made = told.filter(({ kind }) => kind === "artifact");
    this.store.setState({
      blocks,
      ...(made.length > 0 && { artifacts: [...before.artifacts, ...made] }),
      chunks: before.chunks + told.length,
      size: told.reduce((size, { content }) => size + content.length, before.size),
      end: this.#end,
    });
  }
}

/** Appends what was said; long texts go on in another block, so that only what is in sight is drawn. */
function say(blocks: Block[], { seq, content }: Chunk) {
  const last = blocks.at(-1);
  if (last?.text === undefined) {
    blocks.push({ key: seq, text: content });
    return;
  }
  const ends = (last.text.length > LONG && last.text.endsWith("\n")) || last.text.length > LONGEST;
  if (ends) blocks.push({ key: seq, text: content });
  else blocks[blocks.length - 1] = { key: last.key, text: last.text + content };
}
