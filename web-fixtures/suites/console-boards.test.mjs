// The console's boards: people see each other there, and the same cards in the same places.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf, live } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { Tab, register } from "../support/people.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** What a page's own console says of daemons that are away, and of tabs that are killed. */
const FORGIVES = /net::ERR_|WebSocket|the page crashed/;

/** The faces of a page's roster: whose they are. */
const roster = (page) => page.locator("ul[data-known] li[data-user]");
const here = (page, count) => until(async () => (await roster(page).count()) === count, `${count} are here`);
const me = (page) => roster(page).first().getAttribute("data-user");
const cursorOf = (page, user) => page.locator(`[data-testid="canvas"] div[data-user="${user}"]`);
const card = (page, id) => page.locator(`.react-flow__node[data-id="${id}"]`);
/** Where a card is on the board. */
const placeOf = async (page, id) => /translate\((.+?)px, ?(.+?)px\)/.exec(await card(page, id).getAttribute("style"))?.slice(1, 3).map(Number);
const canvas = (page) => page.getByTestId("canvas");

if (noBrowser) test("the console's boards", { skip: noBrowser }, () => {});
else {
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  before(async () => (browser = await launch({ forgives: FORGIVES })));
  after(() => browser.close());

  describe("Boards where nobody has to log in", () => {
    /** @type {Daemon} */
    let daemon;
    let open;
    before(async () => {
      daemon = await Daemon.start(sqlite, { env: consoleEnv });
      open = consoleOf(daemon, browser);
    });
    after(() => daemon.stop());
    afterEach(closeAll);

    const make = async (path, data) => (await sendJson(daemon.url, "POST", path, data)).json;
    const read = async (path) => (await http(daemon.url, path)).json;
    /** A board with sessions on it. */
    async function boardWith(count, fields = {}) {
      const { board_id } = await make("/boards", { name: "Together", ...fields });
      const sessions = [];
      for (let turn = 0; turn < count; turn += 1) {
        sessions.push((await make("/sessions", { board_id, title: `Session ${turn}` })).session_id);
      }
      return { board: board_id, place: `/boards/${board_id}`, sessions };
    }
    /** Two people on a board, who know of each other. */
    async function two(place) {
      const pages = [await open(place), await open(place)];
      for (const page of pages) await here(page, 2);
      return pages;
    }
    /** Moves the mouse about over the canvas until others know. */
    async function point(page) {
      const box = await canvas(page).boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.move(box.x + box.width / 2 + 40, box.y + box.height / 2 + 40, { steps: 3 });
    }

    test("a board is made, and found among the others", async () => {
      const [page, other] = [await open("/boards"), await open("/boards")];
      await page.getByRole("button", { name: "New board" }).click();
      await page.getByLabel("Name").fill("Launch");
      await page.getByLabel("Icon ◆").check({ force: true });
      await page.getByRole("button", { name: "Create" }).click();
      await page.getByText("No session is on this board yet").waitFor();
      await other.getByRole("link", { name: "Launch" }).click();
      await here(page, 2);
      await here(other, 2);
    });

    test("two see each other's cursor and face, and lose them when one closes its tab", async () => {
      const { place } = await boardWith(2);
      const [ann, bob] = await two(place);
      const [annsName, bobsName] = [await me(ann), await me(bob)];
      assert.notEqual(annsName, bobsName);
      await point(ann);
      await point(bob);
      await cursorOf(bob, annsName).waitFor();
      await cursorOf(ann, bobsName).waitFor();
      assert.equal(await cursorOf(ann, annsName).count(), 0, "one's own cursor is the mouse's");
      // Off the canvas there is no cursor.
      await bob.mouse.move(5, 5);
      await cursorOf(ann, bobsName).waitFor({ state: "detached" });
      await point(bob);
      await cursorOf(ann, bobsName).waitFor();
      await bob.close();
      await cursorOf(ann, bobsName).waitFor({ state: "detached" });
      await here(ann, 1);
    });

    test("cursors are in the board's coordinates", async () => {
      const { place, sessions } = await boardWith(1);
      const ann = await open(place);
      const bob = await open(place, { viewport: { width: 2000, height: 1200 } });
      await here(ann, 2);
      const box = await card(bob, sessions[0]).boundingBox();
      await bob.mouse.move(box.x + box.width / 2 + 5, box.y + box.height / 2 + 5);
      await bob.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      const cursor = cursorOf(ann, await me(bob));
      await cursor.waitFor();
      const inMiddle = async () => {
        const [at, of] = [await cursor.boundingBox(), await card(ann, sessions[0]).boundingBox()];
        return Math.abs(at.x - of.x - of.width / 2) < 3 && Math.abs(at.y - of.y - of.height / 2) < 3;
      };
      await until(inMiddle, "the cursor is in the middle of the same card");
    });

    for (const [way, kill] of [
      ["its tab crashes", async (page) => void (await page.context().newCDPSession(page)).send("Page.crash").catch(() => {})],
      ["its browser is killed", killBrowser],
    ]) {
      test(`cursor and face are gone when ${way}`, async () => {
        const { place } = await boardWith(1);
        const theirs = await launch({ forgives: FORGIVES });
        const ann = await open(place);
        const bob = await consoleOf(daemon, theirs)(place);
        await here(ann, 2);
        const name = await me(bob);
        await point(bob);
        await cursorOf(ann, name).waitFor();
        await kill(bob);
        await cursorOf(ann, name).waitFor({ state: "detached" });
        await here(ann, 1);
        await theirs.close();
      });
    }

    test("a card that one moves, by mouse or by keys, moves for the other and stays there", async () => {
      const { place, board, sessions } = await boardWith(3);
      const [ann, bob] = await two(place);
      const [id] = sessions;
      assert.deepEqual(await placeOf(ann, id), await placeOf(bob, id));
      const before = await placeOf(ann, id);
      const box = await card(ann, id).boundingBox();
      await ann.mouse.move(box.x + 60, box.y + 90);
      await ann.mouse.down();
      await ann.mouse.move(box.x + 160, box.y + 290, { steps: 8 });
      await ann.mouse.up();
      const same = async () => {
        const [a, b] = [await placeOf(ann, id), await placeOf(bob, id)];
        return Math.abs(a[0] - b[0]) < 1 && Math.abs(a[1] - b[1]) < 1 && Math.abs(b[1] - before[1]) > 50;
      };
      await until(same, "the card moves for both");

      await card(bob, id).focus();
      await bob.keyboard.press("Enter");
      const [, y] = await placeOf(bob, id);
      for (let turn = 0; turn < 6; turn += 1) await bob.keyboard.press("Shift+ArrowDown");
      await until(async () => (await placeOf(ann, id))[1] > y + 20, "the card moves by keys");
      // What can be done with it is one key away, and so is the way back.
      await bob.keyboard.press("Enter");
      const focused = (selector) => until(() => bob.evaluate((selector) => document.activeElement.matches(selector), selector), `${selector} has the focus`);
      await focused("[data-panel]");
      await bob.keyboard.press("Escape");
      await focused(`[data-id="${id}"]`);
      await bob.getByRole("region", { name: "Session Session 0" }).waitFor({ state: "detached" });
      await until(same, "both see the same");
      await until(async () => (await read(`/boards/${board}`)).objects?.[id]?.y > y + 20, "the board keeps it");
      const carol = await open(place);
      await until(async () => Math.abs((await placeOf(carol, id))[1] - (await placeOf(ann, id))[1]) < 1, "who comes later sees it there");
    });

    test("a session is made on the board, looked at, typed to, and taken off", async () => {
      const { place, board } = await boardWith(0);
      const [ann, bob] = await two(place);
      await ann.getByRole("button", { name: "New session" }).click();
      await ann.getByLabel("Title").fill("Mend the roof");
      await ann.getByLabel("First prompt").fill("Where does it leak?");
      await ann.getByRole("button", { name: "Create" }).click();
      const theirs = bob.locator(".react-flow__node");
      await theirs.getByText("Mend the roof").waitFor();
      await theirs.getByText(/You wrote: Where does it leak\?/).waitFor();
      // Who made it looks at it.
      await theirs.locator("[data-watchers]").waitFor();
      const prompt = ann.getByRole("textbox", { name: "Prompt", exact: true });
      await prompt.pressSequentially("And now");
      await theirs.getByText(/types…/).waitFor();
      await prompt.press("Enter");
      await theirs.getByText(/You wrote: And now/).waitFor();
      await theirs.getByText(/types…/).waitFor({ state: "detached" });

      await ann.getByRole("button", { name: "Take off the board" }).click();
      await ann.getByRole("button", { name: "Take it off" }).click();
      await theirs.waitFor({ state: "detached" });
      const { sessions, objects } = await read(`/boards/${board}`);
      assert.deepEqual([sessions, objects ?? {}], [[], {}]);
    });

    test("who reads a session on its own page is still on its board, and is shown to type", async () => {
      const { place, sessions } = await boardWith(1);
      const [ann, bob] = await two(place);
      await ann.getByRole("link", { name: "Session 0" }).click();
      const prompt = ann.getByRole("textbox", { name: "Prompt", exact: true });
      await prompt.waitFor();
      await here(bob, 2);
      await card(bob, sessions[0]).locator('[data-watchers="1"]').waitFor();
      await prompt.pressSequentially("Now");
      await card(bob, sessions[0]).getByText(/types…/).waitFor();
      await card(bob, sessions[0]).click({ position: { x: 30, y: 60 } });
      await ann.locator('[data-watchers="1"]').waitFor();
      await ann.close();
      await here(bob, 1);
    });

    test("a session that was made before is there once it is put on the board", async () => {
      const { place, board } = await boardWith(1);
      const page = await open(place);
      const { session_id } = await make("/sessions", { title: "From elsewhere" });
      await make(`/boards/${board}/sessions`, { sessionId: session_id });
      await card(page, session_id).getByText("From elsewhere").waitFor();
    });

    test("after the daemon was away, people are on the board again", async () => {
      const { place, sessions } = await boardWith(1);
      const [ann, bob] = await two(place);
      await daemon.restart("SIGKILL");
      await live(ann);
      await live(bob);
      for (const page of [ann, bob]) {
        await here(page, 2);
        await page.locator('ul[data-known="true"]').waitFor();
      }
      await point(bob);
      await cursorOf(ann, await me(bob)).waitFor();
      await sendJson(daemon.url, "PATCH", `/sessions/${sessions[0]}`, { title: "Renamed" });
      await card(ann, sessions[0]).getByText("Renamed").waitFor();
    });

    test("a board that is removed is gone for who looks at it", async () => {
      const { place } = await boardWith(1);
      const [ann, bob] = await two(place);
      await ann.getByRole("button", { name: "More to do with the board" }).click();
      await ann.getByRole("menuitem", { name: "Remove the board" }).click();
      await ann.getByRole("button", { name: "Remove", exact: true }).click();
      await bob.getByText("This board is gone").waitFor();
      await ann.getByRole("heading", { name: "Boards" }).waitFor();
    });

    test("500 sessions on a board stay usable", async () => {
      const { place, board, sessions } = await boardWith(500);
      const began = performance.now();
      const page = await open(place);
      await card(page, sessions[0]).waitFor();
      console.log(`500 sessions: the first card after ${Math.round(performance.now() - began)} ms`);
      const drawn = await page.locator(".react-flow__node").count();
      console.log(`500 sessions: ${drawn} cards drawn`);
      assert.ok(drawn < 60, `only cards in sight are drawn, not ${drawn}`);
      // What happens to one is seen while much happens to the others.
      await Promise.all(sessions.slice(1).map((id) => sendJson(daemon.url, "PATCH", `/sessions/${id}`, { status: "running" })));
      await sendJson(daemon.url, "PATCH", `/sessions/${sessions[0]}`, { title: "After all that" });
      await card(page, sessions[0]).getByText("After all that").waitFor();
      const clicked = performance.now();
      await card(page, sessions[1]).click({ position: { x: 30, y: 60 } });
      await page.getByRole("region", { name: "Session Session 1", exact: true }).waitFor();
      console.log(`500 sessions: a card is selected after ${Math.round(performance.now() - clicked)} ms`);
      await page.getByText("List", { exact: true }).click();
      await page.getByRole("listitem").filter({ hasText: "After all that" }).waitFor();
      assert.ok((await page.locator("li[aria-setsize]").count()) < 40, "only rows in sight are drawn");
      await page.getByRole("region", { name: "Sessions", exact: true }).press("End");
      await page.getByText("Session 499").waitFor();
      assert.equal((await read(`/boards/${board}`)).sessions.length, 500);
    });

    test("everybody can use it", async () => {
      const { place, sessions } = await boardWith(3, { visibility: "private" });
      await make("/messages", { session_id: sessions[0], role: "user", type: "user", content: "<b>Bold</b> words" });
      for (const colorScheme of ["light", "dark"]) {
        for (const width of [360, 1200, 2000]) {
          const what = `${colorScheme}, ${width} px:`;
          const page = await open("/boards", { colorScheme, reducedMotion: "reduce", viewport: { width, height: 800 } });
          await page.getByRole("link", { name: "Together" }).first().waitFor();
          await axe(page, `${what} the boards`);
          await page.goto(`${daemon.url}/#${place}`);
          for (const look of ["Canvas", "List"]) {
            await page.getByText(look, { exact: true }).click();
            await page.getByText("<b>Bold</b> words").waitFor();
            await axe(page, `${what} a board as ${look}`);
          }
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          assert.ok(wide <= 0, `${what} nothing is wider than the screen`);
          if (width === 1200) {
            await page.getByRole("listitem").getByText("Session 0").click();
            await axe(page, `${what} a session that is selected`);
            await page.getByRole("button", { name: "New session" }).click();
            await page.getByLabel("First prompt").waitFor();
            await axe(page, `${what} a new session`);
            await page.keyboard.press("Escape");
            await page.getByRole("button", { name: "More to do with the board" }).click();
            await page.getByRole("menuitem", { name: "Change the board" }).click();
            await page.getByLabel("What it is for").waitFor();
            await axe(page, `${what} a board that is changed`);
          }
          await page.close();
        }
      }
    });
  });

  describe("Boards where one is told of the board only that one is on", () => {
    /** @type {Daemon} */
    let daemon;
    before(async () => (daemon = await Daemon.start(sqlite, { env: { ...consoleEnv, CHANNELS: "board" } })));
    after(() => daemon.stop());
    afterEach(closeAll);

    test("who was on a board sees the others live all the same", async () => {
      const { data } = (await http(daemon.url, "/boards")).json;
      const page = await consoleOf(daemon, browser)(`/boards/${data[0].board_id}`);
      await here(page, 1);
      await page.goto(`${daemon.url}/#/boards`);
      await sendJson(daemon.url, "POST", "/boards", { name: "Made meanwhile" });
      await page.getByRole("link", { name: "Made meanwhile" }).waitFor();
    });
  });

  describe("Boards where one has to log in", () => {
    /** @type {Daemon} */
    let daemon;
    let open;
    let people;
    before(async () => {
      daemon = await Daemon.start(sqlite, { args: ["--auth", "required"], env: consoleEnv });
      people = await register(daemon.url, ["admin", "ann", "bob"]);
      open = consoleOf(daemon, browser);
    });
    after(() => daemon.stop());
    afterEach(closeAll);

    const as = (name) => ({ login: [`${name}@example.com`, name] });

    test("a private board is there for its members only, from when they are and until they are not", async () => {
      const tab = await Tab.open(daemon.url, { token: people.ann.token });
      const { board_id } = await tab.call("create", "boards", { name: "Secret", visibility: "private" }, {});
      await tab.call("create", "sessions", { board_id, title: "Hidden work" }, {});
      const ann = await open(`/boards/${board_id}`, as("ann"));
      const bob = await open("/boards", as("bob"));
      await bob.getByRole("link", { name: "Default" }).waitFor();
      assert.equal(await bob.getByText("Secret").count(), 0);
      await bob.evaluate((id) => (location.hash = `#/boards/${id}`), board_id);
      await bob.getByText("There is no such board").waitFor();
      await bob.evaluate(() => (location.hash = "#/boards"));

      await ann.getByRole("button", { name: "More to do with the board" }).click();
      await ann.getByRole("menuitem", { name: "Members" }).click();
      await ann.getByPlaceholder("Who").click();
      await ann.getByRole("option", { name: "bob@example.com" }).click();
      await axe(ann, "the members of a board");
      await ann.getByRole("button", { name: "Add", exact: true }).click();
      await bob.getByRole("link", { name: "Secret" }).click();
      await bob.getByText("Hidden work").waitFor();
      await here(bob, 2);
      await here(ann, 2);
      assert.equal(await roster(ann).nth(1).getByRole("img").getAttribute("aria-label"), "bob: is here");

      // A member only sees who else is there, and may leave.
      await bob.getByRole("button", { name: "More to do with the board" }).click();
      assert.deepEqual(await bob.getByRole("menuitem").allTextContents(), ["Change the board", "Members"]);
      await bob.getByRole("menuitem", { name: "Members" }).click();
      await bob.getByText("The board's owners say who is on it.").waitFor();
      assert.equal(await bob.getByRole("button", { name: "Remove ann" }).count(), 0);
      await bob.keyboard.press("Escape");

      await ann.getByRole("button", { name: "Remove bob" }).click();
      await bob.getByText("This board is gone").waitFor();
      await here(ann, 1);
      assert.equal(await bob.getByText("Hidden work").count(), 0);
      assert.equal(await bob.getByText("Secret").count(), 0);
    });
  });
}

/** Kills the browser that a page is of, as one that gives up does. */
async function killBrowser(page) {
  const session = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  process.kill(processInfo.find(({ type }) => type === "browser").id, "SIGKILL");
}
