// Where one writes prompts: what waits is above it, and what runs can be stopped.

import { ActionIcon, Alert, Button, Checkbox, Group, Text, Textarea, VisuallyHidden } from "@mantine/core";
import { useState, type KeyboardEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { drafts } from "../../lib/drafts.ts";
import { rests, types } from "../../lib/presence.ts";
import { useLogin } from "../../lib/logins.ts";
import { useRecords } from "../../lib/records.ts";
import type { Message, Session } from "../../lib/types.ts";
import { isBusy } from "./status.tsx";
import styles from "./session.module.css";

export function Composer({ session }: { session: Session }) {
  const id = session.session_id;
  const [text, setText] = useState(() => drafts.read(id));
  const [plan, setPlan] = useState(false);
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<string>();
  const isViewer = useLogin(({ user }) => user?.role === "viewer");
  const busy = isBusy(session.status);
  const write = (text: string) => {
    setText(text);
    drafts.write(id, text);
    if (text) types();
    else rests();
  };
  const trying = async (act: () => Promise<unknown>) => {
    setError(undefined);
    try {
      await act();
    } catch (error) {
      setError((error as Error).message);
    }
  };
  const send = () =>
    trying(async () => {
      const prompt = text.trim();
      if (!prompt || sending) return;
      setSending(true);
      try {
        const path = busy ? `sessions/${id}/messages/queue` : `sessions/${id}/prompt`;
        await service(path).create({ prompt, ...(plan && { plan }) });
        // What was written meanwhile stays.
        if (drafts.read(id).trim() === prompt) write("");
      } finally {
        setSending(false);
      }
    });
  const stop = () =>
    trying(async () => {
      const { success, reason } = await service(`sessions/${id}/stop`).create({});
      // It ended by itself just now: then that is to be seen.
      if (!success && isBusy(/status: (\w+)/.exec(reason)?.[1])) throw new Error(reason);
    });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  };
  if (isViewer) {
    return (
      <Text size="sm" c="dimmed" className={styles.composer}>
        You may look at this session. Who may write is at least a member.
      </Text>
    );
  }
  return (
    <div className={styles.composer}>
      <Waiting session={id} trying={trying} />
      {error && (
        <Alert color="red" role="alert" p="xs" mb="xs" withCloseButton onClose={() => setError(undefined)}>
          {error}
        </Alert>
      )}
      <Textarea
        aria-label="Prompt"
        placeholder={busy ? "What comes next? It waits its turn." : "What should the agent do?"}
        description="Enter sends, Shift + Enter begins a new line"
        inputWrapperOrder={["label", "error", "input", "description"]}
        autosize
        minRows={2}
        maxRows={10}
        value={text}
        onChange={({ currentTarget }) => write(currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={rests}
      />
      <Group mt={4} gap="xs" justify="flex-end">
        <Checkbox size="xs" label="Plan first" checked={plan} onChange={({ currentTarget }) => setPlan(currentTarget.checked)} mr="auto" />
        {busy && (
          <Button size="xs" variant="default" onClick={() => void stop()} disabled={session.status === "stopping"}>
            Stop
          </Button>
        )}
        <Button size="xs" onClick={() => void send()} loading={sending} disabled={!text.trim()}>
          {busy ? "Queue" : "Send"}
        </Button>
      </Group>
    </div>
  );
}

/** Prompts that wait for what runs, each of which can be taken back. */
function Waiting({ session, trying }: { session: string; trying: (act: () => Promise<unknown>) => Promise<void> }) {
  const { records } = useRecords<Message>(`queue:${session}`, () => ({
    service: "messages",
    id: "message_id",
    query: { session_id: session, status: "queued" },
    events: ["queued"],
    accepts: (message) => message.session_id === session && message.status === "queued",
    order: (a, b) => (a.queue_position ?? 0) - (b.queue_position ?? 0),
  }));
  if (records.length === 0) return null;
  return (
    <section aria-label="Waiting prompts" className={styles.queue}>
      <Text size="xs" c="dimmed" fw={600}>
        {records.length === 1 ? "1 prompt waits" : `${records.length} prompts wait`}
      </Text>
      <ol>
        {records.map(({ message_id, content }) => (
          <li key={message_id}>
            <Text span size="sm" className="cut" flex={1}>
              {String(content)}
            </Text>
            <ActionIcon
              size="sm"
              variant="subtle"
              color="gray"
              onClick={() => void trying(() => service("messages").remove(message_id))}
            >
              <span aria-hidden>✕</span>
              <VisuallyHidden>Take back: {String(content).slice(0, 60)}</VisuallyHidden>
            </ActionIcon>
          </li>
        ))}
      </ol>
    </section>
  );
}
