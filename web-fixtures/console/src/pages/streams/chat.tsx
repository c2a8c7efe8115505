// What is said, as it comes; what is made beside it is only pointed at.

import { Alert, Button, Text } from "@mantine/core";
import { useStore } from "zustand";
import { count } from "../../lib/format.ts";
import { Rows } from "../../parts/rows.tsx";
import { Empty } from "../../parts/states.tsx";
import classes from "./streams.module.css";
import type { Stream } from "./watch.ts";

export function Chat({ store, show }: { store: Stream["store"]; show: (seq: number) => void }) {
  const blocks = useStore(store, ({ blocks }) => blocks);
  const end = useStore(store, ({ end }) => end);
  const known = useStore(store, ({ known }) => known);
  const last = blocks.length - 1;
  return (
    <>
      {blocks.length === 0 ? (
        <div className={classes.chat}>
          <Empty title={end ? "Nothing was streamed" : known > 0 ? "It comes" : "Nothing yet"}>{!end && "What its agent says stands here as it says it."}</Empty>
        </div>
      ) : (
        <Rows items={blocks} keyOf={({ key }) => key} label="Conversation" role="log" estimate={60} follows className={classes.chat}>
          {(block, at) =>
            block.artifact ? (
              <div className={classes.made}>
                <Button size="compact-xs" variant="default" onClick={() => show(block.artifact.seq)}>
                  Artifact {block.artifact.seq}
                </Button>
                <Text span size="xs" className="cut">
                  {count(block.artifact.content.length)} characters: {block.artifact.content.slice(0, 200)}
                </Text>
              </div>
            ) : (
              <div className={classes.said} data-said>
                {block.text}
                {at === last && !end && <span className={classes.caret} aria-hidden />}
              </div>
            )
          }
        </Rows>
      )}
      <div className={classes.end} role="status">
        {end && "error" in end && (
          <Alert color="red" py="xs" title="It ended with an error">
            {typeof end.error === "string" ? end.error : JSON.stringify(end.error)}
          </Alert>
        )}
        {end && "result" in end && <Text size="sm">It is done.</Text>}
      </div>
    </>
  );
}
