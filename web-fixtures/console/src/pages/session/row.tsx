// One thing in a conversation: what somebody said, what is being said, or how a task ended.

import { Alert, Text } from "@mantine/core";
import { memo } from "react";
import { time } from "../../lib/format.ts";
import type { Message } from "../../lib/types.ts";
import { Markdown, Plain } from "../../parts/markdown.tsx";
import { Json, Part, Thought } from "./blocks.tsx";
import { blocksOf, speaker, type Item, type Result } from "./items.ts";
import { Question } from "./question.tsx";
import styles from "./session.module.css";
import type { Growing } from "./streams.ts";

/** Of what is longer only the end is shown while it grows, as plain text: to read all of it each time takes too long. */
const END = 8_000;

export const Row = memo(function Row({ item, results, isOver }: { item: Item; results: ReadonlyMap<string, Result>; isOver: boolean }) {
  switch (item.kind) {
    case "message":
      return <Said message={item.message} isFirst={item.isFirst} results={results} isOver={isOver} />;
    case "growing":
      return <Grows growing={item.growing} isFirst={item.isFirst} />;
    case "end":
      return item.task.status === "failed" ? (
        <Alert color="red" p="xs" title="The task failed">
          <Plain text={item.task.error ?? "It was not said why."} />
        </Alert>
      ) : (
        <Text size="sm" c="dimmed">
          Stopped by hand.
        </Text>
      );
  }
});

function Said({ message, isFirst, results, isOver }: { message: Message; isFirst: boolean; results: ReadonlyMap<string, Result>; isOver: boolean }) {
  if (message.type === "permission_request") return <Question message={message} isOver={isOver} />;
  const blocks = blocksOf(message);
  const isPrompt = message.role === "user" && !blocks.some(({ type }) => type === "tool_result");
  return (
    <div className={isPrompt ? styles.prompt : styles.said}>
      {isFirst && <Who name={speaker(message)} at={message.timestamp} />}
      {blocks.map((block, place) => (
        <Part key={place} id={`${message.message_id}-${place}`} block={block} results={results} isOver={isOver} />
      ))}
      {blocks.length === 0 && <Json value={message.content} />}
    </div>
  );
}

function Grows({ growing, isFirst }: { growing: Growing; isFirst: boolean }) {
  const { id, kind, text, hasGap, ended } = growing;
  return (
    <div className={styles.said} data-growing={kind}>
      {isFirst && <Who name="Agent" />}
      {kind === "thought" ? (
        <Thought id={id} text={text} grows={!ended} />
      ) : text.length > END ? (
        <Plain text={`… ${text.slice(-END)}`} />
      ) : (
        <Markdown text={text} />
      )}
      {!ended && kind === "text" && <span className={styles.caret} aria-hidden />}
      {hasGap && (
        <Text size="xs" c="dimmed">
          Some words are missing here; all of it comes when it is complete.
        </Text>
      )}
    </div>
  );
}

function Who({ name, at }: { name: string; at?: string }) {
  return (
    <Text size="xs" c="dimmed" fw={600} component="div">
      {name}
      {at && (
        <Text span size="xs" fw={400} ml={6}>
          <time dateTime={at}>{time(at)}</time>
        </Text>
      )}
    </Text>
  );
}
