// Agor's V01 command line, command for command: it asks for /health, connects, calls, and is gone.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  IDS,
  assertGivenId,
  assertShowable,
  connected,
  createClient,
  git,
  makeRepository,
  temporaryFolder,
} from "../support/agor.mjs";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Engine } from "../support/engine.mjs";
import { http, sendJson } from "../support/http.mjs";
import { websocket } from "../support/listeners.mjs";
import { closeAll, soon } from "../support/wait.mjs";

/** A session that nobody has. */
const NOBODY = "01933e4a-7b89-7c35-a8f3-9d2e1c4b5a6f";

onEveryDatabase("Agor's command line", (database) => {
  /** @type {Daemon} */
  let daemon;
  let data;
  let source;
  before(async () => {
    [data, source] = await Promise.all([temporaryFolder("data"), temporaryFolder("source")]);
    await makeRepository(source.folder);
    daemon = await Daemon.start(database, { env: { DATA_DIR: data.folder } });
  });
  after(async () => {
    await closeAll();
    await daemon.stop().finally(() => Promise.all([data.drop(), source.drop()]));
  });

  /**
   * Runs a command as the command line does: health within a second, a client with every default, one
   * or more calls, `41`, gone.
   *
   * @template T
   * @param {(service: (path: string) => any) => Promise<T>} calls
   * @param {{health?: boolean}} [how] `board` commands do not ask for health
   * @returns {Promise<T>}
   */
  async function agor(calls, { health = true } = {}) {
    if (health) {
      const response = await fetch(`${daemon.url}/health`, { signal: AbortSignal.timeout(1_000) });
      assert.ok(response.ok);
      const { status, timestamp, version, database } = await response.json();
      assert.equal(status, "ok");
      assert.equal(typeof timestamp, "number");
      assert.equal(typeof version, "string");
      assert.equal(typeof database, "string");
    }
    const client = createClient(daemon.url);
    try {
      await connected(client);
      return await soon(
        calls((path) => client.service(path)),
        "the command ends",
      );
    } finally {
      client.io.close();
    }
  }

  test("a command may be over before its socket is upgraded, and says goodbye with `41`", async () => {
    const engine = await Engine.overPolling(daemon.url);
    assert.equal((await engine.post('420["find","repos",{"$limit":50,"$sort":{"created_at":-1}}]')).text, "ok");
    while (!engine.packets.some((packet) => packet.startsWith("430"))) await engine.poll();
    assert.deepEqual(await engine.answer(0), [null, { total: 0, limit: 50, skip: 0, data: [] }]);
    assert.equal((await engine.post("41")).text, "ok");
    // A process that ends closes nothing else; one that does is forgotten at once.
    assert.equal((await engine.post("1")).status, 200);
    assert.equal((await engine.post('421["find","repos",{}]')).status, 400);

    const open = await Engine.overWebSocket(daemon.url);
    open.socket.send('420["find","boards",{}]');
    open.socket.send("41");
    await soon(Promise.race([open.answer(0), open.closed]).catch(() => {}), "the call is answered, or the socket is closed");
    open.socket.terminate();
    assert.equal((await http(daemon.url, "/health")).status, 200);
  });

  describe("session", () => {
    test("list finds the newest first, and filters as its flags say", async () => {
      const board = await agor((service) => service("boards").create({ name: "Listed" }));
      const made = [];
      for (const [agent, status] of [["claude-code", "idle"], ["codex", "idle"], ["codex", "running"], ["gemini", "completed"]]) {
        const data = { agent, status, description: `${agent} ${status}` };
        made.push(await agor((service) => service("sessions").create(data)));
      }
      await agor((service) => service("boards").patch(board.board_id, { sessions: [made[0].session_id, made[2].session_id] }));
      const list = (flags = {}, limit = 50) =>
        agor((service) => service("sessions").find({ query: { $limit: limit, $sort: { created_at: -1 }, ...flags } }));
      const newest = [...made].reverse();
      const all = await list();
      assert.deepEqual(all, { total: 4, limit: 50, skip: 0, data: newest });
      const of = (...places) => places.map((place) => made[place]);
      for (const [flags, limit, total, expected] of [
        [{ status: "idle" }, 50, 2, of(1, 0)],
        [{ status: "running" }, 50, 1, of(2)],
        [{ status: "failed" }, 50, 0, []],
        [{ agent: "codex" }, 50, 2, of(2, 1)],
        [{ agent: "codex", status: "idle" }, 50, 1, of(1)],
        [{ agent: "cursor" }, 50, 0, []],
        [{ board_id: board.board_id }, 50, 2, of(2, 0)],
        [{ board_id: board.board_id, status: "running" }, 50, 1, of(2)],
        [{ board_id: NOBODY }, 50, 0, []],
        [{ status: "idle" }, 1, 2, of(1)],
        [{}, 2, 4, of(3, 2)],
      ]) {
        const page = await list(flags, limit);
        assert.deepEqual(page, { total, limit, skip: 0, data: expected }, JSON.stringify(flags));
      }
      for (const { session_id } of made) await agor((service) => service("sessions").remove(session_id));
      await agor((service) => service("boards").remove(board.board_id));
    });

    test("finds by the first letters of an id, and says when they are too few", async () => {
      const pair = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"];
      for (const session_id of pair) await agor((service) => service("sessions").create({ session_id }));
      const get = (id) => agor((service) => service("sessions").get(id));
      assert.equal((await get("aaaaaaaa-0000-4000-8000-000000000001")).session_id, pair[0]);
      for (const spelled of ["aaaaaaaa000040008000000000000002", "AAAAAAAA-0000-4000-8000-000000000002"]) {
        const found = await get(spelled).catch(({ message }) => message);
        assert.equal(found.session_id, pair[1], `${spelled}: ${found}`);
      }
      await assert.rejects(get("aaaaaaaa"), (error) => {
        assert.equal(error.code, 400);
        assert.match(error.message, /^Ambiguous ID prefix 'aaaaaaaa' for Session \(2 matches: aaaaaaaa, aaaaaaaa\)/);
        return true;
      });
      await agor((service) => service("sessions").remove(pair[0]));
      for (const prefix of ["aaaaaaaa", "AAAAAAAA", "aaaa", "aaaaaaaa-0000", "aaaaaaaa0000"]) {
        assert.equal((await get(prefix)).session_id, pair[1], prefix);
      }
      await assert.rejects(get("bbbbbbbb"), { code: 404, message: "No record found for id 'bbbbbbbb'" });
      const renamed = await agor((service) => service("sessions").patch("aaaaaaaa", { description: "by prefix" }));
      assert.deepEqual([renamed.session_id, renamed.description], [pair[1], "by prefix"]);
      assert.equal((await agor((service) => service("sessions").remove("aaaaaaaa"))).session_id, pair[1]);
    });

    describe("load-claude", () => {
      const MESSAGES = 250;
      const session_id = randomUUID();
      const session = {
        session_id,
        agent: "claude-code",
        agent_version: "2.0.1",
        status: "completed",
        created_at: "2026-10-01T08:00:00.000Z",
        last_updated: "2026-10-01T09:00:00.000Z",
        description: "Imported from Claude",
        repo: { cwd: "/home/ann/project", managed_worktree: false },
        git_state: { ref: "main", base_sha: "unknown", current_sha: "unknown" },
        genealogy: { children: [] },
        concepts: [],
        tasks: [],
        message_count: MESSAGES,
        tool_use_count: 3,
      };
      const messages = Array.from({ length: MESSAGES }, (_, index) => ({
        message_id: randomUUID(),
        session_id,
        type: index % 2 ? "assistant" : "user",
        role: index % 2 ? "assistant" : "user",
        index,
        timestamp: new Date(Date.UTC(2026, 9, 1, 8, 0, index)).toISOString(),
        content_preview: `message ${index}`,
        content: index % 2 ? [{ type: "text", text: `message ${index} ${"x".repeat(1_500)}` }] : `message ${index}`,
        metadata: { original_id: `${index}`, ...(index && { parent_id: `${index - 1}` }), is_meta: false },
      }));
      const prompts = messages.filter(({ role }) => role === "user");
      const tasks = prompts.map(({ index, timestamp, content }) => ({
        session_id,
        status: "completed",
        description: content,
        full_prompt: content,
        message_range: { start_index: index, end_index: index + 1, start_timestamp: timestamp, end_timestamp: timestamp },
        git_state: { sha_at_start: "unknown" },
        model: "claude-sonnet-4-5",
        tool_use_count: 0,
      }));
      const hundreds = (items) => Array.from({ length: Math.ceil(items.length / 100) }, (_, n) => items.slice(n * 100, n * 100 + 100));

      test("stores a session with its messages and tasks, and everybody hears of each once", async () => {
        const witness = await websocket.open(daemon.url);
        const [linked, madeTasks] = await agor(async (service) => {
          const made = await service("sessions").create(session);
          assertShowable("sessions", made);
          for (const [name, value] of Object.entries(session)) {
            if (name === "last_updated" || name === "genealogy") continue;
            assert.deepEqual(made[name], value, name);
          }
          const stored = [];
          for (const hundred of hundreds(messages)) {
            const answer = await service("messages/bulk").create(hundred);
            assert.deepEqual(answer, hundred, "each message is as it was sent");
            stored.push(...answer);
          }
          const madeTasks = [];
          for (const hundred of hundreds(tasks)) {
            const answer = await service("tasks/bulk").create(hundred);
            assert.equal(answer.length, hundred.length);
            for (const [place, task] of answer.entries()) {
              assertGivenId(task.task_id);
              assertShowable("tasks", task);
              assert.deepEqual(task.message_range, hundred[place].message_range);
            }
            madeTasks.push(...answer);
          }
          const ids = madeTasks.map(({ task_id }) => task_id);
          const patched = await service("sessions").patch(session_id, { tasks: ids });
          assert.deepEqual(patched.tasks, ids);

          // The command line tries this first, and goes on whatever the error.
          const links = messages.map(({ message_id }, place) => ({ message_id, task_id: ids[place >> 1] }));
          await assert.rejects(service("messages/link-tasks").create(links), {
            name: "NotFound",
            code: 404,
            message: "Service 'messages/link-tasks' not found",
          });
          const unlinked = await service("messages").find({ query: { session_id, task_id: { $ne: null }, $limit: 0 } });
          assert.equal(unlinked.total, 0, "nothing came of it");

          const linked = [];
          for (const hundred of hundreds(links)) {
            const patch = ({ message_id, task_id }) => service("messages").patch(message_id, { task_id });
            linked.push(...(await Promise.all(hundred.map(patch))));
          }
          for (const [place, { message_id, task_id }] of links.entries()) {
            assert.deepEqual([linked[place].message_id, linked[place].task_id], [message_id, task_id]);
          }
          return [linked, madeTasks];
        });

        const find = (name, query) => agor((service) => service(name).find({ query: { session_id, $limit: 1_000, ...query } }));
        const found = await find("messages", { $sort: { index: 1 } });
        assert.deepEqual(found, { total: MESSAGES, limit: 1_000, skip: 0, data: linked });
        // Their times are the prompts', and tell them apart.
        const foundTasks = await find("tasks", { $sort: { created_at: 1 } });
        assert.equal(foundTasks.total, tasks.length);
        assert.deepEqual(new Set(foundTasks.data.map(({ task_id }) => task_id)), new Set(madeTasks.map(({ task_id }) => task_id)));

        const expected = [
          ["sessions created", 1],
          ["messages created", MESSAGES],
          ["tasks created", tasks.length],
          ["sessions patched", 1],
          ["messages patched", MESSAGES],
        ];
        await witness.count(expected.reduce((sum, [, count]) => sum + count, 0));
        const story = witness.items.map(({ event }) => event);
        assert.deepEqual(story, expected.flatMap(([event, count]) => Array(count).fill(event)));
        const heard = (event) => witness.items.filter((item) => item.event === event).map(({ record }) => record);
        assert.deepEqual(heard("messages created"), messages);
        assert.deepEqual(heard("tasks created"), madeTasks);
      });

      test("a second time is refused, and changes nothing", async () => {
        const before = await snapshot();
        await assert.rejects(agor((service) => service("sessions").create(session)), { code: 409, name: "Conflict" });
        await assert.rejects(agor((service) => service("messages/bulk").create(messages.slice(0, 100))), { code: 409 });
        assert.deepEqual(await snapshot(), before);
      });

      test("a hundred messages are stored all or none", async () => {
        const fresh = (n) => ({ ...messages[n], message_id: randomUUID(), index: 1_000 + n });
        const before = await snapshot();
        for (const wrong of [
          { ...fresh(2), session_id: NOBODY },
          { ...fresh(2), role: "king" },
          { ...fresh(2), message_id: messages[0].message_id },
          { ...fresh(2), index: "first" },
          "no message",
          null,
        ]) {
          const batch = [fresh(0), fresh(1), wrong, fresh(3)];
          const error = await agor((service) => service("messages/bulk").create(batch)).catch((error) => error);
          assert.ok(error.code === 400 || error.code === 409, `${JSON.stringify(wrong)?.slice(0, 80)}: ${error.code}`);
        }
        for (const none of [{}, "x", null]) {
          await assert.rejects(agor((service) => service("messages/bulk").create(none)), { code: 400 });
        }
        assert.deepEqual(await agor((service) => service("messages/bulk").create([])), []);
        assert.deepEqual(await snapshot(), before);
      });

      test("--board fails with an error that the command prints, and changes no board", async () => {
        const before = (await http(daemon.url, "/boards")).json;
        const change = (service) => service("boards").patch(null, null, { query: { board_id: before.data[0].board_id } });
        await assert.rejects(agor(change), (error) => error.code >= 400 && error.code < 500 && error.message.length > 0);
        const withData = (service) => service("boards").patch(null, { sessions: [session_id] }, { query: { name: "Default" } });
        await assert.rejects(agor(withData), { code: 405 });
        assert.deepEqual((await http(daemon.url, "/boards")).json, before);
      });

      /** What is stored of the session. */
      async function snapshot() {
        const paths = [`/sessions/${session_id}`, `/messages?session_id=${session_id}&$limit=1000`, "/messages?$limit=0"];
        return (await Promise.all(paths.map((path) => http(daemon.url, path)))).map(({ text }) => text);
      }
    });
  });

  describe("board", () => {
    const noHealth = { health: false };

    test("list shows each board with its sessions", async () => {
      const found = await agor((service) => service("boards").find(), noHealth);
      assert.deepEqual([found.total, found.limit, found.skip], [1, 50, 0]);
      for (const board of found.data) assertShowable("boards", board);
    });

    test("add-session puts a session on a board, where everybody sees it once", async () => {
      const [one, two] = [await make("sessions", {}), await make("sessions", {})];
      const witness = await websocket.open(daemon.url);
      for (const { session_id } of [one, two]) {
        const patched = await agor(async (service) => {
          const { data: boards } = await service("boards").find();
          const { data: sessions } = await service("sessions").find();
          const [board] = boards;
          assert.ok(sessions.some((session) => session.session_id === session_id));
          return service("boards").patch(board.board_id, { sessions: [...board.sessions, session_id] });
        }, noHealth);
        assert.equal(patched.sessions.at(-1), session_id);
      }
      await witness.count(2);
      assert.deepEqual(
        witness.items.map(({ event, record }) => [event, record.sessions.length]),
        [["boards patched", 1], ["boards patched", 2]],
      );
      await unmake("sessions", one);
      const [board] = (await agor((service) => service("boards").find(), noHealth)).data;
      assert.deepEqual(board.sessions, [two.session_id]);
      await unmake("sessions", two);
    });

    test("add-session of a session or to a board that is not there is refused", async () => {
      const [board] = (await agor((service) => service("boards").find(), noHealth)).data;
      const patch = (id, sessions) => agor((service) => service("boards").patch(id, { sessions }), noHealth);
      await assert.rejects(patch(board.board_id, [NOBODY]), { code: 400 });
      await assert.rejects(patch(NOBODY, []), { code: 404 });
      const add = (id, sessionId) => agor((service) => service(`boards/${id}/sessions`).create({ sessionId }), noHealth);
      await assert.rejects(add(board.board_id, NOBODY), { code: 404 });
      await assert.rejects(add(NOBODY, NOBODY), { code: 404 });
      await assert.rejects(add(board.board_id, undefined), { code: 400 });
      assert.deepEqual((await agor((service) => service("boards").get(board.board_id), noHealth)), board);
    });
  });

  describe("repo", () => {
    const list = () => agor((service) => service("repos").find({ query: { $limit: 50, $sort: { created_at: -1 } } }));
    const add = (url, slug) => agor((service) => service("repos/clone").create({ url, slug }));
    const remove = (name) =>
      agor(async (service) => {
        // The command takes an id or a slug, and asks for an id first.
        const byId = await service("repos").get(name).catch((error) => assert.equal(error.code, 404));
        const { data } = byId ? { data: [byId] } : await service("repos").find({ query: { slug: name } });
        return service("repos").remove(data[0].repo_id);
      });
    const url = () => pathToFileURL(source.folder).href;
    // What a failing test leaves would fail the others, too.
    afterEach(async () => {
      for (const repo of (await http(daemon.url, "/repos")).json.data) await unmake("repos", repo);
    });

    test("list of none is empty", async () => {
      assert.deepEqual(await list(), { total: 0, limit: 50, skip: 0, data: [] });
    });

    test("add clones and records, list shows it, rm forgets it and leaves the files", async () => {
      const witness = await websocket.open(daemon.url);
      const repo = await add(url(), "org/demo");
      assertShowable("repos", repo);
      const { repo_id, local_path, created_at, last_updated } = repo;
      assertGivenId(repo_id);
      assert.deepEqual(repo, {
        repo_id,
        slug: "org/demo",
        created_at,
        last_updated,
        name: source.folder.split("/").at(-1),
        remote_url: url(),
        local_path,
        managed_by_agor: true,
        default_branch: "main",
        worktrees: [],
      });
      assert.ok(local_path.startsWith(join(data.folder, "repos")), local_path);
      assert.ok((await stat(join(local_path, "README"))).isFile(), "it is not bare");
      assert.deepEqual((await list()).data, [repo]);
      assert.deepEqual(await remove("org/demo"), repo);
      assert.ok((await stat(local_path)).isDirectory());
      assert.equal((await list()).total, 0);
      assert.equal((await agor((service) => service("repos").find({ query: { slug: "org/demo" } }))).total, 0);
      await witness.count(2);
      assert.deepEqual(
        witness.items.map(({ event, record }) => [event, record]),
        [["repos created", repo], ["repos removed", repo]],
      );
    });

    test("add of a slug that is there says so, and keeps what is there", async () => {
      const repo = await add(url(), "org/again");
      await assert.rejects(add(url(), "org/again"), {
        code: 409,
        message: "Repository 'org/again' already exists in database",
      });
      const twice = await Promise.allSettled([add(url(), "org/race"), add(url(), "org/race")]);
      assert.deepEqual(twice.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const { reason } = twice.find(({ status }) => status === "rejected");
      assert.match(reason.message, /already exists/);
      const { data } = await list();
      assert.deepEqual(data.map(({ slug }) => slug).sort(), ["org/again", "org/race"]);
      for (const { local_path } of data) assert.equal((await git("rev-parse", ["--abbrev-ref", "HEAD"], local_path)).trim(), "main");
      assert.deepEqual(data.find(({ slug }) => slug === "org/again"), repo);
      for (const { slug } of data) await remove(slug);
    });

    describe("add of what cannot be cloned says why, tells no path and no secret, and leaves nothing", () => {
      const SECRET = "hunter2-token";
      const wrong = {
        "a host that is not there": [() => "ssh://git@no-such-host.invalid/org/x.git", /resolve host/i],
        "a host that is not there, over https": [() => "https://no-such-host.invalid/org/x.git", /resolve host/i],
        "a repository that is not there": [() => pathToFileURL(join(source.folder, "nope")).href, /./],
        "a folder that is no repository": [() => pathToFileURL(data.folder).href, /./],
        "a password in the url": [() => `https://ann:${SECRET}@no-such-host.invalid/x.git`, /url/],
        "a token in the url": [() => `https://${SECRET}@no-such-host.invalid/x.git`, /url/],
        "a transport that runs programs": [() => "ext::sh -c touch% /tmp/owned", /url/],
        "an option": [() => "--upload-pack=touch /tmp/owned", /url/],
        "an option as host": [() => "ssh://-oProxyCommand=touch/x", /url/],
        "a local path": [() => source.folder, /url/],
        "a path that climbs": [() => "../../etc", /url/],
        "two lines": [() => "https://example.com/x\n--bare", /url/],
        "no url": [() => undefined, /url/],
        "a number": [() => 5, /url/],
      };
      for (const [what, [make, says]] of Object.entries(wrong)) {
        test(what, async () => {
          const url = make();
          const before = await names(data.folder);
          const error = await add(url, "org/wrong").catch((error) => error);
          assert.ok(error.code >= 400 && error.code < 500, `${error.code} ${error.message}`);
          assert.match(error.message, says);
          const told = JSON.stringify({ ...error, message: error.message, stack: undefined });
          for (const secret of [SECRET, data.folder, source.folder, "/tmp/", process.cwd()]) {
            assert.ok(!told.includes(secret), `${told} tells ${secret}`);
          }
          assert.ok(!daemon.log.some((line) => line.includes(SECRET)), "the log tells no secret");
          assert.equal((await list()).total, 0);
          assert.deepEqual(await names(data.folder), before, "nothing is left of it");
        });
      }

      for (const slug of ["../../evil", "/etc/passwd", "a/../../b", "-rf", "a b", "", "x".repeat(300), "a\0b", ".git", "a//b", 5, {}]) {
        test(`a slug such as ${JSON.stringify(slug).slice(0, 20)}`, async () => {
          const before = await names(data.folder);
          await assert.rejects(add(url(), slug), { code: 400 });
          assert.deepEqual(await names(data.folder), before);
          assert.equal((await list()).total, 0);
        });
      }

      test("a folder that cannot be written", { skip: process.getuid() === 0 && "root writes anywhere" }, async () => {
        await mkdir(join(data.folder, "repos"), { recursive: true });
        await chmod(join(data.folder, "repos"), 0o500);
        try {
          const error = await add(url(), "org/readonly").catch((error) => error);
          assert.ok(error.code >= 400, error.message);
          assert.ok(!error.message.includes(data.folder));
        } finally {
          await chmod(join(data.folder, "repos"), 0o700);
        }
      });
    });

    test("a repository that is cloned holds up nobody else", async () => {
      const cloning = add(url(), "org/slow");
      const session = await make("sessions", {});
      await cloning;
      await unmake("sessions", session);
      await remove("org/slow");
    });
  });

  describe("repo worktree", () => {
    let repo;
    before(async () => {
      repo = await agor((service) => service("repos/clone").create({ url: pathToFileURL(source.folder).href, slug: "org/trees" }));
    });

    /** The command finds the repository by its slug, looks at git itself, and creates. */
    const add = (slug, data) =>
      agor(async (service) => {
        const { data: found } = await service("repos").find({ query: { slug, $limit: 1 } });
        assert.equal(found.length, 1);
        return service(`repos/${found[0].repo_id}/worktrees`).create(data);
      });
    const list = (filter = {}) => agor((service) => service("repos").find({ query: { managed_by_agor: true, ...filter } }));

    test("add of a branch that is there", async () => {
      const made = await add("org/trees", { name: "side", ref: "side", createBranch: false });
      assertShowable("repos", made);
      const [worktree] = made.worktrees;
      const { path, created_at, last_used } = worktree;
      const { name, ref, new_branch, sessions } = worktree;
      assert.deepEqual({ name, ref, new_branch, sessions }, { name: "side", ref: "side", new_branch: false, sessions: [] });
      assert.equal(path, join(data.folder, "worktrees", "org/trees", "side"));
      assert.equal(created_at, last_used);
      assert.equal((await git("rev-parse", ["--abbrev-ref", "HEAD"], path)).trim(), "side");
    });

    test("add of a branch that is not there, which the command lets the daemon make", async () => {
      const made = await add("org/trees", { name: "wt1", ref: "wt1", createBranch: true });
      const { path, ref, new_branch } = made.worktrees.find(({ name }) => name === "wt1");
      assert.deepEqual([ref, new_branch], ["wt1", true]);
      assert.equal((await git("rev-parse", ["--abbrev-ref", "HEAD"], path)).trim(), "wt1");
    });

    test("add by many at once keeps every worktree, and one of each name", async () => {
      const head = (await git("rev-parse", ["HEAD"], source.folder)).trim();
      const { worktrees: before } = await agor((service) => service("repos").get(repo.repo_id));
      const wanted = ["one", "two", "three", "four", "five", "two", "four"];
      const asked = await Promise.allSettled(wanted.map((name) => add("org/trees", { name, ref: head })));
      const failures = asked.flatMap(({ reason }) => (reason ? [reason.message] : []));
      const { worktrees } = await agor((service) => service("repos").get(repo.repo_id));
      const made = worktrees.slice(before.length).map(({ name }) => name);
      assert.deepEqual(made.sort(), [...new Set(wanted)].sort());
      assert.equal(failures.length, 2);
      for (const message of failures) assert.match(message, /already exists/);
    });

    test("list shows the repositories that are the daemon's, by slug, too", async () => {
      const own = await make("repos", { slug: "own/folder", managed_by_agor: false });
      const now = await agor((service) => service("repos").get(repo.repo_id));
      assert.deepEqual((await list()).data, [now]);
      assert.deepEqual((await list({ slug: "org/trees" })).data, [now]);
      assert.deepEqual((await list({ slug: "own/folder" })).data, []);
      const { json } = await http(daemon.url, "/repos?managed_by_agor=true&slug=org/trees");
      assert.deepEqual(json.data, [now]);
      await unmake("repos", own);
    });

    describe("add of what cannot be is refused, and leaves nothing", () => {
      for (const wrong of [
        { name: "side", ref: "side" },
        { name: "other", ref: "no-such-branch" },
        { name: "other", ref: "--detach" },
        { name: "../../evil", ref: "main" },
        { name: "/etc/evil", ref: "main" },
        { name: "-b", ref: "main" },
        { name: "a b", ref: "main" },
        { name: "", ref: "main" },
        { name: "other" },
        { ref: "main" },
        { name: 5, ref: 5 },
        {},
      ]) {
        test(JSON.stringify(wrong), async () => {
          const before = [await names(data.folder), await agor((service) => service("repos").get(repo.repo_id))];
          const error = await add("org/trees", wrong).catch((error) => error);
          assert.ok(error.code === 400 || error.code === 409, `${error.code} ${error.message}`);
          assert.ok(!error.message.includes(data.folder), error.message);
          assert.deepEqual([await names(data.folder), await agor((service) => service("repos").get(repo.repo_id))], before);
        });
      }

      test("in a repository that is not there, or that is no clone", async () => {
        const create = (id) => agor((service) => service(`repos/${id}/worktrees`).create({ name: "x", ref: "main" }));
        await assert.rejects(create(NOBODY), { code: 404 });
        const empty = await make("repos", { slug: "no/clone" });
        await assert.rejects(create(empty.repo_id), { code: 400 });
        const lost = await make("repos", { slug: "lost/clone", managed_by_agor: true, local_path: "/nonexistent" });
        await assert.rejects(create(lost.repo_id), { code: 400 });
        for (const one of [empty, lost]) await unmake("repos", one);
      });
    });

    test("rm of the repository leaves its worktrees' files", async () => {
      const { worktrees } = await agor((service) => service("repos").get(repo.repo_id));
      await agor((service) => service("repos").remove(repo.repo_id));
      for (const { path } of worktrees) assert.ok((await stat(path)).isDirectory());
      assert.equal((await list()).total, 0);
    });
  });

  describe("clones that hang", () => {
    let mute;
    let accepted;
    let place;
    /** @type {Daemon} */
    let daemon;
    before(async () => {
      // Takes connections and says nothing.
      accepted = [];
      mute = createServer((socket) => accepted.push(socket.on("error", () => {}))).listen(0, "127.0.0.1");
      await once(mute, "listening");
    });
    after(() => mute.close());
    beforeEach(async () => {
      place = await temporaryFolder("hanging");
      daemon = await Daemon.start(database, { args: ["--drain-secs", "1"], env: { DATA_DIR: place.folder } });
    });
    afterEach(async () => {
      accepted.splice(0).forEach((socket) => socket.destroy());
      await daemon.stop().finally(place.drop);
    });

    /** Begins clones that hang; they say what they were answered. */
    async function hang(count) {
      const url = `https://127.0.0.1:${mute.address().port}/org/x.git`;
      const clone = (n) => sendJson(daemon.url, "POST", "/repos/clone", { url, slug: `org/hanging-${n}` });
      const clones = Array.from({ length: count }, (_, n) => clone(n).catch((error) => error));
      while (accepted.length < count) await soon(once(mute, "connection"), "git connects");
      return Promise.all(clones);
    }

    test("hold up no other call, on their socket or another", async () => {
      const client = createClient(daemon.url);
      await connected(client);
      const url = `https://127.0.0.1:${mute.address().port}/org/x.git`;
      const hanging = client.service("repos/clone").create({ url, slug: "org/hanging" }).catch(() => {});
      await soon(once(mute, "connection"), "git connects");
      const made = await soon(client.service("sessions").create({ description: "meanwhile" }), "a session is made");
      assert.equal(made.description, "meanwhile");
      assert.equal((await client.service("repos").find()).total, 0);
      assert.equal((await http(daemon.url, "/sessions")).json.total, 1);
      accepted.forEach((socket) => socket.destroy());
      await soon(hanging, "the clone fails");
      client.io.close();
    });

    test("hold up no worktree, or say that they do", async () => {
      const url = pathToFileURL(source.folder).href;
      const { json: repo } = await sendJson(daemon.url, "POST", "/repos/clone", { url, slug: "org/good" });
      const hanging = hang(4);
      while (accepted.length < 4) await soon(once(mute, "connection"), "git connects");
      const asked = sendJson(daemon.url, "POST", `/repos/${repo.repo_id}/worktrees`, { name: "w", ref: "side" });
      const { status } = await soon(asked, "a worktree is made, or refused", 5_000).finally(async () => {
        accepted.forEach((socket) => socket.destroy());
        await soon(Promise.all([hanging, asked.catch(() => {})]), "the clones fail");
      });
      assert.ok([201, 429, 503].includes(status), `${status}`);
    });

    test("end with the daemon, and leave no trace", async () => {
      const hanging = hang(2);
      while (accepted.length < 2) await soon(once(mute, "connection"), "git connects");
      assert.deepEqual(await daemon.kill("SIGTERM"), { code: 0, signal: null });
      for (const answer of await hanging) assert.ok(!(answer.status < 300), "nobody was told that it was cloned");
      assert.deepEqual(await names(place.folder), ["jwt.secret"]);
      const closed = accepted.map((socket) => socket.resume().destroyed || once(socket, "close"));
      await soon(Promise.all(closed), "git's connections are closed: it runs no more", 5_000);
    });
  });

  test("fifty commands at once are all served, and leave no connection", async () => {
    const commands = Array.from({ length: 50 }, () => agor((service) => service("sessions").find({ query: { $limit: 5 } })));
    for (const page of await Promise.all(commands)) assert.equal(page.limit, 5);
  });

  const make = (service, record) => agor((path) => path(service).create(record));
  const unmake = (service, record) => agor((path) => path(service).remove(record[IDS[service]]));
});

/** The files in a folder, two levels deep and without git's own. */
async function names(folder) {
  const all = await readdir(folder, { recursive: true });
  // Git writes logs and locks into its own folders; half of a clone would be beside them.
  return all.filter((name) => !name.includes("/.git/") && name !== "repos" && name !== "worktrees").sort();
}
