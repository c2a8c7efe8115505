// Agents of one's own: a child process per prompt. Here the command is `sh`, so that prompts are scripts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll, soon } from "../support/wait.mjs";

const fixture = (name) => fileURLToPath(new URL(`../../tests/fixtures/agents/${name}`, import.meta.url));

/** Whether a process runs with this in its command line. */
const runs = (what) => {
  try {
    return execFileSync("pgrep", ["-f", `^${what}$`]).length > 0;
  } catch {
    return false;
  }
};

/** Waits until no such process runs. */
const gone = (what) =>
  soon(
    (async () => {
      while (runs(what)) await new Promise((resolve) => setTimeout(resolve, 20));
    })(),
    `${what} ends`,
  );

/** The text of a message. */
const said = ({ content }) =>
  typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("");

onEveryDatabase("Agents", (database) => {
  /** @type {Daemon} */
  let daemon;
  /** @type {Viewer} */
  let viewer;
  const args = ["--agent", "command", "--agent-command", "sh", "--agent-secs", "4"];
  before(async () => {
    const env = { JWT_SECRET: "a secret that no agent may ever see", ROOST_TOKEN: "ap_hidden" };
    daemon = await Daemon.start(database, { args, env });
    viewer = await Viewer.open(daemon.url);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const session = async () => (await viewer.create("sessions", {})).session_id;
  const assistant = (session_id) =>
    viewer
      .story(session_id)
      .filter(({ event, record }) => event === "messages created" && record.role === "assistant")
      .map(({ record }) => record);

  test("recorded stream-json becomes messages, tools, thoughts and numbers", async () => {
    const id = await session();
    const task = await viewer.run(id, `cat '${fixture("claude.jsonl")}'`);
    assert.equal(task.status, "completed");
    assert.match(task.model, /claude/);
    assert.ok(task.usage.output > 0);
    const story = viewer.story(id);
    for (const event of ["messages thinking:chunk", "messages streaming:chunk", "tasks tool:start", "tasks tool:complete"])
      assert.ok(story.some((item) => item.event === event), event);
    const messages = assistant(id);
    assert.ok(messages.some(({ tool_uses }) => tool_uses?.length));
    for (const message of messages) {
      const chunks = story.filter(({ event, record }) => /streaming:chunk/.test(event) && record.message_id === message.message_id);
      if (chunks.length) assert.equal(chunks.map(({ record }) => record.chunk).join(""), said(message));
    }
    await viewer.idle(id);
    const { sdk_session_id } = await viewer.get("sessions", id);
    assert.ok(sdk_session_id);
    // It is passed back.
    await viewer.run(id, `printf '{"type":"message","content":"%s"}\\n' "$AGENT_SESSION"`);
    assert.equal(said(assistant(id).at(-1)), sdk_session_id);
  });

  test("a program that prints text is an agent", async () => {
    const id = await session();
    await viewer.run(id, "echo Hello; echo there");
    assert.deepEqual(assistant(id).map(said).map((text) => text.trim()), ["Hello\nthere"]);
  });

  test("garbage between lines harms nothing", async () => {
    const id = await session();
    const script = `
      echo '{"type":"text","text":"he"}'
      echo 'no JSON'; echo '[1,2'; echo '{"type":7}'; echo '{}'; printf '\\377\\376\\n'
      echo '{"type":"text","text":"llo"}'
      echo '{"type":"message","content":"hello"}'
      echo '{"type":"done"}'`;
    const task = await viewer.run(id, script);
    assert.equal(task.status, "completed");
    assert.deepEqual(assistant(id).map(said), ["hello"]);
  });

  test("a program that fails says why", async () => {
    const id = await session();
    const task = await viewer.run(id, "echo 'cannot go on' >&2; exit 3");
    assert.equal(task.status, "failed");
    assert.match(task.error, /3/);
    assert.match(task.error, /cannot go on/);
    await viewer.idle(id);
  });

  test("what it said until it failed ends with the error, and is kept", async () => {
    const id = await session();
    const task = await viewer.run(id, "echo so far; echo 'cannot go on' >&2; exit 3");
    assert.equal(task.status, "failed");
    await viewer.idle(id);
    const [message, ...more] = assistant(id);
    assert.deepEqual([said(message), more], ["so far", []]);
    const of = viewer.story(id).filter(({ record }) => record.message_id === message.message_id);
    const names = of.map(({ event }) => event.replace("messages ", ""));
    assert.deepEqual(names, ["streaming:start", "streaming:chunk", "streaming:error", "created"]);
    assert.equal(of[2].record.error, task.error);
  });

  test("garbage before the first line is taken back", async () => {
    const id = await session();
    await viewer.create(`sessions/${id}/prompt`, {
      prompt: `rm -f "heard-$ROOST_SESSION_ID"; echo npm warn; while ! [ -e "heard-$ROOST_SESSION_ID" ]; do sleep 0.02; done
        rm "heard-$ROOST_SESSION_ID"; echo '{"type":"done"}'`,
    });
    const { message_id } = await viewer.hears("messages streaming:chunk", { session_id: id, chunk: "npm warn" });
    const { repo } = await viewer.get("sessions", id);
    await writeFile(join(repo.cwd, `heard-${id}`), "");
    await viewer.idle(id);
    const of = viewer.story(id).filter(({ record }) => record.message_id === message_id);
    assert.equal(of.at(-1).event, "messages streaming:error");
    assert.deepEqual(assistant(id), []);
  });

  test("one that says nothing is stopped, or runs out of time, and nothing of it is left", async () => {
    const [stopped, late] = [await session(), await session()];
    await viewer.create(`sessions/${stopped}/prompt`, { prompt: "echo '{\"type\":\"text\",\"text\":\"x\"}'; sleep 1111" });
    await viewer.hears("messages streaming:chunk", { session_id: stopped });
    assert.ok(runs("sleep 1111"));
    await viewer.create(`sessions/${stopped}/stop`, {});
    await viewer.idle(stopped);
    await gone("sleep 1111");
    const task = await viewer.run(late, "sleep 1112");
    assert.equal(task.status, "failed");
    assert.match(task.error, /longer/);
    await gone("sleep 1112");
  });

  test("a flood is stopped; others go on beside it", async () => {
    const [flood, calm] = [await session(), await session()];
    await viewer.create("session-streams", { session_id: flood });
    await viewer.create(`sessions/${flood}/prompt`, { prompt: `yes '{"type":"text","text":"a flood of words"}'` });
    await viewer.hears("messages streaming:chunk", { session_id: flood });
    const task = await viewer.run(calm, "echo calm");
    assert.equal(task.status, "completed");
    await viewer.create(`sessions/${flood}/stop`, {});
    await viewer.idle(flood);
    await gone("yes .*");
  });

  test("children that outlive their parent end with it", async () => {
    const id = await session();
    const task = await viewer.run(id, "sleep 1113 & echo done");
    assert.equal(task.status, "completed");
    await gone("sleep 1113");
  });

  test("removing a session kills what runs for it", async () => {
    const id = await session();
    await viewer.create(`sessions/${id}/prompt`, { prompt: "echo '{\"type\":\"text\",\"text\":\"x\"}'; sleep 1114" });
    await viewer.hears("messages streaming:chunk", { session_id: id });
    await viewer.remove("sessions", id);
    await gone("sleep 1114");
  });

  test("an agent sees none of the daemon's secrets, and where it works", async () => {
    const id = await session();
    await viewer.run(id, "env; pwd");
    const text = assistant(id).map(said).join("\n");
    assert.match(text, new RegExp(`ROOST_SESSION_ID=${id}`));
    for (const secret of ["no agent may ever see", "ap_hidden", "DATABASE_URL"]) assert.ok(!text.includes(secret), secret);
    const { repo } = await viewer.get("sessions", id);
    assert.ok(text.includes(repo.cwd));
    const nowhere = await viewer.create("sessions", { repo: { cwd: "/nowhere/at/all", managed_worktree: false } });
    const task = await viewer.run(nowhere.session_id, "echo x");
    assert.deepEqual([task.status, /folder/.test(task.error)], ["failed", true]);
  });

  test("what runs ends with the daemon", async () => {
    const id = await session();
    const { taskId } = await viewer.create(`sessions/${id}/prompt`, { prompt: "echo '{\"type\":\"text\",\"text\":\"x\"}'; sleep 1115" });
    await viewer.hears("messages streaming:chunk", { session_id: id });
    await viewer.close();
    await daemon.restart("SIGTERM");
    await gone("sleep 1115");
    viewer = await Viewer.open(daemon.url);
    const task = await viewer.get("tasks", taskId);
    assert.deepEqual([task.status, task.error], ["failed", "interrupted by a restart"]);
    assert.equal((await viewer.get("sessions", id)).status, "idle");
  });
});
