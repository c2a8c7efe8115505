// What an agent was told and said, or its log: the newest at the end.

import { Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { useStore } from "zustand";
import type { StoreApi } from "zustand/vanilla";
import { calmly } from "../../lib/calmly.ts";
import { service } from "../../lib/daemon.ts";
import { time } from "../../lib/format.ts";
import { Rows } from "../../parts/rows.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import classes from "./swarm.module.css";
import type { Seen } from "./watch.ts";

interface Item {
  timestamp: string;
  content: unknown;
  /** In the history. */
  type?: "task" | "incoming" | "outgoing";
  from?: string | null;
  to?: string;
  /** In the logs. */
  role?: string;
}

interface Props {
  swarm: string;
  agent: string;
  of: "history" | "logs";
  store: StoreApi<Seen>;
}

export function Spoken({ swarm, agent, of, store }: Props) {
  const stirs = useStore(store, ({ stirs }) => stirs[agent] ?? 0);
  const [items, setItems] = useState<Item[]>();
  const [error, setError] = useState<Error>();
  const [reading] = useState(() => {
    const read = async () => {
      try {
        const found: Item[] = await service(`swarms/${swarm}/agents/${agent}/${of}`).find({ query: { limit: 200 } });
        setItems(found.reverse());
        setError(undefined);
      } catch (thrown) {
        setError(thrown as Error);
      }
    };
    return calmly(read, 300);
  });
  useEffect(() => reading.ask(), [stirs, reading]);
  if (error && !items) return <Failed what="What it said" error={error} retry={reading.ask} />;
  if (!items) return <Loading />;
  if (items.length === 0) return <Empty title="Nothing yet">It was told nothing. Give it a task.</Empty>;
  return (
    <Rows items={items} keyOf={(_, place) => place} label={of === "history" ? `Messages of ${agent}` : `Logs of ${agent}`} role="log" estimate={52} follows className={classes.spoken}>
      {(item) => (
        <div className={classes.item}>
          <Text size="xs" className="cut">
            <strong>{whose(item)}</strong> {time(item.timestamp)}
          </Text>
          <div className={classes.text}>{typeof item.content === "string" ? item.content : JSON.stringify(item.content)}</div>
        </div>
      )}
    </Rows>
  );
}

function whose({ type, from, to, role }: Item): string {
  if (type === "task") return `task${from ? ` from ${from}` : ""}`;
  if (type === "incoming") return `from ${from}`;
  if (type === "outgoing") return `to ${to}`;
  return role ?? "";
}
