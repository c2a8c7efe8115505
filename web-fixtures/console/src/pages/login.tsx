// Who comes in says who they are, where the daemon asks.

import { Alert, Button, Center, Paper, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { ConnectionBadge } from "../parts/connection-badge.tsx";
import { useLogin } from "../lib/logins.ts";
import { logIn } from "../lib/session.ts";

export function Login() {
  const why = useLogin(({ why }) => why);
  const [refused, setRefused] = useState(why);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      await logIn(String(form.get("email")), String(form.get("password")));
    } catch (error) {
      setRefused((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <Center mih="100vh" component="main" p="md">
      <Paper withBorder p="xl" w={360} component="form" onSubmit={submit}>
        <Stack>
          <Title order={1} size="h3">
            Roost
          </Title>
          <Text size="sm" c="dimmed">
            This daemon asks who you are. An admin makes accounts with <code>roost user create</code>.
          </Text>
          {refused && (
            <Alert color="red" role="alert">
              {refused}
            </Alert>
          )}
          <TextInput name="email" type="email" label="Email" autoComplete="username" required autoFocus />
          <PasswordInput name="password" label="Password" autoComplete="current-password" required />
          <Button type="submit" loading={busy}>
            Log in
          </Button>
          <div>
            <ConnectionBadge />
          </div>
        </Stack>
      </Paper>
    </Center>
  );
}
