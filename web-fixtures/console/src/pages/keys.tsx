// Who is in, and the keys with which programs come in.

import { Badge, Button, Code, Group, Paper, Stack, Table, Text, Title, VisuallyHidden } from "@mantine/core";
import { useState } from "react";
import { time } from "../lib/format.ts";
import { useLogin, type User } from "../lib/logins.ts";
import { useRecords } from "../lib/records.ts";
import { logOut } from "../lib/session.ts";
import type { ApiKey } from "../lib/types.ts";
import { Empty, Failed, Loading } from "../parts/states.tsx";
import { NewKey } from "./keys/new-key.tsx";
import { Revoke } from "./keys/revoke.tsx";

export default function Keys() {
  const { state, user } = useLogin();
  const isAdmin = state === "open" || user?.role === "admin" || user?.role === "owner";
  const keys = useRecords<ApiKey>("api-keys", () => ({
    service: "api-keys",
    id: "id",
    order: (a, b) => b.created_at.localeCompare(a.created_at),
  }));
  const users = useRecords<User>(isAdmin ? "users" : undefined, () => ({ service: "users", id: "user_id" }));
  return (
    <Stack maw={1_100}>
      <Title order={2}>API keys</Title>
      <Who />
      <Text size="sm" maw={720}>
        A program that has no password comes in with a key, in its user's name: as <Code>Authorization: Bearer ap_…</Code>, as{" "}
        <Code>X-API-Key</Code>, or as <Code>auth: {"{"}token{"}"}</Code> on a socket. A key never may more than its user.
      </Text>
      <NewKey users={isAdmin ? users : undefined} made={keys.reload} />
      {keys.state === "loading" ? (
        <Loading />
      ) : keys.state === "failed" ? (
        <Failed what="The keys" error={keys.error} retry={() => keys.reload().catch(() => {})} />
      ) : keys.records.length === 0 ? (
        <Empty title="There are no keys">Make one for each program that calls the daemon, so that each can be shut out by itself.</Empty>
      ) : (
        <List keys={keys.records} users={users.byId} withUsers={isAdmin} revoked={keys.reload} />
      )}
    </Stack>
  );
}

/** Who looks at this. */
function Who() {
  const { state, user } = useLogin();
  const [busy, setBusy] = useState(false);
  if (state !== "in" || !user) {
    return (
      <Paper withBorder p="sm">
        <Text fw={600}>This daemon is open</Text>
        <Text size="sm" maw={720}>
          It asks nobody who they are: whoever reaches it may do everything, without any key. Keys count once it is started with{" "}
          <Code>AUTH=required</Code>. They can be made now for the accounts that there are.
        </Text>
      </Paper>
    );
  }
  return (
    <Paper withBorder p="sm">
      <Group justify="space-between">
        <div>
          <Text fw={600} className="cut">
            {user.emoji} {user.name ?? user.email}
          </Text>
          <Text size="sm">
            Logged in as {user.email}, {user.role}
          </Text>
        </div>
        <Button
          variant="default"
          loading={busy}
          onClick={() => {
            setBusy(true);
            void logOut();
          }}
        >
          Log out
        </Button>
      </Group>
    </Paper>
  );
}

interface ListProps {
  keys: readonly ApiKey[];
  users: ReadonlyMap<string, User>;
  withUsers: boolean;
  revoked: () => Promise<void>;
}

function List({ keys, users, withUsers, revoked }: ListProps) {
  const [asked, setAsked] = useState<ApiKey>();
  return (
    <>
      <Table.ScrollContainer minWidth={720} scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": "API keys" } }}>
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Key</Table.Th>
              <Table.Th>May</Table.Th>
              {withUsers && <Table.Th>User</Table.Th>}
              <Table.Th>Made</Table.Th>
              <Table.Th>Used last</Table.Th>
              <Table.Th>Expires</Table.Th>
              <Table.Th>
                <VisuallyHidden>What can be done</VisuallyHidden>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {keys.map((key) => (
              <Table.Tr key={key.id} data-key={key.id}>
                <Table.Td>{key.name}</Table.Td>
                <Table.Td>
                  <Code>{key.prefix}…</Code>
                </Table.Td>
                <Table.Td>
                  {key.scopes.map((scope) => (
                    <Badge key={scope} variant="default" tt="none">
                      {scope}
                    </Badge>
                  ))}
                </Table.Td>
                {withUsers && <Table.Td>{users.get(key.user_id)?.email ?? key.user_id}</Table.Td>}
                <Table.Td>{time(key.created_at)}</Table.Td>
                <Table.Td>{key.last_used_at ? time(key.last_used_at) : "never"}</Table.Td>
                <Table.Td>
                  <Expiry at={key.expires_at} />
                </Table.Td>
                <Table.Td>
                  <Button size="compact-sm" variant="default" onClick={() => setAsked(key)} aria-label={`Revoke ${key.name}`}>
                    Revoke
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      <Revoke apiKey={asked} close={() => setAsked(undefined)} revoked={revoked} />
    </>
  );
}

function Expiry({ at }: { at: string | null | undefined }) {
  if (!at) return "never";
  if (new Date(at) > new Date()) return time(at);
  return (
    <Badge color="red" variant="filled" autoContrast tt="none">
      expired
    </Badge>
  );
}
