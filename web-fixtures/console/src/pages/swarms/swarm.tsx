// One swarm: its topology, its agents, what happens in it, and what can be done with it.

import { Anchor, Button, Group, Paper, Stack, Tabs, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { count, time } from "../../lib/format.ts";
import { useLogin } from "../../lib/logins.ts";
import { Dot } from "../../parts/dot.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Add } from "./add.tsx";
import { AgentPanel } from "./agent.tsx";
import { Agents } from "./agents.tsx";
import { Graph } from "./graph.tsx";
import { Log } from "./log.tsx";
import { Steer } from "./steer.tsx";
import classes from "./swarm.module.css";
import { Tell } from "./tell.tsx";
import { Watch } from "./watch.ts";

export function SwarmPage({ name }: { name: string }) {
  const [watch, setWatch] = useState<Watch>();
  useEffect(() => {
    const watch = new Watch(name);
    setWatch(watch);
    return () => watch.leave();
  }, [name]);
  return watch?.name === name ? <Shown watch={watch} /> : <Loading />;
}

function Shown({ watch }: { watch: Watch }) {
  const { store, name, reload } = watch;
  const state = useStore(store, ({ state }) => state);
  const error = useStore(store, ({ error }) => error);
  const wasThere = useStore(store, ({ wasThere }) => wasThere);
  const all = <Anchor underline="always" c="inherit" href="#/swarms">All swarms</Anchor>;
  if (state === "gone") {
    return (
      <Empty title={wasThere ? `${name} is gone` : `There is no swarm ${name}`}>
        {wasThere ? "Somebody removed it while you looked at it, or you may not see it any more." : "It was removed, or is on a board that you do not see."} {all}
      </Empty>
    );
  }
  if (state === "forbidden") return <Empty title="Not for you">You may not watch swarms. {all}</Empty>;
  if (state === "failed") return <Failed what={name} error={error} retry={reload} />;
  if (state === "loading") return <Loading />;
  return <Ready watch={watch} />;
}

function Ready({ watch }: { watch: Watch }) {
  const { store, name, reload } = watch;
  const status = useStore(store, ({ status }) => status)!;
  const agents = useStore(store, ({ agents }) => agents);
  const edges = useStore(store, ({ edges }) => edges.length);
  const [chosen, choose] = useState<string>();
  const [adds, setAdds] = useState(false);
  const may = useLogin(({ user }) => user?.role !== "viewer");
  const agent = agents.find((one) => one.name === chosen);
  return (
    <Stack gap="md">
      <Group gap="sm" justify="space-between">
        <Group gap="sm" wrap="nowrap" miw={0}>
          <Anchor href="#/swarms" size="sm">
            Swarms
          </Anchor>
          <Title order={2} size="h3" className="cut">
            {name}
          </Title>
          <Dot state={status.status} />
        </Group>
        {may && <Steer name={name} status={status.status} reload={reload} />}
      </Group>
      <Text size="sm">
        {count(agents.length)} agents, {count(edges)} edges
        {status.started_at && `, started ${time(status.started_at)}`}
        {status.board_id && (
          <>
            , on <Anchor underline="always" href={`#/boards/${status.board_id}`}>its board</Anchor>
          </>
        )}
      </Text>
      <div className={classes.grid}>
        <Paper withBorder className={classes.graph}>
          <Graph store={store} chosen={chosen} choose={choose} />
        </Paper>
        <Paper withBorder p="sm">
          {agent ? (
            <AgentPanel swarm={name} agent={agent} store={store} may={may} reload={reload} close={() => choose(undefined)} />
          ) : (
            <Stack gap="sm">
              <Title order={3} size="h4">
                Say something
              </Title>
              {may && agents.length > 0 ? <Tell swarm={name} agents={agents.map((one) => one.name)} /> : <Text size="sm">You may watch.</Text>}
              <Text size="sm">Choose an agent to see what it was told and said.</Text>
            </Stack>
          )}
        </Paper>
      </div>
      <Tabs defaultValue="agents" keepMounted={false}>
        <Group mb="xs" gap="xs" wrap="nowrap">
          <Tabs.List flex={1}>
            <Tabs.Tab value="agents">Agents</Tabs.Tab>
            <Tabs.Tab value="log">Events</Tabs.Tab>
          </Tabs.List>
          {may && (
            <Button size="xs" variant="default" onClick={() => setAdds(true)}>
              Add an agent
            </Button>
          )}
        </Group>
        <Tabs.Panel value="agents">
          <Agents agents={agents} chosen={chosen} choose={choose} />
        </Tabs.Panel>
        <Tabs.Panel value="log">
          <Log store={store} />
        </Tabs.Panel>
      </Tabs>
      <Add swarm={name} agents={agents.map((one) => one.name)} opened={adds} close={() => setAdds(false)} done={reload} />
    </Stack>
  );
}
