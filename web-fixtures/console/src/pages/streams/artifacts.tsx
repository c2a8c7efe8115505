// What was made, each thing for itself.

import { Text } from "@mantine/core";
import { count, time } from "../../lib/format.ts";
import { Rows } from "../../parts/rows.tsx";
import { Empty } from "../../parts/states.tsx";
import classes from "./streams.module.css";
import type { Chunk } from "./types.ts";

export function Artifacts({ artifacts, shows, isOver }: { artifacts: readonly Chunk[]; shows: { at: number } | undefined; isOver: boolean }) {
  if (artifacts.length === 0) {
    return <Empty title={isOver ? "Nothing was made" : "Nothing yet"}>Files, tool results and the like stand here.</Empty>;
  }
  return (
    <Rows items={artifacts} keyOf={({ seq }) => seq} label="Artifacts" estimate={160} shows={shows} className={classes.artifacts}>
      {({ seq, content, timestamp, metadata }) => (
        <section className={classes.artifact} aria-label={`Artifact ${seq}`}>
          <Text size="xs">
            <strong>Artifact {seq}</strong>, {count(content.length)} characters, {time(timestamp)}
            {Object.keys(metadata ?? {}).length > 0 && ` ${JSON.stringify(metadata)}`}
          </Text>
          <pre className={classes.content} tabIndex={0} aria-label={`Content of artifact ${seq}`}>
            {content}
          </pre>
        </section>
      )}
    </Rows>
  );
}
