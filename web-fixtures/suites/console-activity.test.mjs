// The console's activity: the log as it is written, in part, from a place on, and whole after the daemon was away.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf, live } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { Proxy } from "../support/proxy.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

/** What a page's own console says of daemons that are away. */
const FORGIVES = /net::ERR_|WebSocket/;

/** More events than rows may be in the page. */
const MANY = 10_000;
const ROWS = 100;

const rows = (page) => page.getByRole("option").and(page.locator("[data-seq]"));
const mode = (page) => page.locator("[data-log]");
const isIn = (page, wanted) =>
  soon(page.locator(`[data-log="${wanted}"][data-connected="true"]`).waitFor(), `the log is ${wanted}`);
const held = async (page) => Number(await page.locator("[data-count]").getAttribute("data-count"));
const holds = (page, count) => until(async () => (await held(page)) === count, `${count} events are in the list`);
/** The place of a stamp. */
const place = (seq) => Number(seq.split("-").at(-1));

/** The stamps of all events in the list, as somebody sees them who scrolls through it. */
async function listed(page) {
  const found = await page.getByRole("listbox", { name: "Events" }).evaluate(async (list) => {
    const seen = new Set();
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    list.scrollTop = 0;
    for (;;) {
      await frame();
      for (const row of list.querySelectorAll("[data-seq]")) seen.add(row.dataset.seq);
      const end = list.scrollHeight - list.clientHeight;
      if (list.scrollTop >= end - 1) break;
      list.scrollTop = Math.min(end, list.scrollTop + list.clientHeight / 2);
    }
    return [...seen];
  });
  return found.sort((a, b) => place(a) - place(b));
}

