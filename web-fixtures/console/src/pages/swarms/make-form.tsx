// A swarm's definition as a form; what is wrong stands at its field.

import { ActionIcon, Button, Group, NumberInput, SegmentedControl, Select, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { BACKENDS, SHAPES, edgesOf, readEdges, type Row, type Shape } from "./define.ts";
import classes from "./make.module.css";
import type { Problem } from "./types.ts";

export interface Draft {
  name: string;
  rows: Row[];
  shape: Shape;
  /** Own edges, one a line. */
  own: string;
}

const row = (key: number, name: string): Row => ({ key, name, backend: "echo", command: "", count: 1 });

export const firstDraft = (): Draft => ({ name: "", rows: [row(0, "a"), row(1, "b"), row(2, "c")], shape: "ring", own: "" });

/** A name that nobody has: a letter, or a number behind one. */
function freeName(rows: readonly Row[]): string {
  const taken = new Set(rows.map(({ name }) => name));
  for (let at = 0; ; at += 1) {
    const name = String.fromCharCode(97 + (at % 26)) + (at < 26 ? "" : Math.floor(at / 26));
    if (!taken.has(name)) return name;
  }
}

export function MakeForm({ draft, change, problems }: { draft: Draft; change: (draft: Draft) => void; problems: readonly Problem[] }) {
  const { name, rows, shape, own } = draft;
  const wrong = (field: string) => problems.find((problem) => problem.field === field)?.message;
  const put = (at: number, values: Partial<Row>) => change({ ...draft, rows: rows.map((one, place) => (place === at ? { ...one, ...values } : one)) });
  const next = Math.max(-1, ...rows.map(({ key }) => key)) + 1;
  const edges = edgesOf(shape, rows.map((one) => one.name), own);
  const unread = shape === "own" ? readEdges(own).wrong : [];
  return (
    <Stack gap="sm">
      <TextInput label="Name" required value={name} error={wrong("name")} onChange={(event) => change({ ...draft, name: event.currentTarget.value })} data-autofocus />
      <Text size="sm" fw={500}>
        Agents
      </Text>
      {rows.map((one, at) => (
        <div key={one.key} className={classes.row}>
          <TextInput aria-label={`Name of agent ${at + 1}`} placeholder="name" value={one.name} error={wrong(`agents[${at}].name`)} onChange={(event) => put(at, { name: event.currentTarget.value })} />
          <Select aria-label={`Backend of agent ${at + 1}`} data={[...BACKENDS]} allowDeselect={false} value={one.backend} error={wrong(`agents[${at}].backend`)} onChange={(backend) => put(at, { backend: backend ?? "echo" })} />
          <NumberInput aria-label={`How many of agent ${at + 1}`} min={1} max={1_000} value={one.count} error={wrong(`agents[${at}].count`)} onChange={(count) => put(at, { count: Number(count) || 1 })} />
          <ActionIcon size={34} variant="subtle" color="gray" disabled={rows.length === 1} onClick={() => change({ ...draft, rows: rows.filter((_, place) => place !== at) })} aria-label={`Remove agent ${at + 1}`}>
            ✕
          </ActionIcon>
          {one.backend === "local" && (
            <TextInput className={classes.command!} aria-label={`Command of agent ${at + 1}`} placeholder="command, for sh -c" value={one.command} error={wrong(`agents[${at}].command`)} onChange={(event) => put(at, { command: event.currentTarget.value })} />
          )}
        </div>
      ))}
      <Group>
        <Button size="xs" variant="default" onClick={() => change({ ...draft, rows: [...rows, row(next, freeName(rows))] })}>
          One more agent
        </Button>
      </Group>
      <div>
        <Text size="sm" fw={500} mb={4} id="who-speaks">
          Who may speak to whom
        </Text>
        <SegmentedControl fullWidth aria-labelledby="who-speaks" data={[...SHAPES]} value={shape} onChange={(value) => change({ ...draft, shape: value as Shape })} />
      </div>
      {shape === "own" && (
        <Textarea label="Edges" description="One a line: writer -> checker" rows={4} value={own} error={unread.length > 0 ? `Not an edge: line ${unread.join(", ")}` : undefined} onChange={(event) => change({ ...draft, own: event.currentTarget.value })} />
      )}
      <Text size="sm">
        {edges.length} {edges.length === 1 ? "edge" : "edges"}
        {shape === "star" && rows[0] && `, ${rows[0].name} in the middle`}
      </Text>
    </Stack>
  );
}
