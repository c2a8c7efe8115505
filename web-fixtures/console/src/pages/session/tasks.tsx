// The tasks of a session, the newest first: how they are, how long they took, what they used.

import { Button, Progress, Text, UnstyledButton } from "@mantine/core";
import { useEffect, useState } from "react";
import { count, duration, time } from "../../lib/format.ts";
import type { Task } from "../../lib/types.ts";
import { Status, isBusy } from "./status.tsx";
import styles from "./session.module.css";

/** How many are shown at first, and more each time somebody asks. */
const SOME = 30;

export function Tasks({ tasks, show }: { tasks: readonly Task[]; show: (task: Task) => void }) {
  const [most, setMost] = useState(SOME);
  if (tasks.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Each prompt is a task. There was none yet.
      </Text>
    );
  }
  const shown = tasks.slice(-most).reverse();
  return (
    <>
      <ol className={styles.tasks}>
        {shown.map((task) => (
          <li key={task.task_id}>
            <One task={task} show={() => show(task)} />
          </li>
        ))}
      </ol>
      {tasks.length > most && (
        <Button size="compact-xs" variant="default" onClick={() => setMost(most + SOME)}>
          Show older ones ({count(tasks.length - most)})
        </Button>
      )}
    </>
  );
}

function One({ task, show }: { task: Task; show: () => void }) {
  const { status, description, full_prompt, usage, tool_use_count, progress_percent, progress_message } = task;
  const facts = [
    tool_use_count > 0 && `${count(tool_use_count)} ${tool_use_count === 1 ? "tool" : "tools"}`,
    usage && `${count((usage.input ?? 0) + (usage.output ?? 0))} tokens`,
    usage?.cost !== undefined && `$${usage.cost.toFixed(usage.cost < 1 ? 4 : 2)}`,
  ].filter(Boolean);
  return (
    <UnstyledButton className={styles.task} onClick={show} title={full_prompt?.slice(0, 500)}>
      <span className={styles.facts}>
        <Status status={status} />
        <Text span size="xs" c="dimmed">
          <Took task={task} />
        </Text>
      </span>
      <Text span size="sm" lineClamp={2}>
        {description || full_prompt || "A task"}
      </Text>
      {progress_percent !== undefined && isBusy(status) && (
        <Progress value={progress_percent} size="sm" aria-label={progress_message ?? "Progress"} />
      )}
      <Text span size="xs" c="dimmed" title={usage && `${count(usage.input ?? 0)} tokens in, ${count(usage.output ?? 0)} out`}>
        {[time(task.created_at), ...facts].join(" · ")}
      </Text>
    </UnstyledButton>
  );
}

/** How long a task took, or takes so far. */
function Took({ task: { status, created_at, duration_ms } }: { task: Task }) {
  const runs = isBusy(status);
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!runs) return;
    const timer = window.setInterval(() => setNow(Date.now()), 1_000);
    return () => window.clearInterval(timer);
  }, [runs]);
  if (!runs) return duration(duration_ms);
  return duration(Math.max(0, Math.floor((now - Date.parse(created_at)) / 1_000) * 1_000));
}
