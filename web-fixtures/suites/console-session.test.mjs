// The console's page of a session: a conversation as it streams, and what one does in it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf, live } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { Proxy } from "../support/proxy.mjs";
import { Viewer } from "../support/viewers.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

/** What the page's console says while there is no daemon. */
const FORGIVES = /net::ERR_|connection to .* was interrupted|WebSocket connection/;

/** The ids of all that a conversation shows, from its start to its end. */
const listed = (page) => soon(page.evaluate(scrollThrough), "one scrolls through the conversation");

/** Runs in the page. */
async function scrollThrough() {
  const feed = document.querySelector('[role="feed"]');
  const drawn = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const ids = new Set();
  feed.scrollTop = 0;
  for (;;) {
    await drawn();
    for (const { dataset } of feed.querySelectorAll('article[data-kind="message"]')) ids.add(dataset.id);
    if (feed.scrollTop + feed.clientHeight >= feed.scrollHeight - 2) return [...ids];
    feed.scrollTop += feed.clientHeight / 2;
  }
}

if (noBrowser) test("The console's session", { skip: noBrowser }, () => {});
else {
  describe("The console's session", () => {
    /** @type {import("../support/browser.mjs").Browser} */
    let browser;
    /** @type {Daemon} */
    let daemon;
    /** @type {Viewer} */
    let viewer;
    let open;
    before(async () => {
      browser = await launch({ forgives: FORGIVES });
      daemon = await Daemon.start(sqlite, { env: consoleEnv });
      open = consoleOf(daemon, browser);
    });
    after(async () => {
      await browser.close();
      await daemon.stop();
    });
    afterEach(closeAll);

    /** A new session, and a page that shows it. */
    async function begin(options, data = {}) {
      viewer = await Viewer.open(daemon.url);
      const { session_id: id } = await viewer.create("sessions", { title: "A session", ...data });
      return { id, page: await open(`/sessions/${id}`, options) };
    }
    const prompt = async (page, text) => {
      await page.getByLabel("Prompt", { exact: true }).fill(text);
      await page.getByLabel("Prompt", { exact: true }).press("Enter");
    };
    const messages = async (session_id) => (await viewer.find("messages", { session_id, index: { $gte: 0 }, $limit: 10_000 })).data;
    const task = async (session_id) => (await viewer.find("tasks", { session_id, $sort: { created_at: -1 }, $limit: 1 })).data[0];
    const feed = (page) => page.getByRole("feed");
    const says = (page, text) => soon(feed(page).getByText(text).first().waitFor(), `the page shows ${text}`);

    test("a prompt streams: its words are there before the end, and the message in their place then", async () => {
      const { id, page } = await begin();
      await soon(page.getByText("Nothing was said yet").waitFor(), "an empty session says so");
      await axe(page, "an empty session");
      await prompt(page, "/slow 20 /long 80");
      const growing = page.locator('[data-growing="text"]');
      await soon(growing.filter({ hasText: /\w+ \w+ \w+/ }).first().waitFor(), "words come");
      assert.equal((await task(id)).status, "running", "before the run is over");
      await viewer.idle(id);
      await until(async () => (await growing.count()) === 0, "nothing grows any more");
      const { content } = (await messages(id)).at(-1);
      const text = content.map(({ text = "" }) => text).join("").trim();
      await until(async () => (await feed(page).locator("article").last().innerText()).includes(text.slice(-40)), "the message is there");
      // Thoughts and tools are folded, and can be unfolded by keyboard.
      await feed(page).getByText("Thought", { exact: true }).first().waitFor();
      const tool = feed(page).locator("summary", { hasText: "count_words" }).first();
      assert.match(await tool.innerText(), /done/);
      await tool.focus();
      await page.keyboard.press("Enter");
      await says(page, /\d+ words, \d+ characters/);
      await soon(page.locator('aside [data-status="completed"]').waitFor(), "the task is completed");
      assert.match(await page.locator("aside").innerText(), /1 tool · \d+ tokens/);
      await axe(page, "a session");
    });

    test("a prompt of two lines; drafts stay; what runs is stopped", async () => {
      const { id, page } = await begin();
      const box = page.getByLabel("Prompt", { exact: true });
      await box.fill("/slow 1 /long 1000000");
      await page.reload();
      await live(page);
      assert.equal(await box.inputValue(), "/slow 1 /long 1000000", "a draft outlives a reload");
      await box.press("End");
      await box.press("Shift+Enter");
      assert.match(await box.inputValue(), /\n$/);
      await box.press("Enter");
      await soon(page.locator('[data-growing="text"]').filter({ hasText: /\w{3}/ }).waitFor(), "words come");
      assert.equal(await box.inputValue(), "");
      await page.getByRole("button", { name: "Stop" }).click();
      await says(page, "Stopped by hand.");
      assert.equal((await task(id)).status, "stopped");
      assert.equal(await page.locator("[data-growing]").count(), 0, "nothing grows any more");
    });

    test("prompts wait, are taken back, and begin in their turn", async () => {
      const { id, page } = await begin();
      await prompt(page, "/hang");
      await soon(page.getByRole("button", { name: "Stop" }).waitFor(), "something runs");
      const waiting = page.getByRole("region", { name: "Waiting prompts" }).getByRole("listitem");
      for (const [place, text] of ["first in line", "second in line"].entries()) {
        await page.getByLabel("Prompt", { exact: true }).fill(text);
        await page.getByRole("button", { name: "Queue" }).click();
        await until(async () => (await waiting.count()) === place + 1, `${text} waits`);
      }
      await axe(page, "a queue");
      await page.getByRole("button", { name: "Take back: first in line" }).click();
      await until(async () => (await waiting.count()) === 1, "the first is taken back");
      await page.getByRole("button", { name: "Stop" }).click();
      await until(async () => (await waiting.count()) === 0, "the second begins");
      await viewer.idle(id, 2);
      await says(page, /second in line/);
      assert.equal((await messages(id)).filter(({ content }) => content === "first in line").length, 0);
    });

    test("a question is answered, a plan approved, another refused with a reason", async () => {
      const { id, page } = await begin();
      await prompt(page, "/ask");
      const question = page.getByRole("region", { name: "The agent asks you" });
      await soon(question.waitFor(), "the question is there");
      await axe(page, "a question");
      await question.getByLabel("Say why").fill("because I said so");
      await question.getByRole("button", { name: "Approve" }).click();
      await viewer.hears("tasks patched", { status: "completed" });
      await says(page, "Approved");
      const asked = (await messages(id)).find(({ type }) => type === "permission_request");
      assert.deepEqual([asked.content.status, asked.content.reason], ["approved", "because I said so"]);

      const plan = page.getByRole("region", { name: "A plan waits for you" });
      for (const [button, status] of [["Deny", "failed"], ["Approve", "completed"]]) {
        await page.getByLabel("Plan first").check();
        await prompt(page, `Do it: ${button}`);
        await soon(plan.waitFor(), "the plan is there");
        await plan.getByLabel("Say why").fill("as I like");
        await plan.getByRole("button", { name: button }).click();
        await until(async () => (await task(id)).status === status, `the task is ${status}`);
        await until(async () => (await plan.count()) === 0, "it waits no more");
      }
      await says(page, /Plan rejected by user: as I like/);
    });

    test("the daemon is killed while words come: the page's list is the log's, without a reload", async () => {
      const { id, page } = await begin({}, { title: "Through a kill" });
      await page.evaluate(() => (window.stays = true));
      for (const text of ["one", "two"]) await viewer.run(id, text);
      await prompt(page, "/slow 20 /long 100000");
      await soon(page.locator('[data-growing="text"]').filter({ hasText: /\w{3}/ }).waitFor(), "words come");
      const began = Date.now();
      await daemon.restart("SIGKILL");
      viewer = await Viewer.open(daemon.url);
      const late = [{ session_id: id, role: "assistant", type: "assistant", content: "Said while you were away" }];
      await viewer.create("messages/bulk", late);
      await viewer.run(id, "after the kill");
      await says(page, "interrupted by a restart");
      await says(page, "after the kill");
      console.log(`# the page is complete ${Date.now() - began} ms after the kill`);
      await live(page);
      assert.equal(await page.locator("[data-growing]").count(), 0, "nothing half said is left");
      const stored = await messages(id);
      // Results of tools are shown with the tools.
      const shown = stored.filter(({ content }) => !(Array.isArray(content) && content.every(({ type }) => type === "tool_result")));
      assert.deepEqual(await listed(page), shown.map(({ message_id }) => message_id));
      assert.ok(stored.length >= 12);
      assert.equal(await page.evaluate(() => window.stays), true, "it was not loaded again");
    });

    test("the connection is lost while words come: what was missed is said, until the message is there", async () => {
      const proxy = await Proxy.open(daemon.port);
      viewer = await Viewer.open(daemon.url);
      const { session_id: id } = await viewer.create("sessions", { title: "Through a tunnel" });
      const page = await consoleOf(proxy, browser)(`/sessions/${id}`);
      await prompt(page, "/slow 20 /long 400");
      const growing = page.locator('[data-growing="text"]');
      await soon(growing.filter({ hasText: /\w{3}/ }).waitFor(), "words come");
      proxy.cut();
      await soon(growing.getByText("Some words are missing here").waitFor(), "it says that words are missing");
      await live(page);
      await viewer.hears("tasks patched", { status: "completed" });
      await until(async () => (await growing.count()) === 0, "nothing grows any more");
      const whole = (await messages(id)).at(-1).content.map(({ text = "" }) => text).join("").replace(/\s+/g, " ").trim();
      const shown = async () => (await feed(page).locator("article").last().innerText()).replace(/\s+/g, " ");
      await until(async () => (await shown()).includes(whole), "all words are there");
    });

    test("5,000 messages: few are drawn, it opens at the end, and follows it while one is there", async () => {
      viewer = await Viewer.open(daemon.url);
      const { session_id: id } = await viewer.create("sessions", { title: "Long" });
      const roles = ["user", "assistant"];
      const message = (index) => ({ session_id: id, index, role: roles[index % 2], type: roles[index % 2], content: `Message ${index}. ${"Some **words**. ".repeat(index % 23)}` });
      for (let from = 0; from < 5_000; from += 1_000) await viewer.create("messages/bulk", Array.from({ length: 1_000 }, (_, index) => message(from + index)));
      const began = Date.now();
      const page = await open(`/sessions/${id}`);
      await says(page, /^Message 4999\./);
      const nodes = () => page.evaluate(() => document.querySelectorAll("*").length);
      console.log(`# 5,000 messages: the end is there after ${Date.now() - began} ms, ${await nodes()} nodes`);
      assert.ok((await nodes()) < 3_000);
      await soon(feed(page).getByText(/^Message 4999\./).waitFor({ state: "visible" }), "the end is in sight");
      const atEnd = () => feed(page).evaluate((feed) => feed.scrollHeight - feed.scrollTop - feed.clientHeight < 2);
      await until(atEnd, "it opens at the end");

      const say = (content) => viewer.create("messages", { session_id: id, role: "assistant", type: "assistant", content });
      await say("One more at the end");
      await says(page, "One more at the end");
      await until(atEnd, "it follows the end");

      await feed(page).focus();
      await page.keyboard.press("ArrowUp");
      await until(async () => !(await atEnd()), "one can leave the end in small steps");
      await page.keyboard.press("Home");
      await says(page, /^Message 0\./);
      const before = await feed(page).evaluate((feed) => feed.scrollTop);
      await say("Said far below");
      const button = page.getByRole("button", { name: "1 new message" });
      await soon(button.waitFor(), "it says that there is something new");
      assert.equal(await feed(page).evaluate((feed) => feed.scrollTop), before, "one stays where one is");
      await axe(page, "a long session");
      await button.click();
      await says(page, "Said far below");
      await until(atEnd, "it goes to the end");
      await until(async () => (await page.getByRole("button", { name: /new message|To the end/ }).count()) === 0, "the button goes");
      // Through all of it, fast.
      const scrolled = Date.now();
      for (let place = 0; place <= 20; place++) {
        await feed(page).evaluate((feed, part) => (feed.scrollTop = (feed.scrollHeight - feed.clientHeight) * part), place / 20);
        await until(async () => (await feed(page).locator("article").count()) > 3, "something is drawn");
        assert.ok((await nodes()) < 3_000);
      }
      console.log(`# scrolled through it in 20 steps: ${Date.now() - scrolled} ms`);
    });

    test("hostile messages do nothing", async () => {
      const { id, page } = await begin();
      const requests = [];
      page.on("request", (request) => requests.push(request.url()));
      const bad = [
        "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'><iframe src='javascript:parent.hacked=1'></iframe>",
        "[click](javascript:window.hacked=1) [data](data:text/html,<script>hacked=1</script>) <javascript:window.hacked=1>",
        "![seen](https://evil.example/pixel.png) ![](//evil.example/two.png) <style>body{display:none}</style>",
        "[fine](https://example.com/page) www.example.com",
        "> ".repeat(3_000) + "deep",
        "[".repeat(5_000) + "](".repeat(5_000),
        "*a_ ".repeat(5_000),
        "- ".repeat(2_000) + "lists",
        "```js\n" + "(".repeat(10_000) + "\n```",
        "| a |\n|---|\n" + "| b |\n".repeat(3_000),
        "\u202e\u0000 right to left \u200b".replace("\u0000", ""),
        "x".repeat(200_000),
        "",
      ];
      const say = (content, more = {}) => viewer.create("messages", { session_id: id, role: "assistant", type: "assistant", content, ...more });
      for (const text of bad) await say(text);
      const odd = [
        [],
        [null, 1, "text", { type: 5 }, { type: "unheard", of: { it: "<b>" } }],
        [{ type: "text" }, { type: "text", text: 7 }, { type: "thinking" }, { type: "tool_use" }, { type: "tool_result" }],
        [{ type: "tool_use", id: "u", name: "<img src=x onerror=hacked=1>", input: "<script>" }, { type: "tool_result", tool_use_id: "u", content: [null, { type: "image" }] }],
        { an: "object" },
      ];
      for (const content of odd) await say(content);
      for (const content of [{}, "no object", { status: "pending", tool_name: "approve_plan" }, { status: "pending", tool_input: null }])
        await say(content, { type: "permission_request", role: "system" });
      await say("The end of it");
      await says(page, "The end of it");
      const ids = await listed(page);
      assert.equal(ids.length, (await messages(id)).length, "all are shown");
      await feed(page).evaluate((feed) => (feed.scrollTop = 0));
      const link = feed(page).getByRole("link", { name: "fine" });
      await soon(link.waitFor(), "links are links");
      assert.deepEqual(
        await link.evaluate(({ href, rel, target }) => [href, rel.split(" ").includes("noopener"), target]),
        ["https://example.com/page", true, "_blank"],
      );
      const hrefs = await feed(page).locator("a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
      for (const href of hrefs) assert.match(href, /^(https?:)?\/\/|^$/);
      assert.equal(await feed(page).locator("img, iframe, script, style").count(), 0);
      assert.equal(await page.evaluate(() => window.hacked), undefined);
      assert.deepEqual(requests.filter((url) => new URL(url).origin !== daemon.url && !url.startsWith("ws://127.0.0.1")), [], "nothing is loaded from elsewhere");
      assert.deepEqual(page.errors, []);
    });

    test("a fork goes on elsewhere, and the tree says where from; the session is removed while one looks", async () => {
      const { id, page } = await begin({ reducedMotion: "reduce" });
      await page.getByRole("button", { name: "Fork" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Prompt").fill("Go the other way");
      await axe(page, "the question with what a fork begins");
      await dialog.getByRole("button", { name: "Fork", exact: true }).click();
      await soon(page.waitForURL((url) => !url.hash.includes(id) && url.hash.startsWith("#/sessions/")), "the fork is opened");
      const fork = new URL(page.url()).hash.split("/").at(-1);
      assert.equal((await viewer.get("sessions", fork)).genealogy.forked_from_session_id, id);
      await says(page, "Go the other way");
      await page.locator("aside").getByRole("link", { name: "A session" }).click();
      const child = page.locator("aside").getByRole("link", { name: "Go the other way" });
      await soon(child.waitFor(), "the parent knows its child");
      await page.getByRole("button", { name: "Spawn" }).click();
      await dialog.getByLabel("Prompt").fill("Count for me");
      await dialog.getByLabel("Agent").fill("codex");
      await dialog.getByRole("button", { name: "Spawn", exact: true }).click();
      await says(page, "Count for me");
      await soon(page.getByText("codex").first().waitFor(), "it is of that agent");

      // Narrow, it is in a drawer; a short id is enough.
      await page.setViewportSize({ width: 360, height: 740 });
      await page.goto(`${daemon.url}/#/sessions/${id.slice(0, 13)}`);
      await soon(page.waitForURL((url) => url.hash === `#/sessions/${id}`), "the whole id is found");
      await page.getByRole("button", { name: "Details" }).click();
      await soon(dialog.getByRole("link", { name: "Count for me" }).waitFor(), "the drawer has the tree");
      await axe(page, "the drawer");
      await page.keyboard.press("Escape");
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), "nothing is wider than the page");

      await viewer.remove("sessions", id);
      await soon(page.getByText("This session is gone").waitFor(), "the page says that it is gone");
      await axe(page, "a session that is gone");
      await page.goto(`${daemon.url}/#/sessions/nothing-of-the-kind`);
      await soon(page.getByText("There is no such session").waitFor(), "the page says that there is none");
    });
  });
}
