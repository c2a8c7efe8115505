// Where a session comes from and what came of it, and how to have another come of it.

import { Alert, Anchor, Button, Group, Modal, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useEffect, useState, type FormEvent, type ReactNode } from "react";
import { useLocation } from "wouter";
import { onReset, service } from "../../lib/daemon.ts";
import { useRecords } from "../../lib/records.ts";
import type { Session } from "../../lib/types.ts";
import { Status } from "./status.tsx";
import styles from "./session.module.css";

export const nameOf = ({ title, description, session_id }: Session): string =>
  title || description || `Session ${session_id.slice(0, 8)}`;

/** The ids of a session's family: ancestors, the oldest first, and children. */
interface Ids {
  ancestors: string[];
  children: string[];
}

function useFamily(session: Session) {
  const id = session.session_id;
  const [ids, setIds] = useState<Ids>({ ancestors: [], children: [] });
  const children = session.genealogy?.children?.join() ?? "";
  useEffect(() => {
    let wanted = true;
    const read = async () => {
      try {
        const found: { ancestors: Session[]; children: Session[] } = await service(`sessions/${id}/genealogy`).find();
        const idsOf = (sessions: Session[]) => sessions.map(({ session_id }) => session_id);
        if (wanted) setIds({ ancestors: idsOf(found.ancestors).reverse(), children: idsOf(found.children) });
      } catch {
        // What was known stays; the session itself says where it is gone.
      }
    };
    void read();
    const off = onReset(read);
    return () => {
      wanted = false;
      off();
    };
  }, [id, children]);
  const all = [...ids.ancestors, ...ids.children];
  const { byId } = useRecords<Session>(all.length > 0 ? `family:${all.join()}` : undefined, () => ({
    service: "sessions",
    id: "session_id",
    query: { session_id: { $in: all } },
    accepts: ({ session_id }) => all.includes(session_id),
  }));
  const there = (ids: string[]) => ids.map((id) => byId.get(id)).filter((one) => one !== undefined);
  return { ancestors: there(ids.ancestors), children: there(ids.children) };
}

export function Family({ session }: { session: Session }) {
  const { ancestors, children } = useFamily(session);
  if (ancestors.length === 0 && children.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        A fork goes on from here by itself; a spawned session works for this one. There are none yet.
      </Text>
    );
  }
  const [first, ...rest] = [...ancestors, session];
  return (
    <ul className={styles.tree}>
      <Branch session={first ?? session} rest={rest} last={children} here={session.session_id} />
    </ul>
  );
}

/** A session, with those below it. */
function Branch({ session, rest, last, here }: { session: Session; rest: Session[]; last: Session[]; here: string }) {
  const { session_id, status, genealogy } = session;
  const how = genealogy?.forked_from_session_id ? "fork" : genealogy?.parent_session_id ? "spawned" : undefined;
  const [next, ...others] = rest;
  const below: ReactNode = next ? (
    <Branch session={next} rest={others} last={last} here={here} />
  ) : (
    last.map((child) => <Branch key={child.session_id} session={child} rest={[]} last={[]} here={here} />)
  );
  return (
    <li>
      <span className={styles.branch}>
        {session_id === here ? (
          <Text span size="sm" fw={600} className="cut" aria-current="page">
            {nameOf(session)}
          </Text>
        ) : (
          <Anchor href={`#/sessions/${session_id}`} size="sm" className="cut">
            {nameOf(session)}
          </Anchor>
        )}
        <Status status={status} />
        {how && (
          <Text span size="xs" c="dimmed">
            {how}
          </Text>
        )}
      </span>
      {(next || last.length > 0) && <ul>{below}</ul>}
    </li>
  );
}

export type Way = "fork" | "spawn";

/** Asks with what another session begins, makes it, and goes there. */
export function Another({ session, way, close }: { session: Session; way: Way | undefined; close: () => void }) {
  const [, go] = useLocation();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const prompt = String(form.get("prompt")).trim();
    const agent = String(form.get("agent") ?? "").trim();
    setBusy(true);
    setError(undefined);
    try {
      const made: Session = await service(`sessions/${session.session_id}/${way}`).create({ prompt, ...(agent && { agent }) });
      await service(`sessions/${made.session_id}/prompt`).create({ prompt });
      close();
      go(`/sessions/${made.session_id}`);
    } catch (error) {
      setError((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <Modal lockScroll={false} opened={way !== undefined} onClose={close} title={way === "spawn" ? "Spawn a session" : "Fork this session"} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {way === "spawn"
              ? "Another session works for this one, with a conversation of its own."
              : "Another session begins with the same agent, repository and boards."}
          </Text>
          <Textarea name="prompt" label="Prompt" required withAsterisk={false} autosize minRows={3} maxRows={10} data-autofocus />
          {way === "spawn" && <TextInput name="agent" label="Agent" placeholder={session.agent} description="The same, if you say nothing" />}
          {error && (
            <Alert color="red" role="alert" p="xs">
              {error}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              {way === "spawn" ? "Spawn" : "Fork"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
