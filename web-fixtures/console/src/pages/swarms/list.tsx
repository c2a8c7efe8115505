// All swarms, with their states.

import { Alert, Badge, Button, Group, Paper, Stack, Text, TextInput, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { calmly } from "../../lib/calmly.ts";
import { onReset, service, socket, useConnection } from "../../lib/daemon.ts";
import { count, time } from "../../lib/format.ts";
import { useLogin } from "../../lib/logins.ts";
import { Dot } from "../../parts/dot.tsx";
import { Rows } from "../../parts/rows.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import classes from "./list.module.css";
import { Make } from "./make.tsx";
import type { Status, Summary } from "./types.ts";

/** Milliseconds between readings while something happens, and while nothing is told. */
const [PAUSE, QUIET] = [500, 5_000];

/** Swarms of which agents' states are counted. */
const COUNTED = 40;

type Shown = Summary & Partial<Pick<Status, "agent_counts">>;

/** The swarms, as they are now; running ones first. */
function useSwarms() {
  const [seen, setSeen] = useState<{ swarms?: Shown[]; error?: Error }>({});
  const [reading] = useState(() =>
    calmly(async () => {
      try {
        const found: Summary[] = await service("swarms").find();
        const rank = ({ status }: Summary) => (status === "stopped" ? 1 : 0);
        found.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
        const counted = found.slice(0, COUNTED).map((swarm) => service("swarms").get(swarm.name).catch(() => undefined));
        const counts: (Status | undefined)[] = await Promise.all(counted);
        setSeen({ swarms: found.map((swarm, at) => ({ ...swarm, ...(counts[at] && { agent_counts: counts[at].agent_counts }) })) });
      } catch (error) {
        setSeen(({ swarms }) => ({ ...(swarms && { swarms }), error: error as Error }));
      }
    }, PAUSE),
  );
  useEffect(() => {
    const heard = (event: string) => {
      if (event.startsWith("swarms ") || event.startsWith("swarm_logs ")) reading.ask();
    };
    const now = () => reading.ask();
    // Of pauses nothing is told.
    const timer = window.setInterval(() => document.visibilityState === "visible" && socket.connected && now(), QUIET);
    const off = onReset(async () => now());
    socket.onAny(heard).on("connect", now);
    now();
    return () => {
      window.clearInterval(timer);
      off();
      socket.offAny(heard).off("connect", now);
    };
  }, [reading]);
  return { ...seen, reload: reading.ask };
}

export function SwarmList() {
  const { swarms, error, reload } = useSwarms();
  const [makes, setMakes] = useState(false);
  const [text, setText] = useState("");
  const may = useLogin(({ user }) => user?.role !== "viewer");
  const isLive = useConnection(({ state }) => state === "live");
  const wanted = text.trim().toLowerCase();
  const shown = swarms?.filter(({ name, status }) => `${name} ${status}`.toLowerCase().includes(wanted));
  const button = may && <Button onClick={() => setMakes(true)}>New swarm</Button>;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={2} size="h3">
          Swarms
        </Title>
        <Group gap="xs">
          {swarms && swarms.length > 8 && <TextInput aria-label="Look for swarms" placeholder="name or state" value={text} onChange={(event) => setText(event.currentTarget.value)} />}
          {button}
        </Group>
      </Group>
      {error && swarms && isLive && (
        <Alert color="red" role="alert">
          {error.message}
        </Alert>
      )}
      {!swarms ? (
        error ? (
          <Failed what="Swarms" error={error} retry={reload} />
        ) : (
          <Loading />
        )
      ) : swarms.length === 0 ? (
        <Empty title="No swarms yet">A swarm is agents that are given tasks and pass messages to each other. {may && "Make one: a ring of echoes is a good first."}</Empty>
      ) : shown!.length === 0 ? (
        <Empty title="None fits">No swarm is called so, or is in that state.</Empty>
      ) : (
        <Paper withBorder>
          <Rows items={shown!} keyOf={({ name }) => name} label="Swarms" estimate={58} className={classes.list}>
            {(swarm) => <One swarm={swarm} />}
          </Rows>
        </Paper>
      )}
      <Make opened={makes} close={() => setMakes(false)} />
    </Stack>
  );
}

function One({ swarm }: { swarm: Shown }) {
  const counts = Object.entries(swarm.agent_counts ?? {});
  return (
    <a href={`#/swarms/${encodeURIComponent(swarm.name)}`} className={classes.swarm} data-swarm={swarm.name}>
      <span className={classes.name}>
        <Text span fw={600} className="cut">
          {swarm.name}
        </Text>
        {swarm.board_id && (
          <Badge size="xs" variant="default">
            on a board
          </Badge>
        )}
      </span>
      <Dot state={swarm.status} />
      <span className={classes.counts}>
        <Text span size="sm">
          {count(swarm.agent_count)} {swarm.agent_count === 1 ? "agent" : "agents"}
        </Text>
        {counts.map(([state, number]) => (
          <Text span size="xs" key={state}>
            {count(number)} {state}
          </Text>
        ))}
      </span>
      <Text span size="xs" className={classes.wide}>
        {swarm.started_at && time(swarm.started_at)}
      </Text>
    </a>
  );
}
