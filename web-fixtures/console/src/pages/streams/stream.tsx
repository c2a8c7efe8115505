// One task's stream: what is said in the conversation, what is made beside it, how far it is, and its end.

import { Alert, Anchor, Badge, Code, Group, Progress, Spoiler, Stack, Tabs, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { useStore } from "zustand";
import { useConnection } from "../../lib/daemon.ts";
import { count, duration, short, time } from "../../lib/format.ts";
import { useRecords } from "../../lib/records.ts";
import { Dot } from "../../parts/dot.tsx";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { Artifacts } from "./artifacts.tsx";
import { Chat } from "./chat.tsx";
import { Parties } from "./parties.tsx";
import { isOver, type Task } from "./types.ts";
import { Stream, type Seen } from "./watch.ts";

export function StreamPage({ id }: { id: string }) {
  const [stream, setStream] = useState<Stream>();
  useEffect(() => {
    const stream = new Stream(id);
    setStream(stream);
    return () => stream.leave();
  }, [id]);
  return stream?.task === id ? <Shown stream={stream} /> : <Loading />;
}

function Shown({ stream }: { stream: Stream }) {
  const { store, reload } = stream;
  const state = useStore(store, ({ state }) => state);
  const error = useStore(store, ({ error }) => error);
  const all = <Anchor underline="always" c="inherit" href="#/streams">All streams</Anchor>;
  if (state === "gone") return <Empty title="There is no such task">It was removed, or it is on a board that you do not see. {all}</Empty>;
  if (state === "forbidden") return <Empty title="Not for you">Only who has part in this task, or sees its session, may watch its stream. {all}</Empty>;
  if (state === "failed") return <Failed what="The stream" error={error} retry={reload} />;
  if (state === "loading") return <Loading />;
  return <Ready stream={stream} />;
}

function Ready({ stream: { store, task: id } }: { stream: Stream }) {
  const found = useRecords<Task>(`stream:${id}`, () => ({ service: "tasks", id: "task_id", query: { task_id: id }, accepts: (task) => task.task_id === id }));
  const task = found.records[0];
  const artifacts = useStore(store, ({ artifacts }) => artifacts);
  const end = useStore(store, ({ end }) => end);
  const [tab, setTab] = useState<string | null>("chat");
  const [at, setAt] = useState<{ at: number }>();
  const show = (seq: number) => {
    setAt({ at: artifacts.findIndex((one) => one.seq === seq) });
    setTab("artifacts");
  };
  return (
    <Stack gap="sm">
      <Group gap="sm" wrap="nowrap">
        <Anchor href="#/streams" size="sm">
          Streams
        </Anchor>
        <Title order={2} size="h3" className="cut">
          {task?.description || short(id)}
        </Title>
        {task && <Dot state={task.status} />}
      </Group>
      {task && <About task={task} />}
      <Numbers id={id} seen={store} isOver={end !== undefined} />
      <Tabs value={tab} onChange={setTab} keepMounted={false}>
        <Tabs.List mb="xs">
          <Tabs.Tab value="chat">Conversation</Tabs.Tab>
          <Tabs.Tab value="artifacts" rightSection={<Badge size="sm" variant="default">{count(artifacts.length)}</Badge>}>
            Artifacts
          </Tabs.Tab>
          <Tabs.Tab value="end">Result</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="chat">
          <Chat store={store} show={show} />
        </Tabs.Panel>
        <Tabs.Panel value="artifacts">
          <Artifacts artifacts={artifacts} shows={at} isOver={end !== undefined} />
        </Tabs.Panel>
        <Tabs.Panel value="end">
          <End end={end} />
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}

function About({ task }: { task: Task }) {
  const asked = task.full_prompt || task.description;
  return (
    <>
      <Group gap="sm">
        <Parties task={task} />
        <Text size="sm">
          since {time(task.created_at)}
          {task.completed_at && `, for ${duration(Date.parse(task.completed_at) - Date.parse(task.created_at))}`}
        </Text>
        <Anchor size="sm" href={`#/sessions/${task.session_id}`}>
          Its session
        </Anchor>
      </Group>
      {asked && (
        <Spoiler maxHeight={66} showLabel="All of what was asked" hideLabel="Less">
          <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {asked}
          </Text>
        </Spoiler>
      )}
      {(task.progress_percent !== undefined || task.progress_message) && (
        <div>
          <Text size="sm">
            {task.progress_percent !== undefined && `${task.progress_percent} % `}
            {task.progress_message}
          </Text>
          <Progress value={task.progress_percent ?? 0} aria-label="How far it is" animated={!isOver(task)} />
        </div>
      )}
    </>
  );
}

function Numbers({ id, seen, isOver }: { id: string; seen: Stream["store"]; isOver: boolean }) {
  const chunks = useStore(seen, ({ chunks }) => chunks);
  const size = useStore(seen, ({ size }) => size);
  const known = useStore(seen, ({ known }) => known);
  const isLive = useConnection(({ state }) => state === "live");
  const word = isOver ? "over" : chunks < known ? "reading what was" : isLive ? "live" : "waiting for the connection";
  return (
    <Text size="xs" data-stream={word} data-chunks={chunks} data-task={id}>
      {count(chunks)} chunks, {count(size)} characters, {word}
    </Text>
  );
}

function End({ end }: { end: Seen["end"] }) {
  if (!end) return <Empty title="It goes on">What came of it stands here when it is over.</Empty>;
  if ("error" in end) {
    return (
      <Alert color="red" title="It came to nothing">
        {written(end.error)}
      </Alert>
    );
  }
  if (end.result === null || end.result === undefined) return <Empty title="It is done">It said nothing more of what came of it.</Empty>;
  return (
    <Code block tabIndex={0} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", maxHeight: "60vh" }}>
      {written(end.result)}
    </Code>
  );
}

const written = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
