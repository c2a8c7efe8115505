// The console where one has to log in: a wrong password, a login that is kept good, and one that ends.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { Tab, register } from "../support/people.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

/** What the page's console says while there is no daemon. */
const FORGIVES = /net::ERR_|connection to .* was interrupted|WebSocket connection/;

/** How long a login is good here, in seconds: its page changes it for a new one after three quarters. */
const TOKEN_SECS = "8";

if (noBrowser) test("The console's login", { skip: noBrowser }, () => {});
else {
  describe("The console's login", () => {
    /** @type {import("../support/browser.mjs").Browser} */
    let browser;
    /** @type {Daemon} */
    let daemon;
    let people;
    let open;
    before(async () => {
      browser = await launch({ forgives: FORGIVES });
      daemon = await Daemon.start(sqlite, { env: { ...consoleEnv, AUTH: "required", TOKEN_SECS } });
      open = consoleOf(daemon, browser);
      people = await register(daemon.url, ["ann", "bob"]);
    });
    after(async () => {
      await browser.close();
      await daemon.stop();
    });
    afterEach(closeAll);

    /** A connection of Ann's, who logs in for it. */
    async function ann() {
      const tab = await Tab.open(daemon.url);
      const login = { strategy: "local", email: "ann@example.com", password: "ann" };
      await tab.call("create", "authentication", login, {});
      return tab;
    }
    const enter = async (page, name, password = name) => {
      if (name) await page.getByLabel("Email").fill(`${name}@example.com`);
      await page.getByRole("textbox", { name: "Password" }).fill(password);
      await page.getByRole("button", { name: "Log in" }).click();
    };
    const asked = (page) => soon(page.getByRole("heading", { name: "Log in to Roost" }).waitFor(), "the page asks who one is");
    const title = (page, name) => soon(page.getByRole("heading", { name }).waitFor(), `the page shows ${name}`);
    const kept = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("roost-login")));

    test("a wrong password is told, the right one leads to where one wanted to go", async () => {
      const tab = await ann();
      const { session_id } = await tab.call("create", "sessions", { title: "Behind the door" }, {});
      const page = await open(`/sessions/${session_id}`);
      await asked(page);
      assert.equal(await page.getByText("Behind the door").count(), 0);
      await axe(page, "the login");
      await enter(page, "ann", "wrong");
      const alert = page.getByRole("alert");
      await soon(alert.waitFor(), "the page says that it was wrong");
      assert.match(await alert.innerText(), /Invalid login/);
      await axe(page, "a wrong password");
      await enter(page, undefined, "ann");
      await title(page, "Behind the door");
      await page.reload();
      await title(page, "Behind the door");
    });

    test("a login is kept good for as long as the page is open", async () => {
      const tab = await ann();
      const { session_id } = await tab.call("create", "sessions", { title: "At first" }, {});
      const page = await open(`/sessions/${session_id}`, { login: ["ann@example.com", "ann"] });
      await title(page, "At first");
      const first = await kept(page);
      await until(async () => (await kept(page)).accessToken !== first.accessToken, "the token is changed");
      const second = await kept(page);
      assert.notEqual(second.refreshToken, first.refreshToken);
      await until(async () => (await kept(page)).accessToken !== second.accessToken, "and again");
      // The first has ended by now.
      const later = await ann();
      await later.call("patch", "sessions", session_id, { title: "And later" }, {});
      await title(page, "And later");
    });

    test("a login that ends says so, and leads back to where one was, with what one had begun to write", async () => {
      const tab = await ann();
      const { session_id } = await tab.call("create", "sessions", { title: "Where one was" }, {});
      const page = await open(`/sessions/${session_id}`, { login: ["bob@example.com", "bob"] });
      await title(page, "Where one was");
      await page.getByLabel("Prompt", { exact: true }).fill("half a thought");
      // A new password ends what Bob could get a new token for.
      await (await ann()).call("patch", "users", people.bob.id, { password: "other" }, {});
      await asked(page);
      await soon(page.getByText("Your login ended.").waitFor(), "the page says why");
      assert.equal(await page.getByLabel("Email").inputValue(), "bob@example.com");
      await axe(page, "a login that ended");
      await (await ann()).call("patch", "sessions", session_id, { title: "What came meanwhile" }, {});
      await enter(page, undefined, "other");
      await title(page, "What came meanwhile");
      assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), "half a thought");
    });

    test("who comes after somebody else finds nothing of theirs", async () => {
      const tab = await ann();
      const { session_id } = await tab.call("create", "sessions", { title: "Anybody's" }, {});
      const page = await open(`/sessions/${session_id}`, { login: ["bob@example.com", "other"] });
      await title(page, "Anybody's");
      await page.getByLabel("Prompt", { exact: true }).fill("a secret of Bob's");
      await (await ann()).call("patch", "users", people.bob.id, { password: "bob" }, {});
      await asked(page);
      await enter(page, "ann");
      await title(page, "Anybody's");
      await until(async () => (await page.getByLabel("Prompt", { exact: true }).inputValue()) === "", "nothing of Bob's is there");
    });

    test("a token that ended while there was no daemon is changed on return, or asked for", async () => {
      const tab = await ann();
      const { session_id } = await tab.call("create", "sessions", { title: "Still here" }, {});
      const page = await open(`/sessions/${session_id}`, { login: ["ann@example.com", "ann"] });
      await title(page, "Still here");
      const before = await kept(page);
      await daemon.kill("SIGKILL");
      // Ends by its own clock, which nobody can hurry.
      const { exp } = JSON.parse(Buffer.from(before.accessToken.split(".")[1], "base64url"));
      await until(() => Date.now() / 1_000 > exp + 1, "the token has ended");
      await daemon.restart();
      await until(async () => (await kept(page)).accessToken !== before.accessToken, "the token is changed");
      const later = await ann();
      await later.call("patch", "sessions", session_id, { title: "After the night" }, {});
      await title(page, "After the night");
    });
  });
}
