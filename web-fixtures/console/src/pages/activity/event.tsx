// One event, as the log has it.

import { Anchor, CloseButton, Code, Drawer, Group, ScrollArea, Stack, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useMemo } from "react";
import { time } from "../../lib/format.ts";
import { place } from "../../lib/stamps.ts";
import type { LogEvent } from "../../lib/types.ts";
import { Copy } from "../../parts/copy.tsx";
import styles from "./event.module.css";

interface Props {
  event: LogEvent | undefined;
  close: () => void;
}

/** Beside the list where there is room, else over it. */
export function EventPanel({ event, close }: Props) {
  const isNarrow = useMediaQuery("(max-width: 62em)", false, { getInitialValueInEffect: false });
  if (isNarrow) {
    return (
      <Drawer opened={event !== undefined} onClose={close} position="right" size="md" title={event && `Event ${place(event.seq)}`} closeButtonProps={{ "aria-label": "Close the event" }}>
        {event && <Inside event={event} />}
      </Drawer>
    );
  }
  if (!event) return null;
  return (
    <aside className={styles.panel} aria-label="The event" onKeyDown={({ key }) => key === "Escape" && close()}>
      <Group justify="space-between" wrap="nowrap">
        <Title order={3} size="h5">
          Event {place(event.seq)}
        </Title>
        <CloseButton onClick={close} aria-label="Close the event" />
      </Group>
      <Inside event={event} />
    </aside>
  );
}

function Inside({ event }: { event: LogEvent }) {
  const json = useMemo(() => JSON.stringify(event, null, 2), [event]);
  return (
    <Stack gap="xs" className={styles.inside ?? ""}>
      <Text size="sm">
        <b>
          {event.source} {event.name}
        </b>{" "}
        at {time(event.at)}
      </Text>
      <Group gap="xs">
        <Copy text={json} what="the JSON" />
        <Copy text={window.location.href} what="a link to it" />
      </Group>
      <About topics={event.topics} />
      <ScrollArea className={styles.json ?? ""} type="auto" viewportProps={{ tabIndex: 0, "aria-label": "The event's JSON", role: "region" }}>
        <Code block className={styles.code ?? ""} data-json>
          {json}
        </Code>
      </ScrollArea>
    </Stack>
  );
}

const PLACES: Record<string, string> = { session: "sessions", board: "boards" };

/** Where what it is about can be seen. */
function About({ topics }: { topics: string[] }) {
  const links = topics.flatMap((topic) => {
    const [kind = "", id = ""] = topic.split(/:(.*)/s);
    const page = PLACES[kind];
    return page ? [{ topic, kind, href: `#/${page}/${encodeURIComponent(id)}` }] : [];
  });
  if (links.length === 0) return null;
  return (
    <Group gap="sm">
      {links.map(({ topic, kind, href }) => (
        <Anchor key={topic} href={href} size="sm" title={topic}>
          Go to the {kind}
        </Anchor>
      ))}
    </Group>
  );
}
