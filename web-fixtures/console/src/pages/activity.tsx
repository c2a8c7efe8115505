// The log, live: everything that happens, as it happens.

import { Alert, Badge, Button, Group, Loader, Text, TextInput, Title } from "@mantine/core";
import { useEffect, useMemo, useRef, useState, type FormEvent } from "react";
import { useStore } from "zustand";
import { count, time } from "../lib/format.ts";
import { ask, useAsked } from "../lib/place.ts";
import { stamp } from "../lib/stamps.ts";
import type { LogEvent } from "../lib/types.ts";
import { Empty, Failed, Loading } from "../parts/states.tsx";
import styles from "./activity.module.css";
import { Charts } from "./activity/charts.tsx";
import { EventPanel } from "./activity/event.tsx";
import { FilterBar } from "./activity/filters.tsx";
import { EventList } from "./activity/list.tsx";
import { LEVELS, Log, type Filters, type Shown } from "./activity/log.ts";

/** Pages that are looked through by themselves for a text that is rare. */
const LOOK_THROUGH = 5;

export default function Activity() {
  const asked = useAsked();
  const [log] = useState(() => new Log());
  const shown = useStore(log.shown);
  const text = (asked.get("text") ?? "").trim();
  const [source, level, board] = ["source", "level", "board"].map((name) => asked.get(name) ?? "");
  const filters = useMemo<Filters>(
    () => ({
      sources: source ? source.split(",") : [],
      level: LEVELS.find((one) => one === level),
      board: board || undefined,
    }),
    [source, level, board],
  );
  const written = asked.get("seq");
  const opened = written ? stamp(written, shown.newest) : undefined;

  // Another window on the log: where others are wanted, or an event that is not in this one.
  const wanted = useRef<Filters>(undefined);
  useEffect(() => {
    const { events } = log.shown.getState();
    const isHere = wanted.current === filters && (!opened || events.some(({ seq }) => seq === opened));
    if (isHere) return;
    wanted.current = filters;
    void log.open(filters, opened);
  }, [log, filters, opened]);
  useEffect(() => () => log.close(), [log]);

  const sources = useRef(new Set<string>());
  for (const { source } of shown.events.slice(-200)) sources.current.add(source);
  const events = useMemo(() => fitting(shown.events, text), [shown.events, text]);
  const event = opened ? shown.events.find(({ seq }) => seq === opened) : undefined;
  return (
    <div className={styles.page}>
      <Head log={log} shown={shown} />
      <Charts />
      <FilterBar filters={filters} text={text} seen={sources.current} />
      {shown.notice && (
        <Alert color="yellow" p="xs" withCloseButton closeButtonLabel="Close" onClose={() => log.set({ notice: undefined })} role="status">
          {shown.notice}
        </Alert>
      )}
      <div className={styles.main}>
        <Main log={log} shown={shown} events={events} text={text} opened={opened} retry={() => log.open(filters, opened)} />
        <EventPanel event={event} close={() => ask({ seq: undefined }, { replace: true })} />
      </div>
    </div>
  );
}

interface MainProps {
  log: Log;
  shown: Shown;
  events: readonly LogEvent[];
  text: string;
  opened: string | undefined;
  retry: () => unknown;
}

