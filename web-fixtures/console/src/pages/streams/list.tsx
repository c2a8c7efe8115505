// Recent tasks, those that run first: each of them streams.

import { Alert, Group, Paper, SegmentedControl, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import { count, duration, time } from "../../lib/format.ts";
import { useRecords } from "../../lib/records.ts";
import { Dot } from "../../parts/dot.tsx";
import { Rows } from "../../parts/rows.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Parties } from "./parties.tsx";
import classes from "./streams.module.css";
import { isHired, isOver, type Task } from "./types.ts";

/** Tasks that are read; what begins while one looks comes on top. */
const RECENT = 300;

/** States of tasks that go on. */
const GOING = ["created", "running", "awaiting_permission"];

const newest = (a: Task, b: Task) => (a.created_at < b.created_at ? 1 : -1);

/** Recent tasks, and all that go on. */
function useTasks() {
  const recent = useRecords<Task>("streams:recent", () => ({ service: "tasks", id: "task_id", sort: { created_at: -1 }, most: RECENT }));
  const going = useRecords<Task>("streams:going", () => ({
    service: "tasks",
    id: "task_id",
    query: { status: { $in: GOING } },
    sort: { created_at: -1 },
    most: RECENT,
    accepts: (task) => !isOver(task),
  }));
  const tasks = useMemo(() => {
    const all = new Map<string, Task>();
    for (const task of [...recent.records, ...going.records]) all.set(task.task_id, task);
    return [...all.values()].sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || newest(a, b));
  }, [recent.records, going.records]);
  const state = recent.state === "ready" ? going.state : recent.state;
  return { tasks, state, error: recent.error ?? going.error, reload: () => Promise.all([recent.reload(), going.reload()]).catch(() => {}) };
}

type Kind = "all" | "going" | "hired";

export function StreamList() {
  const { tasks, state, error, reload } = useTasks();
  const [kind, setKind] = useState<Kind>("all");
  const [text, setText] = useState("");
  const shown = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    const fits = (task: Task) => (kind === "all" || (kind === "going" ? !isOver(task) : isHired(task))) && (wanted === "" || `${task.description} ${task.task_id}`.toLowerCase().includes(wanted));
    return tasks.filter(fits);
  }, [tasks, kind, text]);
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={2} size="h3">
          Streams
        </Title>
        <Group gap="xs">
          <SegmentedControl size="xs" aria-label="Which tasks" value={kind} onChange={(kind) => setKind(kind as Kind)} data={[{ label: "All", value: "all" }, { label: "Going on", value: "going" }, { label: "Hired", value: "hired" }]} />
          <TextInput size="xs" aria-label="Look for tasks" placeholder="what was asked, or an id" value={text} onChange={(event) => setText(event.currentTarget.value)} />
        </Group>
      </Group>
      {state === "failed" && tasks.length > 0 && (
        <Alert color="red" role="alert">
          {error?.message}
        </Alert>
      )}
      {state === "failed" && tasks.length === 0 ? (
        <Failed what="Tasks" error={error} retry={reload} />
      ) : tasks.length === 0 ? (
        state === "loading" ? (
          <Loading />
        ) : (
          <Empty title="No tasks yet">Every task streams what its agent says and makes. Ask something in a session, or give an agent of a swarm a task.</Empty>
        )
      ) : shown.length === 0 ? (
        <Empty title="None fits">Ask for less.</Empty>
      ) : (
        <>
          <Paper withBorder>
            <Rows items={shown} keyOf={({ task_id }) => task_id} label="Tasks" estimate={62} className={classes.list}>
              {(task) => <One task={task} />}
            </Rows>
          </Paper>
          <Text size="xs">
            {count(shown.length)} of {count(tasks.length)} tasks: the newest {RECENT}, and all that go on.
          </Text>
        </>
      )}
    </Stack>
  );
}

function One({ task }: { task: Task }) {
  return (
    <a href={`#/streams/${encodeURIComponent(task.task_id)}`} className={classes.task} data-task={task.task_id}>
      <span className={classes.state}>
        <Dot state={task.status} />
      </span>
      <span className={classes.what}>
        <Text span size="sm" fw={600} className={classes.line}>
          {task.description || task.full_prompt || task.task_id}
        </Text>
        <Text span size="xs" className={classes.line}>
          {isHired(task) ? <Parties task={task} size="xs" /> : (task.progress_message ?? task.error ?? " ")}
        </Text>
      </span>
      <Text span size="xs" className={classes.when}>
        {time(task.created_at)}
        <br />
        {task.completed_at ? duration(Date.parse(task.completed_at) - Date.parse(task.created_at)) : task.progress_percent === undefined ? " " : `${task.progress_percent} %`}
      </Text>
    </a>
  );
}
