// Makes a key, and shows it this once.

import { Alert, Button, Code, Group, Modal, Paper, Select, SimpleGrid, Stack, Text, TextInput, Title } from "@mantine/core";
import { useRef, useState, type FormEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { useLogin, type User } from "../../lib/logins.ts";
import type { Records } from "../../lib/records.ts";
import type { ApiKey } from "../../lib/types.ts";
import { Copy } from "../../parts/copy.tsx";

const SCOPES = [
  { value: "read", label: "See only" },
  { value: "write", label: "Work, as a member does" },
  { value: "admin", label: "Everything its user may" },
];

const HOUR = 3_600_000;
const TIMES = [
  { value: "0", label: "Never" },
  { value: String(HOUR), label: "In an hour" },
  { value: String(24 * HOUR), label: "In a day" },
  { value: String(30 * 24 * HOUR), label: "In 30 days" },
  { value: String(90 * 24 * HOUR), label: "In 90 days" },
  { value: String(365 * 24 * HOUR), label: "In a year" },
];

interface Props {
  /** Whose key it may be, for who may choose. */
  users: Records<User> | undefined;
  made: () => Promise<void>;
}

export function NewKey({ users, made }: Props) {
  const { state, user } = useLogin();
  const form = useRef<HTMLFormElement>(null);
  const [scope, setScope] = useState<string | null>("write");
  const [lasts, setLasts] = useState<string | null>("0");
  const [owner, setOwner] = useState<string | null>(user?.user_id ?? null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string>();
  const [key, setKey] = useState<ApiKey & { key: string }>();
  if (state === "open" && users?.state === "ready" && users.records.length === 0) {
    return (
      <Text size="sm">
        A key is an account's, and there is none yet: make one with <Code>roost user create</Code>.
      </Text>
    );
  }
  const only = users?.records.length === 1 ? users.records[0]?.user_id : undefined;
  const whose = owner ?? only ?? null;
  const create = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    setBusy(true);
    setRefused(undefined);
    try {
      const expires_at = Number(lasts) > 0 ? new Date(Date.now() + Number(lasts)).toISOString() : undefined;
      const data = { name, scopes: [scope], ...(expires_at && { expires_at }), ...(whose && { user_id: whose }) };
      setKey(await service("api-keys").create(data));
      form.current?.reset();
      await made().catch(() => {});
    } catch (error) {
      setRefused((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  const people = users?.records.map(({ user_id, email }) => ({ value: user_id, label: email }));
  return (
    <Paper withBorder p="sm" component="form" ref={form} onSubmit={create} aria-labelledby="new-key">
      <Title order={3} size="h5" id="new-key" mb="xs">
        New key
      </Title>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: people ? 4 : 3 }} spacing="sm">
        <TextInput name="name" label="Name" placeholder="What uses it" required maxLength={200} autoComplete="off" />
        <Select label="It may" data={SCOPES} value={scope} onChange={setScope} allowDeselect={false} />
        <Select label="It expires" data={TIMES} value={lasts} onChange={setLasts} allowDeselect={false} />
        {people && <Select label="User" data={people} value={whose} onChange={setOwner} allowDeselect={false} searchable required />}
      </SimpleGrid>
      {refused && (
        <Alert color="red" mt="sm" role="alert">
          {refused}
        </Alert>
      )}
      <Button type="submit" loading={busy} mt="sm">
        Make a key
      </Button>
      <Made apiKey={key} close={() => setKey(undefined)} />
    </Paper>
  );
}

/** The key itself, which nobody sees again. */
function Made({ apiKey, close }: { apiKey: (ApiKey & { key: string }) | undefined; close: () => void }) {
  const call = `curl -H 'X-API-Key: ${apiKey?.key}' ${window.location.origin}/sessions`;
  return (
    <Modal
      opened={apiKey !== undefined}
      onClose={close}
      title="The key is made"
      size="lg"
      centered
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      {apiKey && (
        <Stack gap="sm">
          <Alert color="yellow">This is the only time that it is shown. Who has it may what {apiKey.name} may.</Alert>
          <Code block className="breaks" data-new-key>
            {apiKey.key}
          </Code>
          <Group gap="xs">
            <Copy text={apiKey.key} what="the key" data-autofocus />
            <Copy text={call} what="a call with it" />
          </Group>
          <Text size="sm">For example:</Text>
          <Code block className="breaks">
            {call}
          </Code>
          <Group justify="flex-end">
            <Button onClick={close}>I have kept it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
