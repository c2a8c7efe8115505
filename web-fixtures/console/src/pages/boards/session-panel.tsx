// The session that is selected: what it does, a word to its agent, and taking it off the board.

import { Anchor, Button, CloseButton, Group, Paper, Stack, Text, Textarea, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useEffect, useState, type FormEvent, type KeyboardEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { count, time } from "../../lib/format.ts";
import { rests, types } from "../../lib/presence.ts";
import type { Board, Session } from "../../lib/types.ts";
import { Dialog } from "./dialog.tsx";
import css from "./boards.module.css";
import { takeOff } from "./places.ts";
import { Status, titleOf } from "./status.tsx";
import { Watchers } from "./watchers.tsx";

interface Props {
  board: Board;
  session: Session;
  close: () => void;
  attempt: (work: Promise<unknown>) => Promise<boolean>;
  mayWork: boolean;
}

export function SessionPanel({ board, session, close, attempt, mayWork }: Props) {
  const { session_id, agent, message_count, last_updated } = session;
  const [taking, { open, close: keep }] = useDisclosure();
  const leave = () => {
    close();
    // Back to where one came from.
    document.querySelector<HTMLElement>(`[data-id="${CSS.escape(session_id)}"]`)?.focus({ preventScroll: true });
  };
  const escape = (event: KeyboardEvent) => {
    if (event.key === "Escape" && !taking) leave();
  };
  return (
    <Paper component="section" withBorder shadow="md" p="sm" className={css.panel ?? ""} aria-label={`Session ${titleOf(session)}`} onKeyDown={escape}>
      <Stack gap="xs">
        <Group wrap="nowrap" gap="xs">
          <Title order={3} size="h5" className="cut" flex={1} tabIndex={-1} data-panel>
            {titleOf(session)}
          </Title>
          <CloseButton aria-label="Close" onClick={leave} />
        </Group>
        <Group gap="xs">
          <Status of={session} />
          <Text size="sm" c="dimmed">
            {agent} · {count(message_count)} messages · {time(last_updated)}
          </Text>
          <Watchers sessionId={session_id} />
        </Group>
        {mayWork && <Prompt key={session_id} session={session} attempt={attempt} />}
        <Group justify="space-between" wrap="nowrap">
          <Anchor href={`#/sessions/${session_id}`} size="sm">
            Open the session
          </Anchor>
          {mayWork && (
            <Button size="xs" variant="default" onClick={open}>
              Take off the board
            </Button>
          )}
        </Group>
      </Stack>
      <Dialog opened={taking} onClose={keep} title={`Take “${titleOf(session)}” off the board?`}>
        <Stack>
          <Text size="sm">
            {board.visibility === "private"
              ? "The board is private. On no board, the session and what was said in it can be seen by everybody."
              : "The session stays; it is only not on this board any more."}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={keep} data-autofocus>
              Cancel
            </Button>
            <Button color={board.visibility === "private" ? "red" : "teal"} onClick={() => (keep(), void attempt(takeOff(board.board_id, session_id)))}>
              Take it off
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </Paper>
  );
}

function Prompt({ session, attempt }: { session: Session; attempt: Props["attempt"] }) {
  const [prompt, setPrompt] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => rests, []);
  const type = (text: string) => {
    setPrompt(text);
    if (text) types();
    else rests();
  };
  const send = async (event: FormEvent) => {
    event.preventDefault();
    if (!prompt.trim() || busy) return;
    setBusy(true);
    rests();
    if (await attempt(service(`sessions/${session.session_id}/prompt`).create({ prompt }))) setPrompt("");
    setBusy(false);
  };
  const hint = session.status === "running" ? "It waits until what runs is done" : "Ask its agent something";
  return (
    <form onSubmit={send}>
      <Textarea
        aria-label="Prompt"
        placeholder={hint}
        value={prompt}
        autosize
        minRows={1}
        maxRows={6}
        onChange={(event) => type(event.currentTarget.value)}
        onBlur={rests}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) void send(event);
        }}
        rightSectionWidth={64}
        rightSection={
          <Button type="submit" size="compact-xs" loading={busy} disabled={!prompt.trim()}>
            Send
          </Button>
        }
      />
    </form>
  );
}
