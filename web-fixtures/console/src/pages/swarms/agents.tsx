// All agents of a swarm, as a list; it says what the graph shows.

import { TextInput, Text, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { count } from "../../lib/format.ts";
import { Dot } from "../../parts/dot.tsx";
import { Rows } from "../../parts/rows.tsx";
import { Empty } from "../../parts/states.tsx";
import classes from "./swarm.module.css";
import type { Agent } from "./types.ts";

/** Agents from which one may look for some. */
const SEVERAL = 12;

export function Agents({ agents, chosen, choose }: { agents: readonly Agent[]; chosen: string | undefined; choose: (name: string) => void }) {
  const [text, setText] = useState("");
  const wanted = text.trim().toLowerCase();
  const shown = wanted ? agents.filter(({ name, state, backend }) => `${name} ${state} ${backend}`.toLowerCase().includes(wanted)) : agents;
  return (
    <>
      {agents.length > SEVERAL && (
        <TextInput size="xs" mb="xs" w={220} aria-label="Look for agents" placeholder="name, state or backend" value={text} onChange={(event) => setText(event.currentTarget.value)} />
      )}
      {shown.length === 0 ? (
        <Empty title="No agents">{agents.length === 0 ? "Add one: the swarm has nobody." : "None fits."}</Empty>
      ) : (
        <Rows items={shown} keyOf={({ name }) => name} label="Agents" estimate={42} className={classes.agents}>
          {(agent) => (
            <UnstyledButton className={classes.agent} onClick={() => choose(agent.name)} aria-pressed={agent.name === chosen} data-row={agent.name}>
              <Text span size="sm" fw={600} className="cut">
                {agent.name}
              </Text>
              <Dot state={agent.state} />
              <Text span size="sm" className={classes.number}>
                {count(agent.inbox_size)} waiting
              </Text>
              <Text span size="sm" className={classes.wide}>
                {agent.backend}
              </Text>
              <Text span size="sm" className={`${classes.number} ${classes.wide}`}>
                {count(agent.message_count)} messages
              </Text>
            </UnstyledButton>
          )}
        </Rows>
      )}
    </>
  );
}
