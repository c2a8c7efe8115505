// Gives an agent a task, or a message in somebody's name.

import { Anchor, Button, Group, SegmentedControl, Select, Stack, Text, Textarea } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { SHOWN } from "./types.ts";

interface Props {
  swarm: string;
  agents: readonly string[];
  /** Who is told; one chooses, where nobody is said. */
  to?: string;
}

const ALL = "all";

export function Tell({ swarm, agents, to }: Props) {
  const [kind, setKind] = useState("task");
  const [chosen, setChosen] = useState<string | null>(null);
  const [from, setFrom] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<{ text: string; task?: string; bad?: boolean }>();
  const receiver = to ?? chosen ?? agents[0];
  const senders = agents.filter((name) => name !== receiver);
  const sender = from ?? senders[0];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!receiver || text.trim() === "") return;
    setBusy(true);
    setTold(undefined);
    try {
      if (kind === "task") {
        const { task_id } = await service(`swarms/${swarm}/agents/${receiver}/task`).create({ task: text });
        setTold({ text: `${receiver} has the task:`, task: task_id });
      } else {
        const { delivered, reason } = await service(`swarms/${swarm}/message`).create({ from: sender ?? receiver, to: receiver, content: text });
        setTold(delivered ? { text: `${receiver} was given it` } : { text: `Not delivered: ${WHY[reason] ?? reason}`, bad: true });
      }
      setText("");
    } catch (error) {
      setTold({ text: (error as Error).message, bad: true });
    }
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="xs">
        <Group gap="xs" align="end">
          <SegmentedControl size="xs" aria-label="What" value={kind} onChange={setKind} data={[{ label: "Task", value: "task" }, { label: "Message", value: "message" }]} />
          {to === undefined && (
            <Select size="xs" w={140} aria-label="To" searchable limit={SHOWN} allowDeselect={false} value={receiver ?? null} onChange={setChosen} data={kind === "message" ? [...agents, ALL] : [...agents]} />
          )}
          {kind === "message" && <Select size="xs" w={140} aria-label="From" placeholder="from" searchable limit={SHOWN} allowDeselect={false} value={sender ?? null} onChange={setFrom} data={senders} />}
        </Group>
        <Textarea
          aria-label={kind === "task" ? "Task" : "Message"}
          placeholder={kind === "task" ? "What is to be done. A line “@name: …” in what it says goes on to that agent." : "What it is told"}
          autosize
          minRows={2}
          maxRows={8}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
          }}
        />
        <Group gap="xs" mih={30}>
          <Button type="submit" size="xs" loading={busy} disabled={!receiver || text.trim() === ""}>
            Send
          </Button>
          <Text size="sm" role="status" {...(told?.bad && { c: "var(--mantine-color-error)" })}>
            {told?.text}
            {told?.task && (
              <>
                {" "}
                <Anchor size="sm" underline="always" href={`#/streams/${told.task}`}>
                  its stream
                </Anchor>
              </>
            )}
          </Text>
        </Group>
      </Stack>
    </form>
  );
}

const WHY: Record<string, string> = {
  ":invalid_route": "there is no edge between them",
  ":target_not_found": "there is no such agent",
  ":inbox_full": "its inbox is full",
};
