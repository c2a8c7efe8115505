// Parts of what somebody said: text, thoughts, tools with what they gave.

import { Badge, Loader, Text } from "@mantine/core";
import type { Block } from "../../lib/types.ts";
import { Fold } from "../../parts/fold.tsx";
import { Markdown, Plain } from "../../parts/markdown.tsx";
import type { Result } from "./items.ts";

export function Thought({ id, text, grows = false }: { id: string; text: string; grows?: boolean }) {
  const summary = (
    <>
      <Text span size="sm" fw={500} className="shrinkless">
        {grows ? "Thinking…" : "Thought"}
      </Text>
      <Text span size="sm" c="dimmed" className="cut">
        {grows ? text.slice(-120) : text.slice(0, 160)}
      </Text>
    </>
  );
  return (
    <Fold id={`${id}-thought`} summary={summary}>
      <Text size="sm" component="div">
        <Plain text={text} />
      </Text>
    </Fold>
  );
}

/** Shows a part of a message. */
export function Part({ id, block, results, isOver }: { id: string; block: Block; results: ReadonlyMap<string, Result>; isOver: boolean }) {
  switch (block.type) {
    case "text":
      return <Markdown text={String(block.text ?? "")} />;
    case "thinking":
      return <Thought id={id} text={String(block.thinking ?? block.text ?? "")} />;
    case "tool_use":
      return <Tool id={id} block={block} result={results.get(block.id ?? "")} isOver={isOver} />;
    case "tool_result":
      return (
        <Fold id={id} summary={<Text span size="sm">{block.is_error ? "A tool failed" : "A tool's result"}</Text>}>
          <Given content={block.content} />
        </Fold>
      );
    default:
      return (
        <Fold id={id} summary={<Text span size="sm">{block.type}</Text>}>
          <Json value={block} />
        </Fold>
      );
  }
}

/** A tool that is used, and what it gave. */
function Tool({ id, block, result, isOver }: { id: string; block: Block; result: Result | undefined; isOver: boolean }) {
  const summary = (
    <>
      <Badge size="sm" variant="default" tt="none" className="mono shrinkless">
        {String(block.name ?? "tool")}
      </Badge>
      <Text span size="sm" c="dimmed" className="cut">
        {brief(block.input)}
      </Text>
      <Text span size="xs" ml="auto" className="shrinkless" c={result?.isError ? "var(--mantine-color-error)" : "dimmed"}>
        {result ? (result.isError ? "failed" : "done") : isOver ? "no result" : <Loader size={12} aria-label="The tool runs" />}
      </Text>
    </>
  );
  return (
    <Fold id={id} summary={summary}>
      <Text size="xs" c="dimmed">
        Asked
      </Text>
      <Json value={block.input} />
      {result && (
        <>
          <Text size="xs" c="dimmed" mt="xs">
            {result.isError ? "Failed with" : "Gave"}
          </Text>
          <Given content={result.content} />
        </>
      )}
    </Fold>
  );
}

/** What a tool gave: a text, blocks, or anything. */
function Given({ content }: { content: unknown }) {
  return <Plain mono text={given(content)} />;
}

function given(content: unknown): string {
  if (typeof content === "string") return content || "(nothing)";
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2) ?? "(nothing)";
  return content
    .map((block) => {
      if (typeof block?.text === "string") return block.text;
      return block?.type === "image" ? "(an image)" : JSON.stringify(block, null, 2);
    })
    .join("\n");
}

export const Json = ({ value }: { value: unknown }) => <Plain mono text={JSON.stringify(value, null, 2) ?? "(nothing)"} />;

/** The gist of a tool's input, in a line. */
export function brief(input: unknown): string {
  if (input === undefined || input === null) return "";
  if (typeof input !== "object") return String(input);
  const values = Object.values(input);
  const text = values.length === 1 && typeof values[0] === "string" ? values[0] : JSON.stringify(input);
  return text.slice(0, 200);
}
