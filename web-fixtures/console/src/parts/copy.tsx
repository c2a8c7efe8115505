// Copies a text.

import { Button, type ButtonProps } from "@mantine/core";
import { useState } from "react";

interface Props extends ButtonProps {
  text: string;
  /** What is copied, as in `Copy the key`. */
  what: string;
}

export function Copy({ text, what, ...props }: Props) {
  const [state, setState] = useState<"ready" | "copied" | "failed">("ready");
  const copy = async () => {
    const done = await toClipboard(text);
    setState(done ? "copied" : "failed");
    window.setTimeout(() => setState("ready"), 2_000);
  };
  const words = { ready: `Copy ${what}`, copied: "Copied", failed: "Select it and copy it by hand" };
  return (
    <Button size="compact-sm" variant="default" onClick={() => void copy()} {...props}>
      <span aria-live="polite">{words[state]}</span>
    </Button>
  );
}

/** Pages that are not from this machine nor encrypted have no clipboard: there it is done as of old. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const { activeElement } = document;
    const area = document.createElement("textarea");
    area.value = text;
    // In a dialog, only what is in it can be selected.
    (activeElement?.closest('[role="dialog"]') ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (activeElement instanceof HTMLElement) activeElement.focus();
    return done;
  }
}