function Main({ log, shown, events, text, opened, retry }: MainProps) {
  const { state, error, older, reading, mode } = shown;
  const [looked, setLooked] = useState(0);
  useEffect(() => setLooked(0), [text]);
  // Where few fit the text, older ones are looked through.
  const looksOn = text !== "" && events.length < 30 && older && looked < LOOK_THROUGH;
  useEffect(() => {
    if (!looksOn || reading || state !== "ready") return;
    setLooked((pages) => pages + 1);
    void log.readOlder();
  }, [log, looksOn, reading, state]);
  if (state === "failed") return <Failed what="The log" error={error} retry={retry} />;
  if (state === "loading") return <Loading />;
  const oldest = shown.events[0];
  const further = text !== "" && events.length < 30 && older && !looksOn && (
    <Button size="compact-sm" variant="default" loading={reading === "older"} onClick={() => setLooked(0)}>
      Look further back than {oldest && time(oldest.at)}
    </Button>
  );
  if (events.length === 0) {
    return (
      <div className={styles.empty}>
        <Empty title={looksOn ? "Looking…" : "No such event"}>
          {looksOn ? "Older events are looked through." : "Nothing that fits happened yet. What happens is shown here at once."}
          <div>{further}</div>
        </Empty>
      </div>
    );
  }
  return (
    <div className={styles.list}>
      <div className={styles.above}>
        {further || (reading === "older" && <Loader size="xs" role="status" aria-label="Older events are read" />) || (
          <Text size="xs" span>
            {older ? "Scroll up for older events" : "The log, or what is kept of it, begins here"}
          </Text>
        )}
      </div>
      <EventList
        events={events}
        mode={mode}
        opened={opened}
        open={(seq) => ask({ seq }, { replace: true })}
        older={older && text === ""}
        readOlder={() => void log.readOlder()}
        readNewer={() => text === "" && void log.readNewer()}
      />
      {text !== "" && mode === "elsewhere" && (
        <div className={styles.above}>
          <Button size="compact-sm" variant="default" loading={reading === "newer"} onClick={() => void log.readNewer()}>
            Look further on
          </Button>
        </div>
      )}
    </div>
  );
}

/** How it stands, and the ways to stop it and to go elsewhere. */
function Head({ log, shown }: { log: Log; shown: Shown }) {
  const { mode, waiting, connected, events, newest, state } = shown;
  const [wrong, setWrong] = useState(false);
  const jump = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const seq = stamp(String(new FormData(event.currentTarget).get("seq")), newest);
    setWrong(!seq);
    if (seq) ask({ seq });
  };
  const goOn = () => {
    if (mode === "elsewhere") ask({ seq: undefined }, { replace: true });
    void log.goOn();
  };
  const words = { live: "Live", paused: `Paused: ${count(waiting)} came`, elsewhere: waiting > 0 ? `Further back: ${count(waiting)} came` : "Further back" };
  const colour = !connected ? "gray" : mode === "live" ? "teal" : "yellow";
  return (
    <Group gap="xs" justify="space-between">
      <Group gap="xs">
        <Title order={2}>Activity</Title>
        <Badge color={colour} variant="filled" autoContrast data-log={state === "ready" ? mode : state} data-connected={connected} tt="none">
          {connected ? words[mode] : "Waiting for the daemon"}
        </Badge>
        <Text size="sm" span data-count={events.length}>
          {count(events.length)} events here
        </Text>
      </Group>
      <Group gap="xs">
        <form onSubmit={jump}>
          <Group gap={4} wrap="nowrap">
            <TextInput name="seq" aria-label="Stamp to go to" placeholder="seq" w={84} size="xs" error={wrong && "No stamp"} />
            <Button type="submit" size="xs" variant="default">
              Go there
            </Button>
          </Group>
        </form>
        <Button size="xs" w={120} onClick={mode === "live" ? () => log.pause() : goOn} disabled={state !== "ready"}>
          {mode === "live" ? "Pause" : mode === "paused" ? "Go on" : "To newest"}
        </Button>
      </Group>
    </Group>
  );
}

const texts = new WeakMap<LogEvent, string>();

/** The events that hold a text somewhere, whatever its case. */
function fitting(events: readonly LogEvent[], text: string): readonly LogEvent[] {
  if (text === "") return events;
  const wanted = text.toLowerCase();
  return events.filter((event) => {
    let whole = texts.get(event);
    if (whole === undefined) texts.set(event, (whole = JSON.stringify(event).toLowerCase()));
    return whole.includes(wanted);
  });
}
