// A board's head: which it is, who is here, and what can be done with it.

import { Badge, Button, Group, Menu, Select, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ReactNode } from "react";
import { useLocation } from "wouter";
import { service } from "../../lib/daemon.ts";
import type { Board } from "../../lib/types.ts";
import { Dialog } from "./dialog.tsx";
import { BoardForm } from "./board-form.tsx";
import { Sign } from "./board-list.tsx";
import css from "./boards.module.css";
import { Members, useManages } from "./members.tsx";
import { NewSession } from "./new-session.tsx";
import { useMayWork } from "./people.tsx";
import { Roster } from "./roster.tsx";

interface Props {
  board: Board;
  boards: readonly Board[];
  attempt: (work: Promise<unknown>) => Promise<boolean>;
  select: (sessionId: string) => void;
  children: ReactNode;
}

export function BoardHead({ board, boards, attempt, select, children }: Props) {
  const [, go] = useLocation();
  const [making, make] = useDisclosure();
  const [changing, change] = useDisclosure();
  const [members, admit] = useDisclosure();
  const [removing, drop] = useDisclosure();
  const mayWork = useMayWork();
  const manages = useManages(board);
  const isPrivate = board.visibility === "private";

  const remove = async () => {
    drop.close();
    if (await attempt(service("boards").remove(board.board_id))) go("/boards");
  };

  return (
    <Group justify="space-between" gap="xs" className={css.fixed ?? ""}>
      <Group gap="xs" wrap="nowrap" miw={0}>
        <Sign board={board} small />
        <Title order={2} className={css.hidden ?? ""}>
          {board.name}
        </Title>
        <Select
          aria-label="Board"
          data={boards.map(({ board_id, name }) => ({ value: board_id, label: name }))}
          value={board.board_id}
          onChange={(id) => id && go(`/boards/${id}`)}
          searchable
          limit={50}
          allowDeselect={false}
          nothingFoundMessage="No board is called so"
          w={200}
          comboboxProps={{ width: "max-content", position: "bottom-start" }}
        />
        {isPrivate && <Badge variant="default">private</Badge>}
      </Group>
      <Roster />
      <Group gap="xs" ml="auto">
        {children}
        {mayWork && (
          <Button size="xs" onClick={make.open}>
            New session
          </Button>
        )}
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="xs" variant="default" aria-label="More to do with the board">
              ⋯
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {mayWork && <Menu.Item onClick={change.open}>Change the board</Menu.Item>}
            <Menu.Item onClick={admit.open}>Members</Menu.Item>
            {mayWork && (manages || !isPrivate) && (
              <Menu.Item onClick={drop.open} color="red">
                Remove the board
              </Menu.Item>
            )}
          </Menu.Dropdown>
        </Menu>
      </Group>
      <NewSession board={board} opened={making} close={make.close} made={select} />
      <BoardForm board={board} manages={manages} opened={changing} close={change.close} />
      <Members board={board} manages={manages} opened={members} close={admit.close} />
      <Dialog opened={removing} onClose={drop.close} title={`Remove “${board.name}”?`}>
        <Stack>
          <Text size="sm">
            {isPrivate
              ? "A private board is removed when no session is on it any more."
              : "Its sessions stay, on no board. Who looks at it now is told that it is gone."}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={drop.close} data-autofocus>
              Cancel
            </Button>
            <Button color="red" onClick={() => void remove()}>
              Remove
            </Button>
          </Group>
        </Stack>
      </Dialog>
    </Group>
  );
}
