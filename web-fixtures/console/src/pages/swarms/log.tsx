// What happens in a swarm, live: the newest at the end.

import { Group, SegmentedControl, Select, Text, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import { useStore } from "zustand";
import type { StoreApi } from "zustand/vanilla";
import { count, time } from "../../lib/format.ts";
import { Rows } from "../../parts/rows.tsx";
import { Empty } from "../../parts/states.tsx";
import classes from "./swarm.module.css";
import { SHOWN, type Entry } from "./types.ts";
import type { Seen } from "./watch.ts";

const LEVELS = ["debug", "info", "warning", "error"];

export function Log({ store }: { store: StoreApi<Seen> }) {
  const log = useStore(store, ({ log }) => log);
  const agents = useStore(store, ({ agents }) => agents);
  const [level, setLevel] = useState("debug");
  const [agent, setAgent] = useState<string | null>(null);
  const [text, setText] = useState("");
  const shown = useMemo(() => {
    const least = LEVELS.indexOf(level);
    const wanted = text.trim().toLowerCase();
    const fits = (entry: Entry) =>
      LEVELS.indexOf(entry.level) >= least &&
      (agent === null || entry.agent === agent) &&
      (wanted === "" || entry.message.toLowerCase().includes(wanted) || entry.event_type.includes(wanted));
    return log.filter(fits);
  }, [log, level, agent, text]);
  return (
    <>
      <Group gap="xs" mb="xs">
        <SegmentedControl size="xs" aria-label="Level" value={level} onChange={setLevel} data={[{ label: "all", value: "debug" }, "info", "warning", "error"]} />
        <Select size="xs" w={160} aria-label="Agent" placeholder="every agent" clearable searchable limit={SHOWN} value={agent} onChange={setAgent} data={agents.map(({ name }) => name)} />
        <TextInput size="xs" w={160} aria-label="Text" placeholder="with this text" value={text} onChange={(event) => setText(event.currentTarget.value)} />
        <Text size="xs" ml="auto">
          {count(shown.length)} of {count(log.length)}
        </Text>
      </Group>
      {shown.length === 0 ? (
        <Empty title={log.length === 0 ? "Nothing happened yet" : "Nothing fits"}>
          {log.length === 0 ? "Give an agent a task: what it does is told here." : "Ask for less."}
        </Empty>
      ) : (
        <Rows items={shown} keyOf={({ id }) => id} label="Events" role="log" estimate={26} follows className={classes.log}>
          {(entry) => (
            <div className={classes.entry} data-level={entry.level} data-event={entry.event_type}>
              <span className={classes.at}>{time(entry.timestamp)}</span>
              <span className={classes.level}>{entry.level}</span>
              <span className={classes.who}>{entry.agent ?? ""}</span>
              <span className={classes.said}>{entry.message}</span>
            </div>
          )}
        </Rows>
      )}
    </>
  );
}
