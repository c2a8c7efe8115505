// One agent: what it was told and said, how it is set, and what can be done with it.

import { ActionIcon, Anchor, Button, Code, Group, MultiSelect, NumberInput, Stack, Tabs, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useStore } from "zustand";
import type { StoreApi } from "zustand/vanilla";
import { service } from "../../lib/daemon.ts";
import { count, time } from "../../lib/format.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Dot } from "../../parts/dot.tsx";
import { Spoken } from "./spoken.tsx";
import { Tell } from "./tell.tsx";
import { SHOWN, type Agent } from "./types.ts";
import type { Seen } from "./watch.ts";

interface Props {
  swarm: string;
  agent: Agent;
  store: StoreApi<Seen>;
  may: boolean;
  reload: () => void;
  close: () => void;
}

export function AgentPanel({ swarm, agent, store, may, reload, close }: Props) {
  const { name } = agent;
  const agents = useStore(store, ({ agents }) => agents).map((one) => one.name);
  return (
    <Stack gap="sm" component="section" aria-label={`Agent ${name}`}>
      <Group gap="xs" wrap="nowrap">
        <Title order={3} size="h4" className="cut">
          {name}
        </Title>
        <Dot state={agent.state} />
        <ActionIcon ml="auto" variant="subtle" color="gray" onClick={close} aria-label="Close the agent">
          ✕
        </ActionIcon>
      </Group>
      <Text size="sm">
        {agent.backend}, {count(agent.inbox_size)} waiting, {count(agent.message_count)} messages
        {agent.last_activity && `, last at ${time(agent.last_activity)}`}
      </Text>
      {may && <Tell key={name} swarm={swarm} agents={agents} to={name} />}
      <Tabs defaultValue="told" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="told">Messages</Tabs.Tab>
          <Tabs.Tab value="logs">Logs</Tabs.Tab>
          <Tabs.Tab value="set">Settings</Tabs.Tab>
          {may && <Tabs.Tab value="change">Change</Tabs.Tab>}
        </Tabs.List>
        <Tabs.Panel value="told" pt="xs">
          <Spoken key={name} swarm={swarm} agent={name} of="history" store={store} />
        </Tabs.Panel>
        <Tabs.Panel value="logs" pt="xs">
          <Spoken key={name} swarm={swarm} agent={name} of="logs" store={store} />
        </Tabs.Panel>
        <Tabs.Panel value="set" pt="xs">
          <Settings agent={agent} />
        </Tabs.Panel>
        <Tabs.Panel value="change" pt="xs">
          <Change key={name} swarm={swarm} agent={agent} store={store} reload={reload} close={close} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function Settings({ agent }: { agent: Agent }) {
  const { model, endpoint, presets, skills, config, group, process_id } = agent;
  const said = { model, endpoint, copy_of: group, process: process_id, presets, skills, config };
  const facts = Object.entries(said).filter(([, value]) => value !== null && !(typeof value === "object" && Object.keys(value).length === 0));
  return (
    <Stack gap={4}>
      <Anchor size="sm" href={`#/sessions/${agent.session_id}`}>
        Its session
      </Anchor>
      {facts.length === 0 && <Text size="sm">Nothing else is set.</Text>}
      {facts.map(([name, value]) => (
        <div key={name}>
          <Text size="xs" fw={600}>
            {name.replaceAll("_", " ")}
          </Text>
          <Code block tabIndex={0}>
            {typeof value === "object" ? JSON.stringify(value, null, 2) : String(value)}
          </Code>
        </div>
      ))}
    </Stack>
  );
}

function Change({ swarm, agent, store, reload, close }: Omit<Props, "may">) {
  const { name } = agent;
  const agents = useStore(store, ({ agents }) => agents);
  const edges = useStore(store, ({ edges }) => edges);
  const [copies, setCopies] = useState<string | number>(() => 1 + agents.filter(({ group }) => group === name).length);
  const [removes, setRemoves] = useState(false);
  const [told, setTold] = useState<{ text: string; bad?: boolean }>();
  const targets = edges.filter(([from]) => from === name).map(([, to]) => to);
  const run = async (work: () => Promise<string>) => {
    setTold(undefined);
    try {
      setTold({ text: await work() });
    } catch (error) {
      setTold({ text: (error as Error).message, bad: true });
    }
    reload();
  };
  const restart = async () => {
    await service(`swarms/${swarm}/agents/${name}/restart`).create({});
    return "It starts anew.";
  };
  const scale = async () => {
    const { result } = await service(`swarms/${swarm}/agents/${name}/scale`).create({ count: Number(copies) });
    const parts = [
      ...(result.added.length ? [`Added ${result.added.join(", ")}.`] : []),
      ...(result.removed.length ? [`Removed ${result.removed.join(", ")}.`] : []),
      ...result.failed.map((one: { name: string; reason: string }) => `${one.name}: ${one.reason}.`),
    ];
    return parts.join(" ") || "Nothing changed.";
  };
  const connect = async (wanted: string[]) => {
    const add = wanted.filter((to) => !targets.includes(to)).map((to) => [name, to]);
    const remove = targets.filter((to) => !wanted.includes(to)).map((to) => [name, to]);
    await service(`swarms/${swarm}/topology`).patch(null as never, { add, remove });
    return "Its edges are changed.";
  };
  return (
    <Stack gap="sm">
      <Group gap="xs" align="end">
        <NumberInput label="How many of it" size="xs" w={110} min={1} max={1_000} value={copies} onChange={setCopies} disabled={agent.group !== null} {...(agent.group && { description: `a copy of ${agent.group}` })} />
        <Button size="xs" variant="default" disabled={agent.group !== null || Number(copies) < 1} onClick={() => void run(scale)}>
          Scale
        </Button>
      </Group>
      <MultiSelect label="May speak to" size="xs" searchable limit={SHOWN} data={agents.map((one) => one.name)} value={targets} onChange={(wanted) => void run(() => connect(wanted))} />
      <Group gap="xs">
        <Button size="xs" variant="default" onClick={() => void run(restart)}>
          Restart
        </Button>
        <Button size="xs" variant="default" onClick={() => setRemoves(true)}>
          Remove
        </Button>
      </Group>
      <Text size="sm" role="status" mih={20} {...(told?.bad && { c: "var(--mantine-color-error)" })}>
        {told?.text}
      </Text>
      <Confirm
        title={removes ? `Remove ${name}?` : undefined}
        does="Remove it"
        close={() => setRemoves(false)}
        run={async () => {
          await service(`swarms/${swarm}/agents`).remove(name);
          reload();
          close();
        }}
      >
        What waits for it is lost, and its edges go. What it said stays in its session.
      </Confirm>
    </Stack>
  );
}
