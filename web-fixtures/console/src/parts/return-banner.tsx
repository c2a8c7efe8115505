// Says that the connection is back, and what came of what was missed; goes by itself.

import { Affix, Alert } from "@mantine/core";
import { useEffect, useState } from "react";
import { useConnection, type Return } from "../lib/daemon.ts";
import { isWhole, sentence } from "../lib/returns.ts";

/** How long it stays, in milliseconds. */
const STAYS = 8_000;

export function ReturnBanner() {
  const newest = useConnection(({ returns }) => returns[0]);
  const [seen, setSeen] = useState<Return>();
  const shown = newest !== seen ? newest : undefined;
  const stays = shown !== undefined && isWhole(shown);
  useEffect(() => {
    if (!stays) return;
    const timer = window.setTimeout(() => setSeen(shown), STAYS);
    return () => window.clearTimeout(timer);
  }, [shown, stays]);
  // What is said is told to who does not see it, so the place for it is always there.
  return (
    <Affix position={{ bottom: 16, left: 16, right: 16 }} withinPortal={false} style={{ pointerEvents: "none" }}>
      <div role="status">
        {shown && (
          <Alert
            variant="filled"
            color={shown.reset || !stays ? "yellow" : "teal"}
            autoContrast
            p="xs"
            maw={560}
            mx="auto"
            style={{ pointerEvents: "auto" }}
            withCloseButton
            closeButtonLabel="Close"
            onClose={() => setSeen(shown)}
            data-return={shown.reset ?? "whole"}
          >
            {sentence(shown)}
          </Alert>
        )}
      </div>
    </Affix>
  );
}
