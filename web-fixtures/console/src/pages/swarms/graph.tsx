// Who may speak to whom: agents with their states, edges on which messages are seen to pass.

import { Background, Controls, Handle, MarkerType, Position, ReactFlow, type Edge as Line, type Node, type NodeProps } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { Badge, Button, Center, Stack, Text, useComputedColorScheme } from "@mantine/core";
import { memo, useMemo, useRef, useState } from "react";
import type { StoreApi } from "zustand/vanilla";
import { useStore } from "zustand";
import { Dot, colourOf } from "../../parts/dot.tsx";
import { Passing, Store } from "./passing.tsx";
import classes from "./graph.module.css";
import { HEIGHT, WIDTH, layOut } from "./layout.ts";
import { idOf } from "./types.ts";
import type { Seen } from "./watch.ts";

/** Agents and edges above which it is drawn only for who asks for it. */
const [MANY, MANY_EDGES] = [120, 600];

type AgentNode = Node<{ name: string; state: string; inbox: number }, "agent">;

const nodeTypes = { agent: memo(AgentBox) };
const edgeTypes = { passing: Passing };

interface Props {
  store: StoreApi<Seen>;
  chosen: string | undefined;
  choose: (name: string | undefined) => void;
}

export function Graph({ store, chosen, choose }: Props) {
  const agents = useStore(store, ({ agents }) => agents);
  const edges = useStore(store, ({ edges }) => edges);
  const scheme = useComputedColorScheme("light");
  const [asked, setAsked] = useState(false);
  const names = agents.map(({ name }) => name).join("\n");
  const places = useMemo(() => layOut(names === "" ? [] : names.split("\n"), edges), [names, edges]);
  // What stayed as it was is the same object, and not drawn again.
  const drawn = useRef(new Map<string, { as: string; node: AgentNode }>());
  const nodes = useMemo<AgentNode[]>(
    () =>
      agents.flatMap((agent) => {
        const { name, state, inbox_size } = agent;
        const place = places.get(name);
        if (!place) return [];
        const as = [state, inbox_size, name === chosen, place.x, place.y].join();
        const before = drawn.current.get(name);
        if (before?.as === as) return before.node;
        const node: AgentNode = {
          id: name,
          type: "agent",
          position: { x: place.x - WIDTH / 2, y: place.y - HEIGHT / 2 },
          data: { name, state, inbox: inbox_size },
          width: WIDTH,
          height: HEIGHT,
          // Without it each change would be measured anew, and its edges drawn anew.
          measured: { width: WIDTH, height: HEIGHT },
          selected: name === chosen,
          ariaLabel: `${name}, ${state}, ${inbox_size} waiting`,
        };
        drawn.current.set(name, { as, node });
        return node;
      }),
    [agents, places, chosen],
  );
  const lines = useMemo<Line[]>(() => {
    const ids = new Set(edges.map(idOf));
    return edges.map(([from, to]) => ({
      id: idOf([from, to]),
      source: from,
      target: to,
      type: "passing",
      focusable: false,
      // Where both may speak, each way has a line of its own.
      data: { both: ids.has(idOf([to, from])) },
      markerEnd: { type: MarkerType.ArrowClosed, markerUnits: "userSpaceOnUse", width: 22, height: 22, color: "var(--edge)" },
    }));
  }, [edges]);
  if (!asked && (agents.length > MANY || edges.length > MANY_EDGES)) {
    return (
      <Center h="100%">
        <Stack align="center" gap="xs">
          <Text size="sm">
            {agents.length} agents and {edges.length} edges are many for a picture.
          </Text>
          <Button variant="default" size="xs" onClick={() => setAsked(true)}>
            Draw them all the same
          </Button>
        </Stack>
      </Center>
    );
  }
  return (
    <Store value={store}>
      <ReactFlow
        key={names}
        className={classes.flow}
        nodes={nodes}
        edges={lines}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        colorMode={scheme}
        fitView
        fitViewOptions={{ padding: 0.12, maxZoom: 1.1 }}
        minZoom={0.1}
        onlyRenderVisibleElements
        nodesDraggable={false}
        nodesConnectable={false}
        edgesFocusable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        deleteKeyCode={null}
        onNodeClick={(_, { id }) => choose(id)}
        onNodesChange={(changes) => {
          // By keyboard.
          for (const change of changes) if (change.type === "select" && change.selected) choose(change.id);
        }}
        onPaneClick={() => choose(undefined)}
        aria-label="Topology"
      >
        <Background />
        <Controls showInteractive={false} />
      </ReactFlow>
    </Store>
  );
}

function AgentBox({ data: { name, state, inbox }, selected }: NodeProps<AgentNode>) {
  return (
    <div className={`${classes.agent} ${selected ? classes.chosen : ""}`} style={{ borderColor: colourOf(state) }} data-agent={name} data-state={state} data-inbox={inbox}>
      <Handle type="target" position={Position.Top} className={classes.handle} isConnectable={false} />
      <Text size="sm" fw={600} className="cut">
        {name}
      </Text>
      <div className={classes.facts}>
        <Dot state={state} size="xs" />
        {inbox > 0 && (
          <Badge size="sm" variant="default" title={`${inbox} wait in its inbox`}>
            {inbox}
          </Badge>
        )}
      </div>
      <Handle type="source" position={Position.Bottom} className={classes.handle} isConnectable={false} />
    </div>
  );
}
