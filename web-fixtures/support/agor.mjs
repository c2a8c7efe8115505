// What Agor's user interface and command line are made of, and what they take for granted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import feathers from "@feathersjs/client";
import { io } from "socket.io-client";
import { keep, soon } from "./wait.mjs";

const run = promisify(execFile);

/** Where Agor's user interface is served from. */
export const ORIGIN = "http://localhost:5173";

/** The five services, and the field that holds a record's id. */
export const IDS = {
  sessions: "session_id",
  tasks: "task_id",
  messages: "message_id",
  boards: "board_id",
  repos: "repo_id",
};

export const SERVICES = Object.keys(IDS);

export const EVENTS = ["created", "patched", "updated", "removed"];

/**
 * Agor's `createClient`: a socket with every default (polling, then upgraded), and Feathers on it.
 *
 * @param {string} url
 * @param {Record<string, string>} [extraHeaders]
 */
export function createClient(url, extraHeaders = {}) {
  const socket = io(url, { extraHeaders, forceNew: true });
  keep(() => socket.close());
  const client = feathers().configure(feathers.socketio(socket));
  return Object.assign(client, { io: socket });
}

/** Waits until a client is connected, as long as Agor does. @param {ReturnType<typeof createClient>} client */
export async function connected(client) {
  if (client.io.connected) return;
  // The client tries again by itself: a poll that comes in the moment of the upgrade may be refused.
  await soon(new Promise((resolve) => client.io.once("connect", resolve)), "the client connects");
}

/** An open page of Agor's user interface: its lists, kept as the interface keeps them. */
export class Page {
  /** What the page shows. @type {Record<string, object[]>} */
  lists = {};
  /** Every event, in order. @type {[string, object][]} */
  heard = [];
  client;
  /** What would have left the page white. @type {Error | undefined} */
  #white;
  #watchers = new Set();

