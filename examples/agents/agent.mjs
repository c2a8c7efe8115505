// An agent that Roost runs: it thinks, streams, uses a tool, and asks before it writes. No keys needed.
//
//   AGENT=command AGENT_INPUT=lines AGENT_COMMAND="node /path/to/examples/agents/agent.mjs" roost
//
// docs/agents.md says what the lines mean.
import { randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

const say = (type, fields) => process.stdout.write(`${JSON.stringify({ type, ...fields })}\n`);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function hear() {
  const { value, done } = await lines.next();
  if (done) throw new Error('the input ended too early');
  return JSON.parse(value);
}

/** Says a text word by word. */
function stream(text) {
  for (const word of text.split(/(?<= )/)) say('text', { text: word });
}

/** Asks whether a tool may be used, and waits for the answer. */
async function mayUse(tool, input) {
  const id = randomUUID();
  say('permission', { id, tool, input });
  for (;;) {
    const line = await hear();
    if (line.type === 'permission' && line.id === id) return line;
  }
}

/** Uses a tool: the message that holds its use is made from the text before it. */
async function use(name, input, work) {
  const id = randomUUID();
  say('tool_start', { id, name, input });
  try {
    say('tool_result', { id, content: await work() });
  } catch (error) {
    say('tool_result', { id, content: error.message, is_error: true });
  }
}

const prompt = await hear();
// What the agent calls its session; Roost hands it back with the session's next prompt.
const session = prompt.agent_session ?? randomUUID();
say('session', { id: session, model: 'example' });

say('thinking', { text: 'I look at the folder ' });
say('thinking', { text: 'before I say anything.' });
let files = [];
stream(prompt.agent_session ? 'Here we are again. ' : 'Hello. ');
stream('Let me see what is here.');
await use('list_files', { folder: '.' }, async () => {
  files = (await readdir('.')).sort();
  return files.join('\n') || 'nothing';
});

const note = { path: 'agent-note.txt', content: prompt.text };
const { allow, reason } = await mayUse('write_file', note);
if (allow) {
  await use('write_file', note, async () => {
    await writeFile(note.path, note.content);
    return 'written';
  });
  stream(`I wrote your prompt to ${note.path}, beside ${files.length} others.`);
} else {
  stream(`There are ${files.length} files, and I wrote none${reason ? `: ${reason}` : ''}.`);
}
say('usage', { input: prompt.text.split(/\s+/).length, output: 30 });
say('done');
process.stdin.destroy();
