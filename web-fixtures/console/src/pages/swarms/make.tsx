// Makes a swarm: from a form, or from a text that one has.

import { Button, Group, Modal, Stack, Tabs, Text, Textarea } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useRef, useState } from "react";
import { useLocation } from "wouter";
import { service } from "../../lib/daemon.ts";
import { definitionOf, formatOf } from "./define.ts";
import { MakeForm, firstDraft } from "./make-form.tsx";
import classes from "./make.module.css";
import { Problems } from "./problems.tsx";
import { problemsOf, type Problem } from "./types.ts";

export function Make({ opened, close }: { opened: boolean; close: () => void }) {
  const small = useMediaQuery("(max-width: 36em)");
  return (
    <Modal opened={opened} onClose={close} title="New swarm" size="lg" fullScreen={small === true} closeButtonProps={{ "aria-label": "Close" }}>
      <Inside close={close} />
    </Modal>
  );
}

function Inside({ close }: { close: () => void }) {
  const [tab, setTab] = useState<string | null>("form");
  const [draft, setDraft] = useState(firstDraft);
  const [text, setText] = useState("");
  const [problems, setProblems] = useState<Problem[]>([]);
  const [fine, setFine] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [, go] = useLocation();
  const area = useRef<HTMLTextAreaElement>(null);
  const definition = () => definitionOf(draft.name, draft.rows, draft.shape, draft.own);
  const data = () => (tab === "form" ? { config: definition() } : { content: text, format: formatOf(text) });

  const change = (to: string | null) => {
    // What stands in the form can be gone on with as a text.
    if (to === "text" && text === "" && draft.name !== "") setText(JSON.stringify(definition(), null, 2));
    setProblems([]);
    setFine(undefined);
    setTab(to);
  };
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setFine(undefined);
    try {
      await work();
    } catch (error) {
      setProblems(problemsOf(error));
    }
    setBusy(false);
  };
  const check = () =>
    attempt(async () => {
      const { valid, problems, config } = await service("swarms/validate").create(data());
      setProblems(valid ? [] : problems);
      if (valid) setFine(`${config.name}: ${config.agent_count} agents, ${config.topology_edges} edges. It can be made.`);
    });
  const make = () =>
    attempt(async () => {
      const { swarm_name } = await service("swarms").create(data());
      close();
      go(`/swarms/${encodeURIComponent(swarm_name)}`);
    });
  const goTo = (line: number) => {
    const { current } = area;
    if (!current) return;
    const lines = current.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    current.focus();
    current.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <Stack gap="sm">
        <Tabs value={tab} onChange={change} keepMounted={false}>
          <Tabs.List mb="sm">
            <Tabs.Tab value="form">Form</Tabs.Tab>
            <Tabs.Tab value="text">JSON or TOML</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="form">
            <MakeForm draft={draft} change={setDraft} problems={problems} />
          </Tabs.Panel>
          <Tabs.Panel value="text">
            <Lines text={text} change={setText} area={area} wrong={new Set(problems.flatMap(({ line }) => line ?? []))} />
          </Tabs.Panel>
        </Tabs>
        <Problems problems={problems} {...(tab === "text" && { goTo })} />
        <Text size="sm" role="status">
          {fine}
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => void check()} disabled={busy}>
            Check
          </Button>
          <Button type="submit" loading={busy}>
            Make and start
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

const EXAMPLE = `name = "pair"
topology = [["writer", "checker"], ["checker", "writer"]]

[[agents]]
name = "writer"
backend = "echo"

[[agents]]
name = "checker"
backend = "echo"`;

interface LinesProps {
  text: string;
  change: (text: string) => void;
  area: React.RefObject<HTMLTextAreaElement | null>;
  wrong: ReadonlySet<number>;
}

/** A text with numbers beside its lines. */
function Lines({ text, change, area, wrong }: LinesProps) {
  const gutter = useRef<HTMLDivElement>(null);
  const lines = (text || EXAMPLE).split("\n").length;
  return (
    <div className={classes.lines}>
      <div ref={gutter} className={classes.gutter} aria-hidden>
        {Array.from({ length: lines }, (_, at) => (
          <div key={at} className={wrong.has(at + 1) ? classes.wrong : undefined} data-line={at + 1}>
            {at + 1}
          </div>
        ))}
      </div>
      <Textarea
        ref={area}
        aria-label="Definition"
        classNames={{ root: classes.root!, input: classes.input! }}
        wrap="off"
        rows={16}
        spellCheck={false}
        placeholder={EXAMPLE}
        value={text}
        onChange={(event) => change(event.currentTarget.value)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
        data-autofocus
      />
    </div>
  );
}
