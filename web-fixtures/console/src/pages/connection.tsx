// How the connection is, and what became of each time that it was lost.

import { Badge, Button, Group, Paper, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useState } from "react";
import { drop, useConnection, type Return, type State } from "../lib/daemon.ts";
import { count, duration, time } from "../lib/format.ts";
import { isWhole, outcome } from "../lib/returns.ts";
import { place } from "../lib/stamps.ts";
import { Empty } from "../parts/states.tsx";

const WORDS: Record<State, string> = {
  connecting: "The page connects to the daemon.",
  live: "What you see is what is.",
  resuming: "The connection is back; what you missed is coming.",
  offline: "There is no connection; the page tries again by itself.",
};

const WAYS: Record<string, string> = { websocket: "WebSocket", polling: "HTTP long polling" };

/** How long the page stays away when it is asked to, in milliseconds. */
const AWAY = [300, 3_000, 10_000] as const;

export default function ConnectionPage() {
  const { state, stamp, events, returns, transport, latency } = useConnection();
  const isOn = state === "live" || state === "resuming";
  const facts: [name: string, value: string, says: string][] = [
    ["State", state, WORDS[state]],
    ["Transport", WAYS[transport] ?? (transport || "none"), "How events reach this page."],
    ["Latency", latency === undefined ? "not known yet" : duration(latency), "A question to the daemon and its answer."],
    ["Stamp", stamp ?? "none yet", "Everything up to this event was dealt with. The page goes on after it."],
    ["Events", count(events), "Since the page was opened."],
    ["Returns", count(returns.length), "Times that the connection came back."],
  ];
  return (
    <Stack maw={1_000}>
      <Title order={2}>Connection</Title>
      <SimpleGrid cols={{ base: 2, md: 3 }} spacing="sm">
        {facts.map(([name, value, says]) => (
          <Paper key={name} withBorder p="sm" data-fact={name.toLowerCase()}>
            <Text size="sm" c="dimmed">
              {name}
            </Text>
            <Text fw={600} size="lg" className="cut" title={value}>
              {value}
            </Text>
            <Text size="xs" c="dimmed">
              {says}
            </Text>
          </Paper>
        ))}
      </SimpleGrid>
      <Try isOn={isOn} />
      <Title order={3} size="h4">
        Returns
      </Title>
      {returns.length === 0 ? (
        <Empty title="The connection was never lost">Lose it, and see here what came to fill the gap.</Empty>
      ) : (
        <Returns returns={returns} />
      )}
    </Stack>
  );
}

/** Loses the connection, to show that nothing is. */
function Try({ isOn }: { isOn: boolean }) {
  const [dropped, setDropped] = useState(0);
  return (
    <Paper withBorder p="sm">
      <Text size="sm" mb="xs">
        Lose the connection as a train does in a tunnel. What happens meanwhile comes when it is back.
      </Text>
      <Group gap="xs">
        {AWAY.map((ms) => (
          <Button
            key={ms}
            size="xs"
            variant="default"
            disabled={!isOn}
            onClick={() => {
              setDropped(ms);
              drop(ms);
            }}
          >
            {ms < 1_000 ? "For a moment" : `For about ${ms / 1_000} s`}
          </Button>
        ))}
        <Text size="sm" span c="dimmed" role="status">
          {!isOn && dropped > 0 ? "Lost; it comes back by itself." : ""}
        </Text>
      </Group>
    </Paper>
  );
}

const from = ({ from, to }: Return) => (from && to ? `${place(from)} to ${place(to)}` : "not known");

function Returns({ returns }: { returns: Return[] }) {
  return (
    <Table.ScrollContainer minWidth={560} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": "Returns" } }}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>Away for</Table.Th>
            <Table.Th>Stamps</Table.Th>
            <Table.Th>What came</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {returns.map((back) => (
            <Table.Tr key={back.at} data-return={back.reset ?? "whole"}>
              <Table.Td>{time(back.at)}</Table.Td>
              <Table.Td>{duration(back.away)}</Table.Td>
              <Table.Td>{from(back)}</Table.Td>
              <Table.Td>
                <Group gap="xs" wrap="nowrap">
                  <Badge color={back.reset || !isWhole(back) ? "yellow" : "teal"} variant="filled" autoContrast miw={90}>
                    {back.reset ? "read anew" : isWhole(back) ? "whole" : "not whole"}
                  </Badge>
                  <Text size="sm" span>
                    {outcome(back)}
                  </Text>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
