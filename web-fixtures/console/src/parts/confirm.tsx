// Asks before something that cannot be taken back.

import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";

interface Props {
  /** The question; nothing is asked without. */
  title: string | undefined;
  /** What the button says. */
  does: string;
  children?: ReactNode;
  /** What is done; what it throws is shown. */
  run: () => Promise<unknown>;
  close: () => void;
}

export function Confirm({ title, does, children, run, close }: Props) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  useEffect(() => setError(undefined), [title]);
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
      close();
    } catch (thrown) {
      setError((thrown as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={title !== undefined} onClose={close} title={title} centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack>
        <Text size="sm" component="div">
          {children}
        </Text>
        {error && (
          <Alert color="red" role="alert">
            {error}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Cancel
          </Button>
          <Button color="red" loading={busy} onClick={() => void go()}>
            {does}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
