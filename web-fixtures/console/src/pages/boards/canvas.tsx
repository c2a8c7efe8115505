// The board as a plane on which cards are moved about, by mouse and by keys, and cursors with them.

import { useComputedColorScheme } from "@mantine/core";
import { Background, Controls, MiniMap, ReactFlow, ReactFlowProvider, useReactFlow, type NodeChange } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import { useCallback, useEffect, useMemo, useRef, type KeyboardEvent, type PointerEvent } from "react";
import { point, unpoint } from "../../lib/presence.ts";
import type { Board, Session } from "../../lib/types.ts";
import css from "./boards.module.css";
import { SessionCard, type CardNode } from "./card.tsx";
import { Cursors } from "./cursors.tsx";
import { CARD } from "./places.ts";
import { sees } from "./sight.ts";
import { statusOf, titleOf } from "./status.tsx";
import { useMoves } from "./use-moves.ts";

interface Props {
  board: Board;
  sessions: readonly Session[];
  selectedId: string | undefined;
  select: (sessionId: string | undefined) => void;
  mayMove: boolean;
  attempt: (work: Promise<unknown>) => Promise<boolean>;
}

const TYPES = { session: SessionCard };

/** What is said of a card to those who cannot see it. */
const WORDS = {
  "node.a11yDescription.default": "Press Enter to select it, and Enter again for what can be done with it.",
  "node.a11yDescription.keyboardDisabled": "Press Enter to select it, and Enter again for what can be done with it.",
};

/** The smallest scale at which cards can be read. */
const READABLE = 0.75;

/** The size of the small map. */
const MAP = { width: 140, height: 100 };

/** Space around the cards at first. */
const MARGIN = 24;

export function Canvas(props: Props) {
  return (
    <ReactFlowProvider>
      <Plane {...props} />
    </ReactFlowProvider>
  );
}

function Plane({ board, sessions, selectedId, select, mayMove, attempt }: Props) {
  const scheme = useComputedColorScheme("light");
  const flow = useReactFlow<CardNode>();
  const frame = useRef<HTMLDivElement>(null);
  const { places, move } = useMoves(board, attempt);

  const had = useRef(new Map<string, CardNode>());
  const nodes = useMemo(() => {
    const made = sessions.map((session): CardNode => {
      const id = session.session_id;
      const position = places.get(id) ?? { x: 0, y: 0 };
      const selected = id === selectedId;
      const before = had.current.get(id);
      const same = before?.data.session === session && before.selected === selected;
      // What did not change is not drawn anew.
      if (same && before.position.x === position.x && before.position.y === position.y) return before;
      const ariaLabel = `${titleOf(session)}, ${statusOf(session)}, ${session.message_count} messages`;
      return { id, type: "session", position, selected, data: { session }, ariaLabel, ...CARD, measured: CARD };
    });
    had.current = new Map(made.map((node) => [node.id, node]));
    return made;
  }, [sessions, places, selectedId]);

  const change = useCallback(
    (changes: NodeChange<CardNode>[]) => {
      for (const one of changes) {
        if (one.type === "position" && one.position) move(one.id, one.position, one.dragging === true);
      }
      const chosen = changes.filter((one) => one.type === "select");
      const on = chosen.find((one) => one.selected);
      if (on) select(on.id);
      else if (chosen.length > 0) select(undefined);
    },
    [move, select],
  );

  /** Shows all cards if they can be read then, else as many columns as can be, from the top. */
  const begin = () => {
    if (nodes.length === 0) return;
    const all = flow.getNodesBounds(nodes);
    const { clientWidth = 0, clientHeight = 0 } = frame.current ?? {};
    const zoom = Math.min(1, Math.max(READABLE, clientWidth / (all.width + 2 * MARGIN)));
    const free = Math.max(MARGIN, (clientWidth - all.width * zoom) / 2);
    const fits = all.height * zoom < clientHeight;
    void flow.setViewport({ x: (fits ? free : MARGIN) - all.x * zoom, y: MARGIN - all.y * zoom, zoom });
  };

  useEffect(
    () =>
      sees(() => {
        const { left = 0, top = 0, width = 0, height = 0 } = frame.current?.getBoundingClientRect() ?? {};
        return flow.screenToFlowPosition({ x: left + width / 2, y: top + height / 2 });
      }),
    [flow],
  );
  useEffect(() => unpoint, []);

  const pointed = ({ clientX, clientY }: PointerEvent) => {
    const { x, y } = flow.screenToFlowPosition({ x: clientX, y: clientY });
    point(x, y);
  };
  const pressed = (event: KeyboardEvent) => {
    const card = (event.target as Element).closest(".react-flow__node");
    if (event.key !== "Enter" || event.target !== card || card?.getAttribute("data-id") !== selectedId) return;
    document.querySelector<HTMLElement>("[data-panel]")?.focus();
  };

  return (
    <div ref={frame} className={css.canvas} onPointerMove={pointed} onPointerLeave={unpoint} onKeyDown={pressed} data-testid="canvas">
      <ReactFlow<CardNode>
        nodes={nodes}
        edges={[]}
        nodeTypes={TYPES}
        onNodesChange={change}
        onInit={begin}
        onPaneClick={() => select(undefined)}
        nodesDraggable={mayMove}
        nodesConnectable={false}
        onlyRenderVisibleElements
        minZoom={0.1}
        maxZoom={2}
        panOnScroll
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={null}
        colorMode={scheme}
        ariaLabelConfig={WORDS}
        aria-label={`Board ${board.name}`}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
        <MiniMap pannable zoomable style={MAP} className={css.map ?? ""} ariaLabel="The whole board, small" />
        <Cursors />
      </ReactFlow>
    </div>
  );
}
