// Adds an agent to a swarm that is there.

import { Button, Group, Modal, MultiSelect, Select, Stack, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { Problems } from "./problems.tsx";
import { SHOWN, problemsOf, type Problem } from "./types.ts";
import { BACKENDS } from "./define.ts";

interface Props {
  swarm: string;
  agents: readonly string[];
  opened: boolean;
  close: () => void;
  done: () => void;
}

export function Add({ opened, close, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={close} title="Add an agent" closeButtonProps={{ "aria-label": "Close" }}>
      <Form close={close} {...rest} />
    </Modal>
  );
}

function Form({ swarm, agents, close, done }: Omit<Props, "opened">) {
  const [name, setName] = useState("");
  const [backend, setBackend] = useState("echo");
  const [command, setCommand] = useState("");
  const [connections, setConnections] = useState<string[]>([]);
  const [incoming, setIncoming] = useState<string[]>([]);
  const [problems, setProblems] = useState<Problem[]>([]);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      await service(`swarms/${swarm}/agents`).create({ name, backend, connections, incoming, ...(backend === "local" && { command }) });
      done();
      close();
    } catch (error) {
      setProblems(problemsOf(error));
    }
    setBusy(false);
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <Stack gap="sm">
        <Problems problems={problems} />
        <TextInput label="Name" required value={name} onChange={(event) => setName(event.currentTarget.value)} data-autofocus />
        <Select label="Backend" data={[...BACKENDS]} allowDeselect={false} value={backend} onChange={(value) => setBackend(value ?? "echo")} />
        {backend === "local" && <TextInput label="Command" required value={command} onChange={(event) => setCommand(event.currentTarget.value)} />}
        <MultiSelect label="May speak to" searchable limit={SHOWN} data={[...agents]} value={connections} onChange={setConnections} />
        <MultiSelect label="Is spoken to by" searchable limit={SHOWN} data={[...agents]} value={incoming} onChange={setIncoming} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            Add
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
