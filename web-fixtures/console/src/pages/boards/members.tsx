// Who sees a private board, and who says so.

import { Alert, Button, Drawer, Group, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { service } from "../../lib/daemon.ts";
import { useLogin } from "../../lib/logins.ts";
import { useRecords } from "../../lib/records.ts";
import type { Board } from "../../lib/types.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import css from "./boards.module.css";
import { Face, useMayWork, useNames, useUsers } from "./people.tsx";
import { useBoards, type Member } from "./use-boards.ts";

/** The members of a board. */
const useMembers = ({ board_id }: Board) =>
  useRecords<Member>(`members of ${board_id}`, () => ({
    service: "board-members",
    id: "member_id",
    query: { board_id },
    sort: { created_at: 1 },
    accepts: (member) => member.board_id === board_id,
  }));

/** Whether whoever is in says who sees a board: its owners do, and admins. */
export function useManages(board: Board): boolean {
  const { state, user } = useLogin();
  const { records } = useMembers(board);
  if (state === "open" || user?.role === "admin" || user?.role === "owner") return true;
  return user?.role === "member" && records.some(({ user_id, role }) => user_id === user.user_id && role === "owner");
}

const ROLES = [
  { value: "member", label: "member" },
  { value: "owner", label: "owner" },
];

interface Props {
  board: Board;
  manages: boolean;
  opened: boolean;
  close: () => void;
}

export function Members(props: Props) {
  return (
    <Drawer opened={props.opened} onClose={props.close} position="right" title={`Members of “${props.board.name}”`} closeButtonProps={{ "aria-label": "Close" }}>
      <Inside {...props} />
    </Drawer>
  );
}

function Inside({ board, manages, close }: Props) {
  const { records, state, error, reload } = useMembers(board);
  const me = useLogin(({ user }) => user?.user_id);
  const open = useLogin(({ state }) => state === "open");
  const [refused, setRefused] = useState<string>();
  const attempt = (work: Promise<unknown>) =>
    work.then(
      () => setRefused(undefined),
      (error: Error) => setRefused(error.message),
    );
  const members = service("board-members");
  const { reload: readBoards } = useBoards();
  const remove = async ({ member_id, user_id }: Member) => {
    await attempt(members.remove(member_id));
    if (user_id !== me) return;
    close();
    // Who left a private board is told nothing of it any more.
    await readBoards().catch(() => {});
  };

  return (
    <Stack>
      <Text size="sm" c="dimmed">
        {board.visibility === "private"
          ? "The board is private: only its members, and admins, see it and what is on it."
          : "The board is public: everybody sees it. Members count once it is private."}
      </Text>
      {refused && (
        <Alert color="red" role="alert" withCloseButton closeButtonLabel="Close" onClose={() => setRefused(undefined)}>
          {refused}
        </Alert>
      )}
      {state === "loading" && <Loading />}
      {state === "failed" && <Failed what="The members" error={error} retry={reload} />}
      {state === "ready" && records.length === 0 && (
        <Empty title="The board has no members">
          {open ? "This daemon asks nobody who they are: whoever comes is its owner." : "Admins see it all the same."}
        </Empty>
      )}
      <ul className={css.plain} aria-label="Members">
        {records.map((member) => (
          <Row key={member.member_id} member={member} manages={manages} attempt={attempt} remove={() => void remove(member)} />
        ))}
      </ul>
      {manages ? <Add board={board} members={records} attempt={attempt} /> : <Text size="sm">The board's owners say who is on it.</Text>}
    </Stack>
  );
}

interface RowProps {
  member: Member;
  manages: boolean;
  attempt: (work: Promise<unknown>) => Promise<void>;
  remove: () => void;
}

function Row({ member: { member_id, user_id, role }, manages, attempt, remove }: RowProps) {
  const isMe = useLogin(({ user }) => user?.user_id === user_id);
  const mayWork = useMayWork();
  const name = useNames()(user_id);
  const change = (role: string | null) => void attempt(service("board-members").patch(member_id, { role }));
  return (
    <Group component="li" wrap="nowrap" gap="sm" py={6}>
      <Face userId={user_id} />
      <Text size="sm" className="cut" flex={1}>
        {name}
        {isMe && " (you)"}
      </Text>
      {manages ? (
        <Select size="xs" w={110} aria-label={`Role of ${name}`} data={ROLES} value={role} allowDeselect={false} onChange={change} />
      ) : (
        <Text size="sm" c="dimmed">
          {role}
        </Text>
      )}
      {(manages || (isMe && mayWork)) && (
        <Button size="xs" variant="default" aria-label={isMe ? "Leave the board" : `Remove ${name}`} onClick={remove}>
          {isMe ? "Leave" : "Remove"}
        </Button>
      )}
    </Group>
  );
}

function Add({ board, members, attempt }: { board: Board; members: readonly Member[]; attempt: (work: Promise<unknown>) => Promise<void> }) {
  const { records: users } = useUsers();
  const [userId, setUserId] = useState<string | null>(null);
  const [role, setRole] = useState<string | null>("member");
  const others = users.filter(({ user_id }) => !members.some((member) => member.user_id === user_id));
  if (others.length === 0) return <Text size="sm" c="dimmed">There is nobody else to add.</Text>;
  const add = async () => {
    await attempt(service("board-members").create({ board_id: board.board_id, user_id: userId, role }));
    setUserId(null);
  };
  return (
    <Group align="flex-end" gap="xs" wrap="nowrap">
      <Select
        label="Add somebody"
        placeholder="Who"
        flex={1}
        searchable
        limit={50}
        value={userId}
        onChange={setUserId}
        data={others.map(({ user_id, name, email }) => ({ value: user_id, label: name ? `${name} (${email})` : email }))}
        nothingFoundMessage="Nobody is called so"
      />
      <Select aria-label="Role" w={110} data={ROLES} value={role} onChange={setRole} allowDeselect={false} />
      <Button onClick={() => void add()} disabled={!userId}>
        Add
      </Button>
    </Group>
  );
}
