// What is done with a swarm as a whole: start, pause, stop, remove.

import { Button, Checkbox, Group, Text } from "@mantine/core";
import { useState } from "react";
import { useLocation } from "wouter";
import { service } from "../../lib/daemon.ts";
import { Confirm } from "../../parts/confirm.tsx";

interface Props {
  name: string;
  status: string;
  reload: () => void;
}

type Asked = "stop" | "restart" | "remove";

const DOES: Record<Asked, string> = { stop: "Stop it", restart: "Start it anew", remove: "Remove it" };

export function Steer({ name, status, reload }: Props) {
  const [asked, setAsked] = useState<Asked>();
  const [all, setAll] = useState(false);
  const [busy, setBusy] = useState<string>();
  const [refused, setRefused] = useState<string>();
  const [, go] = useLocation();
  const tell = async (what: string) => {
    setBusy(what);
    setRefused(undefined);
    try {
      await service(`swarms/${name}/${what}`).create({});
    } catch (error) {
      setRefused((error as Error).message);
    }
    setBusy(undefined);
    reload();
  };
  const ask = (what: Asked) => {
    setAll(false);
    setAsked(what);
  };
  const run = async () => {
    if (asked === "stop") await service(`swarms/${name}/stop`).create({});
    else if (asked === "restart") await service(`swarms/${name}/restart`).create({ delete: all });
    else {
      await service("swarms").remove(name, { query: all ? { purge: true } : {} });
      if (all) return go("/swarms");
    }
    reload();
  };
  const simple = (what: string, label: string) => (
    <Button size="xs" variant="default" loading={busy === what} onClick={() => void tell(what)}>
      {label}
    </Button>
  );
  const on = status === "running" || status === "paused";
  return (
    <Group gap="xs">
      {status === "running" && simple("pause", "Pause")}
      {status === "paused" && simple("resume", "Resume")}
      {status === "stopped" && simple("start", "Start")}
      {on && (
        <>
          <Button size="xs" variant="default" onClick={() => ask("stop")}>
            Stop
          </Button>
          <Button size="xs" variant="default" onClick={() => ask("restart")}>
            Restart
          </Button>
        </>
      )}
      <Button size="xs" variant="default" onClick={() => ask("remove")}>
        Remove
      </Button>
      {refused && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert">
          {refused}
        </Text>
      )}
      <Confirm title={asked && `${{ stop: "Stop", restart: "Restart", remove: "Remove" }[asked]} ${name}?`} does={asked ? DOES[asked] : ""} run={run} close={() => setAsked(undefined)}>
        {asked === "stop" && "Its agents end where they are. What waits for them is kept, and goes on with the next start."}
        {asked === "restart" && (
          <>
            <p>Its agents end, and begin again with what waits for them.</p>
            <Checkbox label="Forget what waits for them" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          </>
        )}
        {asked === "remove" && (
          <>
            <p>It is stopped, and stays in the list until it is forgotten.</p>
            <Checkbox label="Forget it with its sessions and events, for good" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          </>
        )}
      </Confirm>
    </Group>
  );
}
