// What of the log is wanted; it stands in the address.

import { Button, Group, MultiSelect, Select, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { ask } from "../../lib/place.ts";
import { useRecords } from "../../lib/records.ts";
import type { Board } from "../../lib/types.ts";
import type { Filters } from "./log.ts";
import styles from "./filters.module.css";

/** Sources that there often are; others are added as they are seen. */
const USUAL = ["boards", "board-members", "messages", "repos", "sessions", "tasks", "users", "api-keys", "swarms", "agents", "workflows", "executions"];

const WORDS = [
  { value: "debug", label: "Every level" },
  { value: "info", label: "Info and worse" },
  { value: "warn", label: "Warnings and errors" },
  { value: "error", label: "Errors only" },
];

/** Changes what is wanted; the event that was open may not fit any more. */
const change = (changes: Record<string, string | undefined>) => ask({ seq: undefined, ...changes }, { replace: true });

export function FilterBar({ filters, text, seen }: { filters: Filters; text: string; seen: ReadonlySet<string> }) {
  const boards = useRecords<Board>("boards", () => ({ service: "boards", id: "board_id", sort: { created_at: 1 } }));
  const named = boards.records.map(({ board_id, name }) => ({ value: board_id, label: name }));
  const { sources, level, board } = filters;
  const known = [...new Set([...USUAL, ...seen, ...sources])].sort();
  const isAny = sources.length > 0 || level || board || text;
  return (
    <div className={styles.filters} role="search" aria-label="Filter events">
      <MultiSelect
        aria-label="Sources"
        placeholder={sources.length === 0 ? "Every source" : ""}
        data={known}
        value={sources}
        onChange={(chosen) => change({ source: chosen.join(",") || undefined })}
        searchable
        hiddenInputProps={{ "aria-hidden": true }}
        maxDropdownHeight={260}
        className={styles.sources ?? ""}
      />
      <Select
        aria-label="Level"
        data={WORDS}
        value={level ?? "debug"}
        allowDeselect={false}
        onChange={(chosen) => change({ level: !chosen || chosen === "debug" ? undefined : chosen })}
      />
      <Select
        aria-label="Board"
        placeholder="Every board"
        data={board && !named.some(({ value }) => value === board) ? [...named, { value: board, label: board }] : named}
        value={board ?? null}
        onChange={(chosen) => change({ board: chosen ?? undefined })}
        searchable
        clearable
        nothingFoundMessage="No such board"
      />
      <Group gap="xs" wrap="nowrap" className={styles.text ?? ""}>
        <Words text={text} />
        <Button variant="default" disabled={!isAny} onClick={() => change({ source: undefined, level: undefined, board: undefined, text: undefined })}>
          Clear
        </Button>
      </Group>
    </div>
  );
}

function Words({ text }: { text: string }) {
  const [written, setWritten] = useState(text);
  useEffect(() => setWritten(text), [text]);
  const look = useDebouncedCallback((words: string) => ask({ text: words || undefined }, { replace: true }), 250);
  return (
    <TextInput
      aria-label="Text in an event"
      placeholder="Text"
      type="search"
      flex={1}
      value={written}
      onChange={({ currentTarget }) => {
        setWritten(currentTarget.value);
        look(currentTarget.value);
      }}
    />
  );
}
