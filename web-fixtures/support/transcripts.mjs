// Reads the transcripts of genuine Feathers servers (tests/fixtures/wire/feathers), and leaves of
// messages and answers what can be compared.

import { readFileSync } from "node:fs";

/** The blocks of a transcript: each a title and its lines; what precedes the first is untitled. */
function blocks(file, mark) {
  const text = readFileSync(new URL(`../../tests/fixtures/wire/feathers/${file}`, import.meta.url), "utf8");
  const [head, ...rest] = `\n${text}`.split(`\n${mark} `);
  const titles = new Set();
  const titled = rest.map((block) => {
    const [title, ...lines] = block.split("\n");
    let unique = title;
    for (let n = 2; titles.has(unique); n++) unique = `${title} (${n})`;
    titles.add(unique);
    return { title: unique, lines };
  });
  return { head: head.split("\n"), titled };
}

/** What follows a mark, of the lines that bear it. */
const marked = (lines, mark) =>
  lines.flatMap((line) =>
    line === mark || line.startsWith(`${mark} `) ? [line.slice(mark.length + 1)] : [],
  );

/** A message's first line, its headers by lower-case name, and its body. */
function message(lines) {
  const end = lines.indexOf("");
  const [first, ...headers] = end < 0 ? lines.filter((line) => line !== "(no body)") : lines.slice(0, end);
  const body = end < 0 ? "" : lines.slice(end + 1).join("\n");
  return { first, headers, body };
}

/**
 * @typedef {object} Message
 * @property {string} first the request's or status line
 * @property {string[]} headers
 * @property {string} body
 *
 * @param {string} file
 * @returns {{title: string, request: Message, response: Message}[]}
 */
export function http(file) {
  return blocks(file, "###").titled.map(({ title, lines }) => ({
    title,
    request: message(marked(lines, ">")),
    response: message(marked(lines, "<")),
  }));
}

/**
 * What sockets did in a block, and the frames that each then received.
 *
 * @param {string} file
 * @returns {{title: string, steps: {name: string, headers?: Record<string, string>, frame?: string}[],
 *   heard: Record<string, string[]>}[]} a step without frame connects
 */
export function frames(file) {
  const { head, titled } = blocks(file, "#");
  return [{ title: "connect", lines: head }, ...titled].map(({ title, lines }) => {
    const steps = [];
    const heard = { A: [], B: [] };
    for (const line of lines) {
      const [, name, what] = /^\[(\w)\] (.*)$/.exec(line) ?? [];
      if (name) heard[name] ??= [];
      if (what?.startsWith("WS connect")) steps.push({ name, headers: JSON.parse(/\{.*/.exec(what)?.[0] ?? "{}") });
      else if (what?.startsWith("C->S ")) steps.push({ name, frame: what.slice(5) });
      else if (what?.startsWith("S->C ")) heard[name].push(what.slice(5));
    }
    return { title, steps, heard };
  });
}

/**
 * Calls and what @feathersjs/knex answered: the result, or `{ERROR: error}`.
 *
 * @param {string} file
 * @returns {{title: string, call: unknown[], answer: any}[]}
 */
export function calls(file) {
  return blocks(file, "##").titled.map(({ title, lines }) => {
    const [call] = marked(lines, "K >");
    const [answer] = marked(lines, "K <");
    return { title, call: JSON.parse(call), answer: JSON.parse(answer) };
  });
}

/** A text without what nobody can foretell: ids of sockets; tokens, their times and their ids. */
export const mask = (text) =>
  text
    .replace(/"sid":"[\w-]+"/, '"sid":"…"')
    .replaceAll(/"accessToken":"[\w.-]+"/g, '"accessToken":"<jwt>"')
    .replaceAll(/"refreshToken":"[\w-]+"/g, '"refreshToken":"…"')
    .replaceAll(/"(iat|exp)":\d+/g, '"$1":0')
    .replaceAll(/"jti":"[\w-]+"/g, '"jti":"…"');

/** Headers that are the connection's or the settings' matter. */
const UNCOMPARED = /^(date|connection|keep-alive|vary|access-control-allow-(origin|credentials)):/;

/** A response as it is compared. A length that is the body's own says nothing more. */
export function essence({ first, headers, body }) {
  // A body that was written down without its tokens had another length.
  const length = body.includes('"accessToken"') ? "\\d+" : Buffer.byteLength(body);
  const lengthOfBody = new RegExp(`^content-length: ${length}$`);
  const named = headers.map((header) => header.replace(/^[^:]+/, (name) => name.toLowerCase()));
  const compared = named.filter((header) => !UNCOMPARED.test(header));
  const spelled = compared.map((header) => (lengthOfBody.test(header) ? "content-length: the body's" : header));
  return { status: first.replace("HTTP/1.1 ", ""), headers: spelled.sort(), body: mask(body) };
}

const COLUMNS = ["id", "name", "age", "created", "time"];

/**
 * A person as `people` has it: columns in the entity's order, where knex has the table's and, with
 * `$select`, the query's; booleans as booleans, which SQLite's driver gives as numbers.
 */
export function asPeople(answer) {
  if (Array.isArray(answer)) return answer.map(asPeople);
  if (answer.ERROR) return answer;
  if (answer.data) return { ...answer, data: answer.data.map(asPeople) };
  const columns = COLUMNS.filter((column) => column in answer);
  return Object.fromEntries(
    columns.map((column) => [
      column,
      column === "created" && answer.created !== null ? !!answer.created : answer[column],
    ]),
  );
}