  /** @param {string} url */
  static async open(url) {
    const page = new Page();
    page.client = createClient(url, { origin: ORIGIN });
    for (const service of SERVICES) {
      for (const event of EVENTS) {
        page.client.service(service).on(event, (...heard) => page.#hear(service, event, ...heard));
      }
    }
    await connected(page.client);
    await page.load();
    return page;
  }

  /** The four finds, in parallel. */
  async load() {
    const { client } = this;
    const [sessions, tasks, boards, repos] = await soon(
      Promise.all([
        client.service("sessions").find(),
        client.service("tasks").find({ query: { $limit: 500 } }),
        client.service("boards").find(),
        client.service("repos").find(),
      ]),
      "the page loads",
      5_000,
    );
    const lists = { sessions, tasks, boards, repos };
    for (const [service, page] of Object.entries(lists)) {
      // Agor takes a bare list, too.
      this.lists[service] = Array.isArray(page) ? page : page.data;
      for (const record of this.lists[service]) assertShowable(service, record);
    }
    return lists;
  }

  /** Waits until something is so. @param {() => unknown} so @param {string} what */
  async until(so, what) {
    if (so()) return;
    let watch;
    const met = new Promise((resolve) => this.#watchers.add((watch = () => so() && resolve())));
    await soon(met, what).finally(() => this.#watchers.delete(watch));
    if (this.#white) throw this.#white;
  }

  /** Waits for an event about a record. @param {string} event @param {string} id */
  async hears(event, id) {
    const field = IDS[event.split(" ")[0]];
    const about = ([name, record]) => name === event && record[field] === id;
    await this.until(() => this.heard.some(about), `hears ${event} of ${id}`);
  }

  /** The events since the last time, as `<service> <event>`. */
  take() {
    return this.heard.splice(0).map(([event]) => event);
  }

  /** What the interface does with an event: it adds what is created without looking for it first. */
  #hear(service, event, record, ...more) {
    this.heard.push([`${service} ${event}`, record]);
    try {
      assert.deepEqual(more, [], `${service} ${event} has one argument`);
      assertShowable(service, record);
    } catch (error) {
      this.#white ??= error;
    }
    const list = (this.lists[service] ??= []);
    const same = (one) => one[IDS[service]] === record[IDS[service]];
    if (event === "created") list.push(record);
    else if (event === "removed") this.lists[service] = list.filter((one) => !same(one));
    else this.lists[service] = list.map((one) => (same(one) ? record : one));
    for (const watch of this.#watchers) watch();
  }
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * What the interface reads of a record without asking whether it is there: one record that lacks it
 * leaves the page white.
 *
 * @param {string} service
 * @param {any} record
 */
export function assertShowable(service, record) {
  const over = `${service} ${JSON.stringify(record)}`;
  const has = (value, type, name) => assert.equal(typeof value, type, `${name} of ${over}`);
  const lists = (value, type, name) => {
    assert.ok(Array.isArray(value), `${name} of ${over}`);
    for (const item of value) assert.equal(typeof item, type, `${name} of ${over}`);
  };
  has(record[IDS[service]], "string", "id");
  for (const [name, value] of Object.entries(record)) {
    if (/_at$|^last_updated$|^timestamp$/.test(name)) assert.match(value, TIME, `${name} of ${over}`);
    if (service !== "messages") assert.notEqual(value, null, `${name} of ${over}`);
  }
  ({
    sessions() {
      has(record.status, "string", "status");
      has(record.agent, "string", "agent");
      has(record.created_at, "string", "created_at");
      has(record.last_updated, "string", "last_updated");
      has(record.repo.cwd, "string", "repo.cwd");
      has(record.repo.managed_worktree, "boolean", "repo.managed_worktree");
      for (const name of ["ref", "base_sha", "current_sha"]) has(record.git_state[name], "string", `git_state.${name}`);
      for (const name of ["parent_session_id", "forked_from_session_id"]) {
        const id = record.genealogy[name];
        assert.ok(id === null || typeof id === "string", `genealogy.${name} of ${over}`);
      }
      lists(record.genealogy.children, "string", "genealogy.children");
      lists(record.concepts, "string", "concepts");
      lists(record.tasks, "string", "tasks");
      has(record.message_count, "number", "message_count");
      has(record.tool_use_count, "number", "tool_use_count");
    },
    tasks() {
      has(record.session_id, "string", "session_id");
      has(record.status, "string", "status");
      has(record.description, "string", "description");
      has(record.full_prompt, "string", "full_prompt");
      has(record.model, "string", "model");
      has(record.tool_use_count, "number", "tool_use_count");
      has(record.message_range.start_index, "number", "message_range.start_index");
      has(record.message_range.end_index, "number", "message_range.end_index");
      assert.match(record.message_range.start_timestamp, TIME, over);
      has(record.git_state.sha_at_start, "string", "git_state.sha_at_start");
    },
    messages() {
      has(record.session_id, "string", "session_id");
      has(record.type, "string", "type");
      has(record.role, "string", "role");
      has(record.index, "number", "index");
      has(record.content_preview, "string", "content_preview");
      assert.ok(typeof record.content === "string" || Array.isArray(record.content), `content of ${over}`);
    },
    boards() {
      has(record.name, "string", "name");
      lists(record.sessions, "string", "sessions");
    },
    repos() {
      has(record.slug, "string", "slug");
      has(record.name, "string", "name");
      has(record.local_path, "string", "local_path");
      has(record.managed_by_agor, "boolean", "managed_by_agor");
      lists(record.worktrees, "object", "worktrees");
      for (const worktree of record.worktrees) {
        for (const name of ["name", "path", "ref"]) has(worktree[name], "string", `worktree.${name}`);
        has(worktree.new_branch, "boolean", "worktree.new_branch");
        lists(worktree.sessions, "string", "worktree.sessions");
        for (const name of ["created_at", "last_used"]) assert.match(worktree[name], TIME, over);
      }
    },
  })[service]();
}

/** An id that the daemon gave. @param {string} id */
export const assertGivenId = (id) => assert.match(id, UUID);

/** A folder that is removed at the end. @param {string} name */
export async function temporaryFolder(name) {
  const folder = await mkdtemp(join(tmpdir(), `roost-${name}-`));
  return { folder, drop: () => rm(folder, { recursive: true, force: true }) };
}

/** Runs git; returns what it says. @param {string} command @param {string[]} args @param {string} folder */
export async function git(command, args, folder) {
  const who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
  return (await run("git", [...who, command, ...args], { cwd: folder })).stdout;
}

/** Makes a repository with one commit on `main` and a branch `side`. @param {string} folder */
export async function makeRepository(folder) {
  await git("init", ["--quiet", "--initial-branch=main"], folder);
  await writeFile(join(folder, "README"), "A repository\n");
  await git("add", ["README"], folder);
  await git("commit", ["--quiet", "--message=First"], folder);
  await git("branch", ["side"], folder);
}