if (noBrowser) test("the console's activity", { skip: noBrowser }, () => {});
else {
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  before(async () => (browser = await launch({ forgives: FORGIVES })));
  after(() => browser.close());

  /** What is done to a daemon. */
  const of = (daemon) => ({
    make: async (path, data) => (await sendJson(daemon.url, "POST", path, data)).json,
    /** Messages of a new session, one event each, and one for the session. */
    async messages(count) {
      const { session_id } = await this.make("/sessions", { title: "Talk" });
      for (let from = 0; from < count; from += 1_000) {
        const some = Array.from({ length: Math.min(1_000, count - from) }, (_, index) => ({ session_id, content: `message ${from + index}` }));
        assert.equal((await sendJson(daemon.url, "POST", "/messages/bulk", some)).status, 201);
      }
      return session_id;
    },
    /** The log's events, or those that a query fits. */
    log: async (query = "") => (await http(daemon.url, `/events?$limit=1000${query}`)).json.data,
  });

  describe("Activity", () => {
    /** @type {Daemon} */
    let daemon;
    let open;
    before(async () => {
      daemon = await Daemon.start(sqlite, { env: consoleEnv });
      open = consoleOf(daemon, browser);
    });
    after(() => daemon.stop());
    afterEach(closeAll);

    test("events are shown as they happen, and one with its JSON", async () => {
      const page = await open("/activity");
      await isIn(page, "live");
      const board = await of(daemon).make("/boards", { name: "A <b>new</b> board" });
      const row = rows(page).filter({ hasText: "A <b>new</b> board" });
      await row.click();
      const panel = page.getByRole("complementary", { name: "The event" });
      const [event] = await of(daemon).log(`&board=${board.board_id}`);
      assert.deepEqual(JSON.parse(await panel.locator("[data-json]").textContent()), event);
      assert.equal(new URL(page.url()).hash, `#/activity?seq=${event.seq}`);
      await axe(page, "an event in the log");
      await panel.getByRole("button", { name: "Close the event" }).click();
      await panel.waitFor({ state: "detached" });
      assert.equal(new URL(page.url()).hash, "#/activity");
      await page.locator("figcaption", { hasText: /^Connected clients \d+ now$/ }).waitFor();
      await page.locator("figcaption", { hasText: /^Events per second .* [1-9]\d* at most$/ }).waitFor();
    });

    test("by keyboard", async () => {
      await of(daemon).messages(5);
      const page = await open("/activity");
      await isIn(page, "live");
      const list = page.getByRole("listbox", { name: "Events" });
      await list.focus();
      await page.keyboard.press("End");
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("Enter");
      const [last, before] = await of(daemon).log("&$sort[seq]=-1");
      await page.locator(`[role="option"][data-seq="${before.seq}"][aria-selected="true"]`).waitFor();
      assert.equal(await list.getAttribute("aria-activedescendant"), `event-${place(before.seq)}`);
      await page.keyboard.press("ArrowDown");
      await page.locator(`[role="option"][data-seq="${last.seq}"][aria-selected="true"]`).waitFor();
    });

    test("in part: by source, level, board and text", async () => {
      const board = await of(daemon).make("/boards", { name: "Needles" });
      const { session_id } = await of(daemon).make("/sessions", { title: "Haystack", board_id: board.board_id });
      await of(daemon).make("/tasks", { session_id, description: "Thread it", full_prompt: "Thread it" });
      const page = await open("/activity");
      await isIn(page, "live");

      const compare = async (query, what) => {
        const wanted = (await of(daemon).log(query)).map(({ seq }) => seq);
        assert.ok(wanted.length > 0, what);
        await holds(page, wanted.length);
        assert.deepEqual(await listed(page), wanted, what);
      };
      await page.getByRole("combobox", { name: "Sources" }).fill("tasks");
      await page.getByRole("option", { name: "tasks", exact: true }).click();
      await page.keyboard.press("Escape");
      await compare("&source=tasks", "by source");
      // What comes is looked at in the same way.
      await of(daemon).make("/boards", { name: "Elsewhere" });
      await of(daemon).make("/tasks", { session_id, description: "Knot it", full_prompt: "Knot it" });
      await rows(page).filter({ hasText: "Knot it" }).waitFor();
      await compare("&source=tasks", "by source, live");

      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByRole("combobox", { name: "Board" }).click();
      await page.getByRole("option", { name: "Needles", exact: true }).click();
      await compare(`&board=${board.board_id}`, "by board");

      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByRole("searchbox", { name: "Text in an event" }).fill("needLES");
      await until(async () => (await rows(page).count()) > 0 && (await rows(page).filter({ hasText: /needles/i }).count()) > 0, "by text");
      const all = (await of(daemon).log()).filter((event) => JSON.stringify(event).toLowerCase().includes("needles"));
      await until(async () => (await rows(page).count()) === all.length, "only those with the text");
      assert.deepEqual(await listed(page), all.map(({ seq }) => seq));

      await page.getByRole("button", { name: "Clear" }).click();
      await page.getByRole("combobox", { name: "Level" }).click();
      await page.getByRole("option", { name: "Errors only" }).click();
      await page.getByText("No such event").waitFor();
      await axe(page, "a log in which nothing fits");
      await page.reload();
      await page.getByText("No such event").waitFor();
    });

    test("it waits, and goes on with what came", async () => {
      const page = await open("/activity");
      await isIn(page, "live");
      await page.getByRole("button", { name: "Pause" }).click();
      const before = await held(page);
      await of(daemon).messages(4);
      await mode(page).filter({ hasText: "Paused: 5 came" }).waitFor();
      assert.equal(await held(page), before);
      await page.getByRole("button", { name: "Go on" }).click();
      await holds(page, before + 5);
      await isIn(page, "live");
      await rows(page).filter({ hasText: "message 3" }).last().waitFor();

      // More than are kept waiting are read anew.
      await page.getByRole("button", { name: "Pause" }).click();
      await of(daemon).messages(3_000);
      await mode(page).filter({ hasText: "Paused: 3,001 came" }).waitFor();
      await page.getByRole("button", { name: "Go on" }).click();
      await rows(page).filter({ hasText: "message 2999" }).waitFor();
      await isIn(page, "live");
    });

    test("an event that somebody names is shown among those around it, and the way back", async () => {
      await of(daemon).messages(1_500);
      const page = await open("/activity");
      await isIn(page, "live");
      await page.getByRole("textbox", { name: "Stamp to go to" }).fill("12");
      await page.getByRole("button", { name: "Go there" }).click();
      await isIn(page, "elsewhere");
      const chosen = (page) => rows(page).and(page.locator('[aria-selected="true"]'));
      const row = chosen(page);
      await row.waitFor();
      assert.equal(place(await row.getAttribute("data-seq")), 12);
      // It is there for who is sent the address.
      const other = await open(new URL(page.url()).hash.slice(1));
      assert.equal(place(await chosen(other).getAttribute("data-seq")), 12);
      // Scrolling on reads on.
      const before = await held(page);
      await page.getByRole("button", { name: "To the end" }).click();
      await until(async () => (await held(page)) > before, "newer events are read");
      await of(daemon).make("/boards", { name: "The newest" });
      await page.getByRole("button", { name: "To newest" }).click();
      await isIn(page, "live");
      await rows(page).filter({ hasText: "The newest" }).waitFor();
      // What is not there is said.
      await page.getByRole("textbox", { name: "Stamp to go to" }).fill("999999");
      await page.getByRole("button", { name: "Go there" }).click();
      await page.getByRole("status").filter({ hasText: "Event 999999 is not here" }).waitFor();
      await page.getByRole("textbox", { name: "Stamp to go to" }).fill("yesterday");
      await page.getByRole("button", { name: "Go there" }).click();
      await page.getByText("No stamp").waitFor();
    });

    test("ten thousand events keep the page small", async () => {
      const page = await open("/activity");
      await isIn(page, "live");
      const begun = performance.now();
      await of(daemon).messages(MANY);
      await holds(page, MANY);
      const [newest] = await of(daemon).log("&$sort[seq]=-1");
      await page.locator(`[role="option"][data-seq="${newest.seq}"]`).waitFor();
      console.log(`${MANY} events were written and shown in ${Math.round(performance.now() - begun)} ms`);
      assert.ok((await rows(page).count()) < ROWS, "few rows are in the page");
      // They are there for who scrolls.
      await page.getByRole("listbox", { name: "Events" }).evaluate((list) => (list.scrollTop = list.scrollHeight / 2));
      await until(async () => place(await rows(page).first().getAttribute("data-seq")) < place(newest.seq) - MANY / 4, "the middle is seen");
      assert.ok((await rows(page).count()) < ROWS, "few rows are in the page");
      const loads = await open("/activity");
      await isIn(loads, "live");
      const timing = await loads.evaluate(() => Math.round(performance.getEntriesByType("navigation")[0].duration));
      console.log(`the page is loaded in ${timing} ms`);
    });

    for (const colorScheme of ["light", "dark"]) {
      for (const width of [360, 1200]) {
        test(`everybody can use it, ${colorScheme}, ${width} px`, async () => {
          const page = await open("/activity", { colorScheme, viewport: { width, height: 800 } });
          await isIn(page, "live");
          await axe(page, "the log");
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `nothing is wider than the page: ${wide}`);
        });
      }
    }
  });

  describe("Activity while the daemon is away", () => {
    afterEach(closeAll);

    test("the list is the log after the daemon was killed, and the page says that it is back", async () => {
      const daemon = await Daemon.start(sqlite, { env: consoleEnv });
      try {
        const page = await consoleOf(daemon, browser)("/activity");
        await isIn(page, "live");
        await of(daemon).messages(20);
        await daemon.restart("SIGKILL");
        await of(daemon).messages(300);
        const banner = page.locator('[data-return="whole"]');
        await banner.waitFor();
        console.log(await banner.textContent());
        assert.match(await banner.textContent(), /^Back after .*(nothing missed|nothing happened meanwhile)$/);
        await of(daemon).make("/boards", { name: "And on" });
        const log = await of(daemon).log();
        await holds(page, log.length);
        assert.deepEqual(await listed(page), log.map(({ seq }) => seq));
      } finally {
        await daemon.stop();
      }
    });

    test("who was away for longer than the log reaches back reads anew", async () => {
      const daemon = await Daemon.start(sqlite, { env: consoleEnv, args: ["--retain-events", "1000"] });
      try {
        const proxy = await Proxy.open(daemon.port);
        const page = await consoleOf({ url: proxy.url }, browser)("/activity");
        await isIn(page, "live");
        proxy.shut();
        await page.locator('[data-state="offline"]').waitFor();
        const [{ seq }] = await of(daemon).log();
        await of(daemon).make("/boards", { name: "Made meanwhile" });
        await of(daemon).messages(3_000);
        await until(async () => (await http(daemon.url, `/events?since=${seq}&$limit=0`)).status === 410, "the log is pruned");
        proxy.unshut();
        await page.locator('[data-return="too_old"]').filter({ hasText: "records were read anew" }).waitFor();
        await live(page);
        // Its event is in no log any more: the records were read again.
        await page.getByRole("combobox", { name: "Board" }).click();
        await page.getByRole("option", { name: "Made meanwhile", exact: true }).waitFor();
        await page.getByRole("status").filter({ hasText: "longer than the log reaches back" }).waitFor();
        await rows(page).filter({ hasText: "message 2999" }).waitFor();
      } finally {
        await daemon.stop();
      }
    });

    test("who logs in sees what they may", async () => {
      const daemon = await Daemon.start(sqlite, { env: consoleEnv, args: ["--auth", "required"] });
      try {
        const people = await register(daemon.url, ["ann", "bob"]);
        const authorization = `Bearer ${people.ann.token}`;
        const headers = { authorization, "content-type": "application/json" };
        const make = (name, visibility) => http(daemon.url, "/boards", { method: "POST", headers, body: JSON.stringify({ name, visibility }) });
        const page = await consoleOf(daemon, browser)("/activity", { login: ["bob@example.com", "bob"] });
        await isIn(page, "live");
        await make("Ours alone", "private");
        await make("Everybody's", "public");
        await rows(page).filter({ hasText: "Everybody's" }).waitFor();
        assert.equal(await rows(page).filter({ hasText: "Ours alone" }).count(), 0);
        await page.locator("figcaption", { hasText: /^Connected clients (\d+ now|Not allowed for you)$/ }).waitFor();
        console.log(await page.locator("figcaption").last().textContent());
      } finally {
        await daemon.stop();
      }
    });
  });
}
