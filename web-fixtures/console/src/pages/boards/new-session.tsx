// Makes a session on the board, and asks its agent something at once if one wants.

import { Alert, Autocomplete, Button, Group, Stack, TextInput, Textarea } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { rests, types } from "../../lib/presence.ts";
import type { Board, Session } from "../../lib/types.ts";
import { Dialog } from "./dialog.tsx";
import { freeNear, placesOf, put } from "./places.ts";
import { middle } from "./sight.ts";

interface Props {
  board: Board;
  opened: boolean;
  close: () => void;
  made: (sessionId: string) => void;
}

const AGENTS = ["claude-code", "codex", "gemini", "opencode"];

export function NewSession(props: Props) {
  return (
    <Dialog opened={props.opened} onClose={props.close} title="New session">
      <Fields {...props} />
    </Dialog>
  );
}

function Fields({ board, close, made }: Props) {
  const [title, setTitle] = useState("");
  const [agent, setAgent] = useState("claude-code");
  const [prompt, setPrompt] = useState("");
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string>();
  const { board_id } = board;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    try {
      const data = { board_id, agent, title: title.trim() || prompt.trim().slice(0, 60) || "Untitled" };
      const { session_id }: Session = await service("sessions").create(data);
      const seen = middle();
      if (seen) await put(board_id, new Map([[session_id, freeNear(seen, placesOf(board).values())]]));
      if (prompt.trim()) await service(`sessions/${session_id}/prompt`).create({ prompt });
      rests();
      close();
      made(session_id);
    } catch (error) {
      setRefused((error as Error).message);
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit} onChange={types} onBlur={rests}>
      <Stack>
        {refused && (
          <Alert color="red" role="alert">
            {refused}
          </Alert>
        )}
        <TextInput label="Title" value={title} onChange={(event) => setTitle(event.currentTarget.value)} maxLength={200} data-autofocus />
        <Autocomplete label="Agent" data={AGENTS} value={agent} onChange={setAgent} required />
        <Textarea label="First prompt" description="It is sent at once." value={prompt} onChange={(event) => setPrompt(event.currentTarget.value)} autosize minRows={3} maxRows={10} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={!agent.trim()}>
            Create
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
