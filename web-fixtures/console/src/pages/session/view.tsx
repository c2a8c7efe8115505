// A session that is there: the conversation, and beside it, or in a drawer where it is narrow, what is around it.

import { Badge, Button, Drawer, Group, Text, Title, VisuallyHidden } from "@mantine/core";
import { useDisclosure, useDocumentTitle, useMediaQuery } from "@mantine/hooks";
import { useMemo, useRef, useState } from "react";
import { useRecords } from "../../lib/records.ts";
import { count } from "../../lib/format.ts";
import type { Message, Session, Task } from "../../lib/types.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { OnBoard } from "../boards/on-board.tsx";
import { Composer } from "./composer.tsx";
import { Conversation, type Scrolling } from "./conversation.tsx";
import { Another, Family, nameOf, type Way } from "./family.tsx";
import { growingItems, itemsOf, resultsOf } from "./items.ts";
import { Status, isBusy } from "./status.tsx";
import { useGrowing } from "./streams.ts";
import { Tasks } from "./tasks.tsx";
import styles from "./session.module.css";

export function View({ session }: { session: Session }) {
  const id = session.session_id;
  const name = nameOf(session);
  useDocumentTitle(`${name} – Roost`);
  const scrolling = useRef<Scrolling>(null);
  const [way, setWay] = useState<Way>();
  const [isOpen, { open, close }] = useDisclosure();
  const isWide = useMediaQuery("(min-width: 75em)", undefined, { getInitialValueInEffect: false });
  const tasks = useTasks(id);
  const show = (task: Task) => {
    close();
    scrolling.current?.toTask(task);
  };
  const around = (
    <>
      <Group justify="space-between" mb={4}>
        <Title order={3} size="sm">
          Family
        </Title>
        <Group gap={4}>
          <Button size="compact-xs" variant="default" onClick={() => setWay("fork")}>
            Fork
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => setWay("spawn")}>
            Spawn
          </Button>
        </Group>
      </Group>
      <Family session={session} />
      <Title order={3} size="sm" mt="md" mb={4}>
        Tasks
      </Title>
      {tasks.state === "failed" ? (
        <Failed what="The tasks" error={tasks.error} retry={() => tasks.reload().catch(() => {})} />
      ) : (
        <Tasks tasks={tasks.records} show={show} />
      )}
    </>
  );
  return (
    <div className={styles.page}>
      <Group className={styles.head} gap="xs" wrap="nowrap">
        <Title order={2} size="h4" className="cut" title={name}>
          {name}
        </Title>
        <Status status={session.status} />
        <OnBoard sessionId={id} />
        <Badge variant="default" size="sm" tt="none" visibleFrom="xs" miw="max-content">
          {session.agent}
        </Badge>
        <Text size="xs" c="dimmed" ml="auto" visibleFrom="sm" className="shrinkless">
          {session.tool_use_count > 0 && `${count(session.tool_use_count)} tool${session.tool_use_count === 1 ? "" : "s"} used`}
        </Text>
        {!isWide && (
          <Button size="xs" variant="default" onClick={open} className="shrinkless" ml={{ base: "auto", sm: 0 }}>
            Details
          </Button>
        )}
      </Group>
      <section className={styles.talk} aria-label="Conversation and prompt">
        <Talk session={session} tasks={tasks.byId} scrolling={scrolling} />
        <Composer session={session} />
      </section>
      {isWide ? (
        <aside className={styles.around} aria-label="Tasks and family" tabIndex={0}>
          {around}
        </aside>
      ) : (
        <Drawer lockScroll={false} opened={isOpen} onClose={close} position="right" title="Details" size="sm" closeButtonProps={{ "aria-label": "Close" }}>
          {around}
        </Drawer>
      )}
      <Another session={session} way={way} close={() => setWay(undefined)} />
      {/* Words that stream are not read aloud one by one; that they come, and that they are complete, is. */}
      <VisuallyHidden role="status">{SAYS[session.status] ?? ""}</VisuallyHidden>
    </div>
  );
}

const SAYS: Record<string, string> = {
  running: "The agent works.",
  stopping: "The agent is being stopped.",
  awaiting_permission: "The agent asks you something.",
  idle: "The agent has nothing to do.",
};

const useTasks = (id: string) =>
  useRecords<Task>(`tasks:${id}`, () => ({
    service: "tasks",
    id: "task_id",
    query: { session_id: id },
    sort: { created_at: 1 },
    accepts: ({ session_id }) => session_id === id,
    order: (a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0),
  }));

function Talk({ session, tasks, scrolling }: { session: Session; tasks: ReadonlyMap<string, Task>; scrolling: React.Ref<Scrolling> }) {
  const id = session.session_id;
  const isRunning = isBusy(session.status);
  const { records, byId, state, error, reload } = useRecords<Message>(`messages:${id}`, () => ({
    service: "messages",
    id: "message_id",
    // What waits is in the queue, below.
    query: { session_id: id, index: { $gte: 0 } },
    sort: { index: 1 },
    accepts: ({ session_id, index }) => session_id === id && index >= 0,
    order: (a, b) => a.index - b.index,
  }));
  const growing = useGrowing(id);
  const results = useMemo(() => resultsOf(records), [records]);
  const there = useMemo(() => itemsOf(records, tasks), [records, tasks]);
  const items = useMemo(() => {
    const more = growingItems(growing, byId, tasks, isRunning, there.at(-1));
    return more.length > 0 ? [...there, ...more] : there;
  }, [growing, byId, tasks, isRunning, there]);
  if (state === "loading") return <div className={styles.frame}><Loading /></div>;
  if (state === "failed" && records.length === 0) {
    return <div className={styles.frame}><Failed what="The conversation" error={error} retry={() => reload().catch(() => {})} /></div>;
  }
  if (items.length === 0) {
    return (
      <div className={styles.frame}>
        <Empty title="Nothing was said yet">Write below what the agent should do. Everybody who may see this session sees it.</Empty>
      </div>
    );
  }
  return <Conversation items={items} results={results} tasks={tasks} isRunning={isRunning} scrolling={scrolling} />;
}
