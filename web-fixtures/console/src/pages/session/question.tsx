// What an agent asks: whether it may use a tool, or carry out its plan.

import { Alert, Button, Group, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import { service } from "../../lib/daemon.ts";
import { time } from "../../lib/format.ts";
import type { Message } from "../../lib/types.ts";
import { Fold } from "../../parts/fold.tsx";
import { Markdown } from "../../parts/markdown.tsx";
import { Json, brief } from "./blocks.tsx";
import styles from "./session.module.css";

/** The tool that a plan asks for. */
const PLAN = "approve_plan";

interface Asked {
  request_id?: string;
  task_id?: string;
  tool_name?: string;
  tool_input?: any;
  status?: string;
  reason?: string;
  decided_at?: string;
  decided_by?: string | null;
}

export function Question({ message, isOver }: { message: Message; isOver: boolean }) {
  const asked = (typeof message.content === "object" && !Array.isArray(message.content) ? message.content : {}) as Asked;
  const isPlan = asked.tool_name === PLAN;
  const what = isPlan ? (
    <Plan input={asked.tool_input} />
  ) : (
    <Json value={asked.tool_input} />
  );
  if (asked.status !== "pending" || isOver) return <Decided message={message} asked={asked} isPlan={isPlan} what={what} />;
  return (
    <section className={styles.question} aria-label={isPlan ? "A plan waits for you" : "The agent asks you"}>
      <Title order={3} size="sm">
        {isPlan ? "Shall this plan be carried out?" : <>May the agent use <code>{String(asked.tool_name ?? "a tool")}</code>?</>}
      </Title>
      {what}
      <Decide message={message} asked={asked} isPlan={isPlan} />
    </section>
  );
}

function Plan({ input }: { input: any }) {
  const plan = input?.plan ?? input;
  const text = typeof plan === "string" ? plan : typeof plan?.text === "string" ? plan.text : undefined;
  return text === undefined ? <Json value={plan} /> : <Markdown text={text} />;
}

function Decide({ message, asked, isPlan }: { message: Message; asked: Asked; isPlan: boolean }) {
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState<boolean>();
  const [error, setError] = useState<string>();
  const task = asked.task_id ?? message.task_id ?? "";
  const decide = async (allow: boolean) => {
    setBusy(allow);
    setError(undefined);
    const why = reason.trim();
    try {
      if (isPlan) await service(`tasks/${task}/approve`).create({ approved: allow, ...(why && { feedback: why }) });
      else {
        const decision = { requestId: asked.request_id, taskId: task, allow, ...(why && { reason: why }) };
        await service(`sessions/${message.session_id}/permission-decision`).create(decision);
      }
    } catch (error) {
      setError((error as Error).message);
    }
    setBusy(undefined);
  };
  return (
    <>
      <Group gap="xs" mt="xs" align="center">
        <TextInput
          size="xs"
          flex="1 1 160px"
          maxLength={1_000}
          aria-label="Say why"
          placeholder={isPlan ? "What should be otherwise (optional)" : "Why, or why not (optional)"}
          value={reason}
          onChange={({ currentTarget }) => setReason(currentTarget.value)}
        />
        <Group gap="xs">
          <Button size="xs" loading={busy === true} disabled={busy === false} onClick={() => void decide(true)}>
            Approve
          </Button>
          <Button size="xs" variant="default" loading={busy === false} disabled={busy === true} onClick={() => void decide(false)}>
            Deny
          </Button>
        </Group>
      </Group>
      {error && (
        <Alert color="red" role="alert" mt="xs" p="xs">
          {error}
        </Alert>
      )}
    </>
  );
}

function Decided({ message, asked, isPlan, what }: { message: Message; asked: Asked; isPlan: boolean; what: React.ReactNode }) {
  const word = asked.status === "approved" ? "Approved" : asked.status === "denied" ? "Denied" : "Not decided";
  const summary = (
    <>
      <Text span size="sm" fw={500} className="shrinkless">
        {word}
      </Text>
      <Text span size="sm" c="dimmed" className="cut">
        {isPlan ? "the plan" : `${asked.tool_name ?? "a tool"} ${brief(asked.tool_input)}`}
        {asked.reason ? ` – ${asked.reason}` : ""}
      </Text>
    </>
  );
  return (
    <Fold id={message.message_id} summary={summary}>
      {what}
      {asked.decided_at && (
        <Text size="xs" c="dimmed" mt={4}>
          {time(asked.decided_at)}
        </Text>
      )}
    </Fold>
  );
}
