// Agor's V01 user interface, unmodified: how it boots, what it calls, and what it must hear, call for call.

import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import {
  ORIGIN,
  Page,
  SERVICES,
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
import { closeAll, soon } from "../support/wait.mjs";

/** What the dialog for a new session sends. */
const FROM_DIALOG = {
  agent: "claude-code",
  status: "idle",
  description: "hello",
  repo: { managed_worktree: false },
  git_state: { ref: "main", base_sha: "HEAD", current_sha: "HEAD" },
  concepts: [],
  genealogy: { children: [] },
  tasks: [],
  message_count: 0,
  tool_use_count: 0,
};

onEveryDatabase("Agor's user interface", (database) => {
  /** @type {Daemon} */
  let daemon;
  let data;
  before(async () => {
    data = await temporaryFolder("data");
    daemon = await Daemon.start(database, { env: { DATA_DIR: data.folder } });
  });
  after(async () => {
    await closeAll();
    await daemon.stop().finally(data.drop);
  });

  test("the first page finds the default board, alone", async () => {
    const { boards } = await (await Page.open(daemon.url)).load();
    const [board] = boards.data;
    const { board_id, created_at, last_updated } = board;
    assertGivenId(board_id);
    assert.deepEqual(boards, {
      total: 1,
      limit: 50,
      skip: 0,
      data: [
        {
          board_id,
          name: "Default",
          slug: "default",
          created_at,
          last_updated,
          description: "Default board for all sessions",
          sessions: [],
          color: "#1677ff",
          icon: "star",
          visibility: "public",
        },
      ],
    });
  });

  test("the default board is the first, and one, after a restart", async () => {
    const [before] = (await http(daemon.url, "/boards")).json.data;
    await sendJson(daemon.url, "POST", "/boards", { name: "A second" });
    await daemon.restart("SIGTERM");
    const { total, data } = (await http(daemon.url, "/boards")).json;
    assert.equal(total, 2);
    assert.deepEqual(data[0], before);
    const { status } = await http(daemon.url, `/boards/${data[1].board_id}`, { method: "DELETE" });
    assert.equal(status, 200);
  });

  describe("a page boots", () => {
    for (const first of ["a poll's body, while the upgrade is under way", "the WebSocket, after the upgrade"]) {
      test(`with two handshakes, one of them abandoned, and its first call in ${first}`, async () => {
        const [abandoned, page] = [1, 2].map(() => new Engine(daemon.url, { origin: ORIGIN }));
        const handshakes = await Promise.all([abandoned.handshake(), page.handshake()]);
        for (const { headers } of handshakes) assertAllowed(headers);
        const { sid, upgrades, pingInterval, pingTimeout, maxPayload } = page.opening;
        assert.ok(sid && sid !== abandoned.opening.sid);
        assert.deepEqual({ upgrades, pingInterval, pingTimeout }, { upgrades: ["websocket"], pingInterval: 25_000, pingTimeout: 20_000 });
        assert.ok(maxPayload >= 1_000_000);

        const [posted] = await Promise.all([page.post("40"), page.poll()]);
        assert.deepEqual([posted.status, posted.text], [200, "ok"]);
        assertAllowed(posted.headers);
        while (!page.packets.some((packet) => /^40\{"sid":"[^"]+"\}$/.test(packet))) await page.poll();

        const waiting = page.poll();
        await page.websocket();
        page.socket.send("2probe");
        const inBody = first.startsWith("a poll");
        if (inBody) assert.equal((await page.post('420["find","sessions",{}]')).text, "ok");
        await page.until((packet) => packet === "3probe", "the probe is answered");
        // The page lets its last poll end before it moves over.
        await soon(waiting, "the poll that waits is answered");
        page.socket.send("5");
        if (!inBody) page.socket.send('420["find","sessions",{}]');
        page.socket.send('421["find","tasks",{"$limit":500}]');
        page.socket.send('422["find","boards",{}]');
        page.socket.send('423["find","repos",{}]');
        const answers = await Promise.all([0, 1, 2, 3].map((id) => page.answer(id)));
        const limits = answers.map(([error, result]) => [error, result.limit]);
        assert.deepEqual(limits, [[null, 50], [null, 500], [null, 50], [null, 50]]);
        const acks = page.packets.filter((packet) => packet.startsWith("43"));
        assert.equal(acks.length, 4, "each call is answered once, over whichever transport");

        // The page is on its WebSocket now, and hears there.
        const board = await created(daemon, "boards", { name: "heard" });
        const event = await page.until((packet) => packet.startsWith('42["boards created"'), "the page hears");
        assert.deepEqual(JSON.parse(event.slice(2)), ["boards created", board]);
        await removed(daemon, "boards", board);
      });
    }

    test("in the real client, whose four finds run in parallel", async () => {
      const client = createClient(daemon.url, { origin: ORIGIN });
      const engine = client.io.io.engine;
      assert.equal(engine.transport.name, "polling");
      await connected(client);
      const found = Promise.all([
        client.service("sessions").find(),
        client.service("tasks").find({ query: { $limit: 500 } }),
        client.service("boards").find(),
        client.service("repos").find(),
      ]);
      const pages = await soon(found, "the page loads", 5_000);
      assert.deepEqual(
        pages.map(({ limit, skip }) => [limit, skip]),
        [[50, 0], [500, 0], [50, 0], [50, 0]],
      );
    });

    test("and the daemon allows it and its fetches, and nothing more", async () => {
      for (const path of ["/socket.io/?EIO=4&transport=polling", "/boards", "/sessions/x/fork", "/health"]) {
        for (const method of ["GET", "POST", "PATCH", "DELETE"]) assertPreflight(await preflight(daemon.url, path, method));
      }
      assertAllowed((await http(daemon.url, "/boards", { headers: { origin: ORIGIN } })).headers);
      assertAllowed((await http(daemon.url, "/nope", { headers: { origin: ORIGIN } })).headers);
      const foreign = await http(daemon.url, "/boards", { headers: { origin: "http://evil.example" } });
      assert.equal(foreign.status, 403);
      assert.equal(foreign.headers["access-control-allow-origin"], undefined);
    });
  });

  test("a session made in the dialog is on the board, on both pages, once", async () => {
    const [page, other] = await twoPages(daemon);
    const [{ board_id }] = page.lists.boards;
    const session = await page.client.service("sessions").create(FROM_DIALOG);
    assertGivenId(session.session_id);
    assertShowable("sessions", session);
    const { agent, status, description, git_state, concepts, tasks } = session;
    const { agent: a, status: s, description: d, git_state: g, concepts: c, tasks: t } = FROM_DIALOG;
    assert.deepEqual({ agent, status, description, git_state, concepts, tasks }, { agent: a, status: s, description: d, git_state: g, concepts: c, tasks: t });
    assert.deepEqual(session.genealogy, { ...nobody, children: [] });
    const board = await page.client.service(`boards/${board_id}/sessions`).create({ sessionId: session.session_id });
    assert.deepEqual(board.sessions, [session.session_id]);
    // A second time it is there already, and nobody hears anything.
    const again = await page.client.service(`boards/${board_id}/sessions`).create({ sessionId: session.session_id });
    assert.deepEqual(again, board);
    await assertSame(daemon, [page, other]);
    for (const one of [page, other]) assert.deepEqual(one.take(), ["sessions created", "boards patched"]);
    await page.client.service("sessions").remove(session.session_id);
  });

  test("a card is renamed, set running and removed, on both pages, once", async () => {
    const [page, other] = await twoPages(daemon);
    const [{ board_id }] = page.lists.boards;
    const service = page.client.service("sessions");
    const { session_id } = await service.create(FROM_DIALOG);
    await page.client.service(`boards/${board_id}/sessions`).create({ sessionId: session_id });
    const renamed = await service.patch(session_id, { description: "Renamed" });
    assert.equal(renamed.description, "Renamed");
    const running = await service.patch(session_id, { status: "running" });
    assert.deepEqual([running.status, running.description], ["running", "Renamed"]);
    const gone = await service.remove(session_id);
    assert.deepEqual(gone, running);
    await assertSame(daemon, [page, other]);
    const story = ["sessions created", "boards patched", "sessions patched", "sessions patched", "sessions removed", "boards patched"];
    for (const one of [page, other]) assert.deepEqual(one.take(), story);
  });

  test("a board is made, renamed and removed, on both pages, once", async () => {
    const [page, other] = await twoPages(daemon);
    const service = page.client.service("boards");
    const { board_id } = await service.create({ name: "Sprint", icon: "🚀", description: "Two weeks" });
    const renamed = await service.patch(board_id, { name: "Sprint 2", description: "Two more" });
    assert.deepEqual([renamed.name, renamed.description, renamed.icon], ["Sprint 2", "Two more", "🚀"]);
    assert.deepEqual(await service.get(board_id), renamed);
    await service.remove(board_id);
    await assertSame(daemon, [page, other]);
    for (const one of [page, other]) assert.deepEqual(one.take(), ["boards created", "boards patched", "boards removed"]);
  });

  test("a drawer finds its session's messages and tasks, twice, in order", async () => {
    const page = await Page.open(daemon.url);
    const { session_id } = await created(daemon, "sessions", FROM_DIALOG);
    const { session_id: another } = await created(daemon, "sessions", FROM_DIALOG);
    const tasks = [];
    for (const description of ["first", "second"]) tasks.push(await created(daemon, "tasks", { session_id, description }));
    await created(daemon, "tasks", { session_id: another });
    const [{ task_id }] = tasks;
    for (const index of [2, 0, 1]) await created(daemon, "messages", { session_id, task_id, index, content: `${index}` });
    await created(daemon, "messages", { session_id: another, content: "not this one" });

    const messages = { session_id, $limit: 1000, $sort: { index: 1 } };
    const ofSession = { session_id, $limit: 1000, $sort: { created_at: 1 } };
    const find = (service, query) => page.client.service(service).find({ query });
    const [m1, t1, m2, t2] = await Promise.all([
      find("messages", messages),
      find("tasks", ofSession),
      find("messages", messages),
      find("tasks", ofSession),
    ]);
    assert.deepEqual(m1, m2);
    assert.deepEqual(t1, t2);
    assert.deepEqual([m1.total, m1.limit, m1.skip], [3, 1000, 0]);
    assert.deepEqual(m1.data.map(({ content }) => content), ["0", "1", "2"]);
    assert.deepEqual([t1.total, t1.limit], [2, 1000]);
    assert.deepEqual(t1.data, tasks);
    for (const message of m1.data) assertShowable("messages", message);
    const none = await find("messages", { ...messages, session_id: "nobody's" });
    assert.deepEqual(none, { total: 0, limit: 1000, skip: 0, data: [] });
    for (const id of [session_id, another]) await page.client.service("sessions").remove(id);
    assert.equal((await find("tasks", ofSession)).total, 0, "its tasks are gone with it");
    assert.equal((await find("messages", messages)).total, 0, "its messages are gone with it");
  });

  for (const [how, whose, point] of [
    ["fork", "forked_from_session_id", "fork_point_task_id"],
    ["spawn", "parent_session_id", "spawn_point_task_id"],
  ]) {
    test(`the ${how} button makes a child by fetch, and both pages see it, once`, async () => {
      const [page, other] = await twoPages(daemon);
      const parent = await page.client.service("sessions").create({ ...FROM_DIALOG, agent: "codex", concepts: ["a", "b"] });
      const path = `/sessions/${parent.session_id}/${how}`;
      assertPreflight(await preflight(daemon.url, path, "POST"));
      const child = await press(path, { prompt: `${how} please` });
      assertShowable("sessions", child);
      assertGivenId(child.session_id);
      const { agent, repo, git_state, concepts, description, status, tasks, message_count, tool_use_count } = child;
      const { repo: r, git_state: g, concepts: c } = parent;
      assert.deepEqual(
        { agent, repo, git_state, concepts, description, status, tasks, message_count, tool_use_count },
        { agent: "codex", repo: r, git_state: g, concepts: c, description: `${how} please`, status: "idle", tasks: [], message_count: 0, tool_use_count: 0 },
      );
      assert.deepEqual(child.genealogy, { ...nobody, [whose]: parent.session_id, children: [] });

      const task = await created(daemon, "tasks", { session_id: parent.session_id });
      const second = await press(path, { prompt: "from a task", task_id: task.task_id, agent: "gemini" });
      assert.deepEqual(second.genealogy, { ...nobody, [whose]: parent.session_id, [point]: task.task_id, children: [] });
      assert.equal(second.agent, how === "spawn" ? "gemini" : "codex", "only what is spawned may be somebody else");

      const children = [child.session_id, second.session_id];
      const { genealogy } = await page.client.service("sessions").get(parent.session_id);
      assert.deepEqual(genealogy.children, children);
      const family = await page.client.service(`sessions/${parent.session_id}/genealogy`).find();
      assert.deepEqual(family.children.map(({ session_id }) => session_id), children);
      assert.deepEqual(family.ancestors, []);
      const ofChild = (await http(daemon.url, `/sessions/${child.session_id}/genealogy`)).json;
      assert.deepEqual(ofChild.ancestors.map(({ session_id }) => session_id), [parent.session_id]);
      assert.equal(ofChild.session.session_id, child.session_id);

      await assertSame(daemon, [page, other]);
      const birth = ["sessions created", "sessions patched"];
      for (const one of [page, other]) assert.deepEqual(one.take(), ["sessions created", ...birth, "tasks created", ...birth]);
      for (const id of [...children, parent.session_id]) await page.client.service("sessions").remove(id);
    });

    test(`a ${how} of a session on a board is on that board, once, whoever puts it there`, async () => {
      const [page, other] = await twoPages(daemon);
      const [{ board_id }] = page.lists.boards;
      const parent = await page.client.service("sessions").create(FROM_DIALOG);
      const board = page.client.service(`boards/${board_id}/sessions`);
      await board.create({ sessionId: parent.session_id });
      const child = await press(`/sessions/${parent.session_id}/${how}`, { prompt: "x" });
      const { sessions } = await board.create({ sessionId: child.session_id });
      assert.deepEqual(sessions, [parent.session_id, child.session_id]);
      await assertSame(daemon, [page, other]);
      for (const one of [page, other]) {
        const heard = one.take().slice(2);
        assert.deepEqual(heard, ["sessions created", "sessions patched", "boards patched"]);
      }
      for (const { session_id } of [child, parent]) await page.client.service("sessions").remove(session_id);
    });

    test(`the ${how} button says what is wrong`, async () => {
      const { session_id } = await created(daemon, "sessions", FROM_DIALOG);
      const path = (id) => `/sessions/${id}/${how}`;
      for (const body of [{}, { prompt: "" }, { prompt: null }, { prompt: 5 }]) {
        const { status, json, headers } = await fetchFromPage(path(session_id), body);
        assert.equal(status, 400, JSON.stringify(body));
        assertAllowed(headers);
        assert.match(json.message, /prompt/i);
      }
      const { status, json } = await fetchFromPage(path("01933e4a-7b89-7c35-a8f3-9d2e1c4b5a6f"), { prompt: "x" });
      assert.equal(status, 404);
      assert.equal(json.message, "No record found for id '01933e4a-7b89-7c35-a8f3-9d2e1c4b5a6f'");
      assert.deepEqual((await http(daemon.url, `/sessions/${session_id}`)).json.genealogy.children, []);
      await removed(daemon, "sessions", { session_id });
    });
  }

  describe("worktrees", () => {
    let source;
    let repo;
    before(async () => {
      source = await temporaryFolder("source");
      await makeRepository(source.folder);
      repo = await created(daemon, "repos/clone", { url: pathToFileURL(source.folder).href, slug: "org/demo" });
    });
    after(() => source.drop());

    test("are made on a new branch, which the page names and which starts where the repository stands", async () => {
      const [page, other] = await twoPages(daemon);
      assert.deepEqual(page.lists.repos, [repo]);
      const worktrees = page.client.service(`repos/${repo.repo_id}/worktrees`);
      const made = await worktrees.create({ name: "wt1", ref: "wt1", createBranch: true });
      assertShowable("repos", made);
      const [{ name, path, ref, new_branch, sessions }] = made.worktrees;
      assert.deepEqual({ name, ref, new_branch, sessions }, { name: "wt1", ref: "wt1", new_branch: true, sessions: [] });
      assert.equal(path, join(data.folder, "worktrees", "org", "demo", "wt1"));
      assert.ok((await stat(join(path, "README"))).isFile());
      // The branch need not be called as the worktree is.
      const { worktrees: two } = await worktrees.create({ name: "wt2", ref: "feature/two", createBranch: true });
      assert.equal(two[1].ref, "feature/two");
      assert.equal(await branchOf(two[1].path), "feature/two");
      for (const gone of ["wt1", "wt2"]) await worktrees.remove(gone);
      await assertSame(daemon, [page, other]);
      for (const one of [page, other]) assert.deepEqual(one.take(), Array(4).fill("repos patched"));
    });

    test("are made of a branch and removed, and the other page sees each change once", async () => {
      const [page, other] = await twoPages(daemon);
      const worktrees = page.client.service(`repos/${repo.repo_id}/worktrees`);
      const made = await worktrees.create({ name: "here", ref: "side", createBranch: false });
      assertShowable("repos", made);
      const { path, ref, new_branch } = made.worktrees.find(({ name }) => name === "here");
      assert.deepEqual([ref, new_branch, path], ["side", false, join(data.folder, "worktrees", "org", "demo", "here")]);
      assert.ok((await stat(join(path, "README"))).isFile());
      assert.equal(await branchOf(path), "side");
      await assert.rejects(worktrees.create({ name: "here", ref: "side" }), { code: 409 });
      const left = await worktrees.remove("here");
      assert.equal(left.worktrees.find(({ name }) => name === "here"), undefined);
      await assert.rejects(stat(path), { code: "ENOENT" });
      await assert.rejects(worktrees.remove("here"), { code: 404 });
      await assertSame(daemon, [page, other]);
      for (const one of [page, other]) assert.deepEqual(one.take(), ["repos patched", "repos patched"]);
    });

    test("are where their sessions work, and stay when their repository is removed from the page", async () => {
      const [page, other] = await twoPages(daemon);
      const { repo_id } = repo;
      const worktrees = page.client.service(`repos/${repo_id}/worktrees`);
      await worktrees.create({ name: "kept", ref: "side" });
      const path = join(data.folder, "worktrees", "org", "demo", "kept");
      const where = { repo_id, repo_slug: "org/demo", worktree_name: "kept", managed_worktree: true };
      const session = await page.client.service("sessions").create({ ...FROM_DIALOG, repo: where });
      assert.ok((await stat(path)).isDirectory());
      await page.client.service("sessions").remove(session.session_id);
      await page.client.service("repos").remove(repo_id);
      assert.ok((await stat(path)).isDirectory(), "the files stay");
      await assertSame(daemon, [page, other]);
      const story = ["repos patched", "sessions created", "sessions removed", "repos removed"];
      for (const one of [page, other]) assert.deepEqual(one.take(), story);
      assert.equal(session.repo.cwd, path, "a session in a worktree works in its folder");
    });
  });

  describe("every record has what the page reads without asking, or is refused", () => {
    /** What clients leave out, leave empty, or get wrong. */
    const ODD = {
      sessions: [
        {},
        { repo: null, git_state: null, genealogy: null, concepts: null, tasks: null },
        { status: null },
        { agent: null },
        { repo: {}, git_state: {}, genealogy: {} },
        { message_count: null, tool_use_count: null },
        { repo: { cwd: null } },
        { repo: { cwd: 5 } },
        { repo: { managed_worktree: null } },
        { repo: { managed_worktree: true, repo_slug: "org/demo", worktree_name: "wt" } },
        { git_state: { ref: null, current_sha: null, base_sha: null } },
        { git_state: { ref: {} } },
        { git_state: { current_sha: [] } },
        { genealogy: { children: null } },
        { genealogy: { children: 5 } },
        { genealogy: { children: {} } },
        { genealogy: { children: [5] } },
        { genealogy: { parent_session_id: 5 } },
        { genealogy: { parent_session_id: "nobody's", children: [] } },
        { concepts: [null] },
        { concepts: [{}] },
        { tasks: [5] },
        { agentic_tool: "codex", title: "newer", contextFiles: [] },
      ],
      tasks: [
        {},
        { message_range: null, git_state: null },
        { full_prompt: null, description: null, model: null },
        { status: null },
        { message_range: {}, git_state: {} },
        { message_range: { start_index: null } },
        { message_range: { end_index: null } },
        { message_range: { start_timestamp: null } },
        { message_range: { start_index: "x" } },
        { message_range: { start_timestamp: "yesterday" } },
        { message_range: { start_index: 1, end_index: 2 } },
        { git_state: { sha_at_start: null } },
        { git_state: { sha_at_start: 5 } },
        { status: "completed", tool_use_count: null, report: null },
      ],
      messages: [
        {},
        { content: null },
        { content_preview: null },
        { type: null },
        { role: null },
        { timestamp: null },
        { index: null },
        { content: [] },
        { content: [{ type: "text", text: "x" }] },
        { task_id: null, metadata: null, tool_uses: null },
      ],
      boards: [{}, { name: null }, { sessions: null }, { description: null }, { sessions: [] }, { objects: null }, { color: null }],
      repos: [
        {},
        { worktrees: null },
        { name: null, local_path: null },
        { managed_by_agor: null },
        { worktrees: [] },
        { worktrees: [5] },
        { worktrees: [null] },
        { worktrees: [{}] },
        { worktrees: [{ name: "x", path: "/x", ref: "x", new_branch: false, sessions: null }] },
      ],
    };

    for (const service of SERVICES) {
      test(service, async () => {
        const { client } = await Page.open(daemon.url);
        const { session_id } = await created(daemon, "sessions", {});
        let slugs = 0;
        const least = () =>
          ({ sessions: {}, tasks: { session_id }, messages: { session_id }, boards: {}, repos: { slug: `s${slugs++}` } })[service];
        const white = [];
        /** Looks at what a call made, and at what is stored then. */
        const look = async (how, data, make) => {
          try {
            const record = await make().catch(assertRefused);
            if (!record) return;
            assertShowable(service, record);
            assertShowable(service, await client.service(service).get(record[IDS[service]]));
          } catch ({ message }) {
            white.push(`${how} ${JSON.stringify(data)}: ${message.split(" of ")[0]}`);
          }
        };
        for (const data of ODD[service]) {
          await look("create", data, () => client.service(service).create({ ...least(), ...data }));
          if (service === "tasks" || service === "messages") {
            const bulk = client.service(`${service}/bulk`);
            await look("bulk", data, async () => (await bulk.create([{ ...least(), ...data }]))[0]);
          }
          for (const method of ["patch", "update"]) {
            const whole = await client.service(service).create(least());
            await look(method, data, () => client.service(service)[method](whole[IDS[service]], data));
          }
        }
        if (service === "tasks") {
          const { task_id } = await client.service("tasks").create(least());
          for (const [how, data] of [["complete", {}], ["complete", { report: null }], ["fail", { error: "no" }]]) {
            await look(how, data, () => client.service(`tasks/${task_id}/${how}`).create(data));
          }
        }
        assert.deepEqual(white, []);
      });
    }

    /** Removes what a test made. */
    afterEach(async () => {
      for (const service of ["sessions", "repos", "boards"]) {
        const { data } = (await http(daemon.url, `/${service}?$limit=1000&$sort[created_at]=1`)).json;
        // The default board stays.
        for (const record of service === "boards" ? data.slice(1) : data) await removed(daemon, service, record);
      }
    });
  });

  /** Posts as a page does, from another origin. */
  function fetchFromPage(path, body) {
    const headers = { origin: ORIGIN, "content-type": "application/json" };
    return http(daemon.url, path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** Presses a button that fetches; returns the record that was made. */
  async function press(path, body) {
    const { status, headers, json, text } = await fetchFromPage(path, body);
    assert.equal(status, 201, text);
    assertAllowed(headers);
    return json;
  }
});

/** The branch that a folder is on. */
async function branchOf(folder) {
  return (await git("rev-parse", ["--abbrev-ref", "HEAD"], folder)).trim();
}

/** A session without parents. */
const nobody = { parent_session_id: null, forked_from_session_id: null };

/** Two browsers that show the same. */
const twoPages = (daemon) => Promise.all([Page.open(daemon.url), Page.open(daemon.url)]);

/** Asks as a browser does before it fetches. */
function preflight(url, path, method) {
  const headers = {
    origin: ORIGIN,
    "access-control-request-method": method,
    "access-control-request-headers": "content-type",
  };
  return http(url, path, { method: "OPTIONS", headers });
}

function assertPreflight({ status, headers }) {
  assert.ok(status >= 200 && status < 300, `${status}`);
  assertAllowed(headers);
  const listed = (name) => headers[name].toLowerCase().split(/ *, */);
  assert.ok(listed("access-control-allow-headers").includes("content-type"));
  const methods = listed("access-control-allow-methods");
  for (const method of ["get", "post", "patch", "delete"]) assert.ok(methods.includes(method), method);
}

function assertAllowed(headers) {
  assert.equal(headers["access-control-allow-origin"], ORIGIN);
  assert.equal(headers["access-control-allow-credentials"], "true");
}

/** An error that blames the caller. */
function assertRefused(error) {
  assert.equal(error.code, 400, `${error.code} ${error.message}`);
}

/** Once they have heard everything, each page shows what a page would that is opened now. */
async function assertSame(daemon, pages) {
  const last = await created(daemon, "boards", { name: "the last" });
  await removed(daemon, "boards", last);
  await Promise.all(pages.map((page) => page.hears("boards removed", last.board_id)));
  const fresh = await Page.open(daemon.url);
  const sorted = (service, list) => [...list].sort((a, b) => (a[IDS[service]] < b[IDS[service]] ? -1 : 1));
  for (const page of pages) {
    for (const service of SERVICES.filter((name) => name !== "messages")) {
      assert.deepEqual(sorted(service, page.lists[service]), sorted(service, fresh.lists[service]), service);
    }
    // Only the test's own changes count.
    page.heard.splice(-2);
  }
  fresh.client.io.close();
}

/** Creates a record over REST. */
async function created(daemon, service, data) {
  const { status, json, text } = await sendJson(daemon.url, "POST", `/${service}`, data);
  assert.equal(status, 201, `${service} ${JSON.stringify(data)}: ${text}`);
  return json;
}

/** Removes a record over REST. */
async function removed(daemon, service, record) {
  const { status, text } = await http(daemon.url, `/${service}/${record[IDS[service]]}`, { method: "DELETE" });
  assert.equal(status, 200, text);
}
