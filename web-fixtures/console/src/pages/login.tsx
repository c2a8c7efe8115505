// Who comes in says who they are, where the daemon asks.

import { Alert, Button, Center, Code, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useRef, useState, type FormEvent } from "react";
import { ConnectionBadge } from "../parts/connection-badge.tsx";
import { useConnection } from "../lib/daemon.ts";
import { useLogin } from "../lib/logins.ts";
import { logIn } from "../lib/session.ts";

export function Login() {
  useDocumentTitle("Log in – Roost");
  const { why, user } = useLogin();
  const away = useConnection(({ state }) => state === "offline");
  const [refused, setRefused] = useState<string>();
  const [busy, setBusy] = useState(false);
  const password = useRef<HTMLInputElement>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setRefused(undefined);
    try {
      await logIn(String(form.get("email")).trim(), String(form.get("password")));
    } catch (error) {
      setRefused((error as Error).message);
      setBusy(false);
      password.current?.select();
    }
  };
  return (
    <Center mih="100dvh" component="main" p="md">
      <Paper withBorder p="xl" w="100%" maw={380} component="form" onSubmit={submit} aria-labelledby="login">
        <Stack>
          <Title order={1} size="h3" id="login">
            Log in to Roost
          </Title>
          {why && !refused && (
            <Alert color="teal" role="status" title="You were logged out">
              {why}
            </Alert>
          )}
          {refused && (
            <Alert color="red" role="alert" title="That did not work">
              {refused}
            </Alert>
          )}
          <TextInput
            name="email"
            type="email"
            label="Email"
            autoComplete="username"
            required
            withAsterisk={false}
            defaultValue={user?.email ?? ""}
            autoFocus={!user}
          />
          <PasswordInput
            ref={password}
            name="password"
            label="Password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            autoFocus={!!user}
          />
          <Button type="submit" loading={busy} disabled={away}>
            Log in
          </Button>
          <Text size="sm" c="dimmed">
            No account yet? An admin makes one with <Code>roost user create</Code>.
          </Text>
          <div>
            <ConnectionBadge />
          </div>
        </Stack>
      </Paper>
    </Center>
  );
}
