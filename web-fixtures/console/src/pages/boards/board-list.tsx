// All boards, to pick one.

import { Anchor, Badge, Button, Card, Group, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { useLocation } from "wouter";
import { count } from "../../lib/format.ts";
import type { Board } from "../../lib/types.ts";
import { Empty, Failed, Loading } from "../../parts/states.tsx";
import { BoardForm } from "./board-form.tsx";
import css from "./boards.module.css";
import { useMayWork } from "./people.tsx";
import { colourOf, signOf, useBoards } from "./use-boards.ts";

/** Boards that are shown at first, and more on demand. */
const PAGE = 60;
/** Boards from which on one looks for them by name. */
const MANY = 8;

export function BoardList() {
  const { records, state, error, reload } = useBoards();
  const [wanted, setWanted] = useState("");
  const [most, setMost] = useState(PAGE);
  const [making, { open, close }] = useDisclosure();
  const [, go] = useLocation();
  const mayWork = useMayWork();
  const fitting = records.filter(({ name }) => name.toLowerCase().includes(wanted.toLowerCase()));

  return (
    <Stack>
      <Group justify="space-between">
        <Title order={2}>Boards</Title>
        {mayWork && <Button onClick={open}>New board</Button>}
      </Group>
      {records.length >= MANY && (
        <TextInput label="Find a board" placeholder="Its name" value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} maw={360} />
      )}
      {state === "loading" && <Loading />}
      {state === "failed" && <Failed what="The boards" error={error} retry={reload} />}
      {state === "ready" && fitting.length === 0 && (
        <Empty title={wanted ? "No board is called so" : "There is no board yet"}>
          {!wanted && "A board holds the sessions that a team looks at together. Make one to begin."}
        </Empty>
      )}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3, xl: 5 }} component="ul" className={css.plain ?? ""}>
        {fitting.slice(0, most).map((board) => (
          <BoardCard key={board.board_id} board={board} />
        ))}
      </SimpleGrid>
      {fitting.length > most && (
        <Button variant="default" onClick={() => setMost(most + PAGE)}>
          Show more of {count(fitting.length)} boards
        </Button>
      )}
      <BoardForm opened={making} close={close} made={({ board_id }) => go(`/boards/${board_id}`)} />
    </Stack>
  );
}

function BoardCard({ board }: { board: Board }) {
  const { sessions, name, description, visibility } = board;
  return (
    <Card component="li" withBorder padding="md" className={css.board ?? ""}>
      <Group wrap="nowrap" align="flex-start">
        <Sign board={board} />
        <Stack gap={2} miw={0} flex={1}>
          <Group gap="xs" wrap="nowrap">
            <Anchor href={`#/boards/${board.board_id}`} fw={600} c="inherit" className={`cut ${css.whole}`}>
              {name}
            </Anchor>
            {visibility === "private" && (
              <Badge variant="default" size="sm" className={css.fixed ?? ""}>
                private
              </Badge>
            )}
          </Group>
          <Text size="sm" c="dimmed">
            {sessions.length === 1 ? "1 session" : `${count(sessions.length)} sessions`}
          </Text>
          {description && (
            <Text size="sm" lineClamp={2}>
              {description}
            </Text>
          )}
        </Stack>
      </Group>
    </Card>
  );
}

/** A board's sign in its colour. */
export function Sign({ board, small }: { board: Board; small?: boolean }) {
  return (
    <span className={css.sign} data-small={small} style={{ "--sign": colourOf(board) }} aria-hidden>
      {signOf(board)}
    </span>
  );
}
