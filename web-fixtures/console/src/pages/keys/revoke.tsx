// Asks before a key is revoked.

import { Alert, Button, Code, Group, Modal, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { service } from "../../lib/daemon.ts";
import type { ApiKey } from "../../lib/types.ts";

interface Props {
  apiKey: ApiKey | undefined;
  close: () => void;
  revoked: () => Promise<void>;
}

export function Revoke({ apiKey, close, revoked }: Props) {
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string>();
  useEffect(() => setRefused(undefined), [apiKey]);
  const revoke = async () => {
    if (!apiKey) return;
    setBusy(true);
    try {
      await service("api-keys").remove(apiKey.id);
      close();
      await revoked().catch(() => {});
    } catch (error) {
      setRefused((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={apiKey !== undefined} onClose={close} title="Revoke this key?" centered closeButtonProps={{ "aria-label": "Close" }}>
      {apiKey && (
        <Text size="sm">
          <b>{apiKey.name}</b> (<Code>{apiKey.prefix}…</Code>) is refused from now on, and what came in with it is cut off at once. This
          cannot be undone.
        </Text>
      )}
      {refused && (
        <Alert color="red" mt="sm" role="alert">
          {refused}
        </Alert>
      )}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={close} data-autofocus>
          Keep it
        </Button>
        <Button color="red" loading={busy} onClick={() => void revoke()}>
          Revoke
        </Button>
      </Group>
    </Modal>
  );
}
