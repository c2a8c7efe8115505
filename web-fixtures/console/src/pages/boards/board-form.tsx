// Makes a board, or changes what one is called, looks like and is seen by.

import { Alert, Button, ColorInput, Group, Stack, Switch, Text, TextInput, Textarea } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { service } from "../../lib/daemon.ts";
import { useLogin } from "../../lib/logins.ts";
import type { Board } from "../../lib/types.ts";
import { Dialog } from "./dialog.tsx";
import css from "./boards.module.css";

interface Props {
  opened: boolean;
  close: () => void;
  /** The board that is changed; none where one is made. */
  board?: Board;
  /** Whether whoever is in says who sees it. */
  manages?: boolean;
  made?: (board: Board) => void;
}

/** Signs that every font has. */
const ICONS = ["★", "◆", "●", "▲", "♣", "✿", "⚑", "⚙"];
const COLOURS = ["#1677ff", "#0b7285", "#2b8a3e", "#e67700", "#c92a2a", "#a61e4d", "#6741d9", "#495057"];

export function BoardForm(props: Props) {
  const { opened, close, board } = props;
  return (
    <Dialog opened={opened} onClose={close} title={board ? "Change the board" : "New board"}>
      <Fields {...props} />
    </Dialog>
  );
}

function Fields({ board, close, made, manages = true }: Props) {
  const [name, setName] = useState(board?.name ?? "");
  const [description, setDescription] = useState(board?.description ?? "");
  const [icon, setIcon] = useState(board?.icon ?? "★");
  const [color, setColor] = useState(board?.color ?? "#1677ff");
  const [isPrivate, setPrivate] = useState(board?.visibility === "private");
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string>();
  const open = useLogin(({ state }) => state === "open");

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const visibility = isPrivate ? "private" : "public";
    const data = { name: name.trim(), description: description.trim() || null, icon, color };
    // Only who may is to say who sees it.
    const seen = (board?.visibility ?? "public") === visibility ? {} : { visibility };
    try {
      const boards = service("boards");
      const saved: Board = board ? await boards.patch(board.board_id, { ...data, ...seen }) : await boards.create({ ...data, ...seen });
      close();
      made?.(saved);
    } catch (error) {
      setRefused((error as Error).message);
      setBusy(false);
    }
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        {refused && (
          <Alert color="red" role="alert">
            {refused}
          </Alert>
        )}
        <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} required maxLength={120} data-autofocus />
        <Textarea label="What it is for" value={description} onChange={(event) => setDescription(event.currentTarget.value)} autosize minRows={2} maxRows={5} />
        <div role="radiogroup" aria-label="Icon">
          <Text size="sm" fw={500} mb={4} aria-hidden>
            Icon
          </Text>
          <Group gap={4}>
            {ICONS.map((one) => (
              <label key={one} className={css.icon}>
                <input type="radio" name="icon" checked={icon === one} onChange={() => setIcon(one)} aria-label={`Icon ${one}`} />
                <span aria-hidden>{one}</span>
              </label>
            ))}
          </Group>
        </div>
        <ColorInput label="Colour" value={color} onChange={setColor} swatches={COLOURS} withPicker={false} withEyeDropper={false} closeOnColorSwatchClick format="hex" />
        <Switch
          label="Private"
          description={open ? "Only its members see it; while this daemon asks nobody who they are, that is everybody here." : "Only its members see it, and what is on it."}
          checked={isPrivate}
          disabled={!manages}
          onChange={(event) => setPrivate(event.currentTarget.checked)}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={!name.trim()}>
            {board ? "Save" : "Create"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
