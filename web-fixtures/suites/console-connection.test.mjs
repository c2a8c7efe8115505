// The console's connection: how it is, and that nothing is missed when it was lost.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf, live } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http, sendJson } from "../support/http.mjs";
import { Proxy } from "../support/proxy.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** What a page's own console says of daemons that are away. */
const FORGIVES = /net::ERR_|WebSocket/;

const fact = (page, name) => page.locator(`[data-fact="${name}"]`);
const is = (page, name, text) => fact(page, name).filter({ hasText: text }).waitFor();
/** The banner of a return, and the rows of all of them. */
const banner = (page) => page.getByRole("status").locator("[data-return]");
const returns = (page) => page.getByRole("row").and(page.locator("[data-return]"));

if (noBrowser) test("the console's connection", { skip: noBrowser }, () => {});
else {
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  before(async () => (browser = await launch({ forgives: FORGIVES })));
  after(() => browser.close());

  describe("Connection", () => {
    /** @type {Daemon} */
    let daemon;
    before(async () => (daemon = await Daemon.start(sqlite, { env: consoleEnv })));
    after(() => daemon.stop());
    afterEach(closeAll);

    const board = (name) => sendJson(daemon.url, "POST", "/boards", { name });
    const head = async () => (await http(daemon.url, "/health")).json.seq;
    async function messages(count) {
      const { session_id } = (await sendJson(daemon.url, "POST", "/sessions", {})).json;
      await sendJson(daemon.url, "POST", "/messages/bulk", Array.from({ length: count }, () => ({ session_id, content: "x".repeat(500) })));
    }

    test("how it is, and up to which event", async () => {
      const page = await consoleOf(daemon, browser)("/connection");
      await is(page, "state", "live");
      await is(page, "transport", "WebSocket");
      await is(page, "latency", / m?s/);
      await page.getByText("The connection was never lost").waitFor();
      await board("One");
      await is(page, "events", /^Events1Since/);
      await is(page, "stamp", await head());
      console.log(await fact(page, "latency").textContent());
    });

    test("it is lost by a button, and comes back with what happened meanwhile", async () => {
      const page = await consoleOf(daemon, browser)("/connection");
      await page.getByRole("button", { name: "For about 3 s" }).click();
      await page.locator('[data-state="offline"]').waitFor();
      for (let turn = 0; turn < 12; turn += 1) await board(`While away ${turn}`);
      await banner(page).filter({ hasText: /^Back after [\d.]+ m?s: 12 events caught up, nothing missed$/ }).waitFor();
      await axe(page, "a return");
      await returns(page).filter({ hasText: "12 events caught up, nothing missed" }).waitFor();
      await is(page, "returns", "1");
      await live(page);
      // It goes by itself.
      await banner(page).waitFor({ state: "detached" });
      // The next time it is as fast again.
      await page.getByRole("button", { name: "For a moment" }).click();
      await banner(page).filter({ hasText: "nothing happened meanwhile" }).waitFor();
      await banner(page).getByRole("button", { name: "Close" }).click();
      assert.equal(await banner(page).count(), 0);
    });

    test("it is live again when everything came, however much it was", async () => {
      const proxy = await Proxy.open(daemon.port);
      const page = await consoleOf({ url: proxy.url }, browser)("/connection");
      await is(page, "state", "live");
      proxy.shut();
      await page.locator('[data-state="offline"]').waitFor();
      for (let turn = 0; turn < 3; turn += 1) await messages(1_000);
      proxy.unshut();
      await banner(page).filter({ hasText: "3,003 events caught up, nothing missed" }).waitFor();
      await is(page, "stamp", await head());
      console.log(await banner(page).textContent());
    });

    test("everybody can use it, dark and light", async () => {
      for (const colorScheme of ["light", "dark"]) {
        const page = await consoleOf(daemon, browser)("/connection", { colorScheme, viewport: { width: 360, height: 740 } });
        await is(page, "latency", / m?s/);
        await axe(page, `the connection, ${colorScheme}`);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, "nothing is wider than the page");
      }
    });
  });

  describe("Connection to another log", () => {
    afterEach(closeAll);

    test("records are read anew, and the page says why", async () => {
      const [one, other] = await Promise.all([1, 2].map(() => Daemon.start(sqlite, { env: consoleEnv })));
      try {
        const proxy = await Proxy.open(one.port);
        const page = await consoleOf({ url: proxy.url }, browser)("/connection");
        await is(page, "state", "live");
        proxy.shut();
        await page.locator('[data-state="offline"]').waitFor();
        proxy.lead(other.port);
        proxy.unshut();
        await banner(page).filter({ hasText: "records were read anew, because the daemon has another log than before" }).waitFor();
        await returns(page).filter({ hasText: "read anew" }).waitFor();
        await live(page);
        await sendJson(other.url, "POST", "/boards", { name: "Here" });
        await until(async () => (await fact(page, "stamp").textContent()).includes((await http(other.url, "/health")).json.seq), "it goes on there");
      } finally {
        await Promise.all([one.stop(), other.stop()]);
      }
    });
  });
}
