// What stands where there is nothing to show, or something went wrong.

import { Alert, Button, Center, Loader, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Center mih={160}>
      <Stack align="center" gap={4} maw={420} ta="center">
        <Text fw={600}>{title}</Text>
        <Text size="sm" c="dimmed" component="div">
          {children}
        </Text>
      </Stack>
    </Center>
  );
}

export function Failed({ what, error, retry }: { what: string; error?: Error | undefined; retry?: () => unknown }) {
  return (
    <Alert color="red" title={`${what} could not be read`} role="alert">
      <Text size="sm">{error?.message ?? "The daemon did not say why."}</Text>
      {retry && (
        <Button mt="sm" size="xs" variant="default" onClick={() => void retry()}>
          Try again
        </Button>
      )}
    </Alert>
  );
}

export function Loading() {
  return (
    <Center mih={160}>
      <Loader role="status" aria-label="Loading" />
    </Center>
  );
}
