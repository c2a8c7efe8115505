// The console's API keys: made, shown once, used, revoked; and who is in.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** Dialogs are there at once, and not by and by. */
const CALM = { reducedMotion: "reduce" };

const row = (page, name) => page.getByRole("row").and(page.locator("[data-key]")).filter({ hasText: name });

/** Makes a key; itself. */
async function make(page, name, scope) {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  if (scope) {
    await page.getByRole("combobox", { name: "It may" }).click();
    await page.getByRole("option", { name: scope }).click();
  }
  await page.getByRole("button", { name: "Make a key" }).click();
  const shown = page.getByRole("dialog", { name: "The key is made" });
  const key = await shown.locator("[data-new-key]").textContent();
  assert.match(key, /^ap_[\w-]{43}$/);
  await page.locator("button[data-loading]").waitFor({ state: "detached" });
  await axe(page, "a new key");
  await shown.getByRole("button", { name: "I have kept it" }).click();
  await shown.waitFor({ state: "detached" });
  await row(page, name).waitFor();
  assert.ok(!(await page.content()).includes(key), "the key is shown once");
  return key;
}

if (noBrowser) test("the console's API keys", { skip: noBrowser }, () => {});
else {
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser.close());

  describe("API keys where people log in", () => {
    /** @type {Daemon} */
    let daemon;
    let people;
    let open;
    before(async () => {
      daemon = await Daemon.start(sqlite, { env: consoleEnv, args: ["--auth", "required"] });
      people = await register(daemon.url, ["ann", "bob"]);
      open = (name, options) => consoleOf(daemon, browser)("/keys", { login: [`${name}@example.com`, name], ...CALM, ...options });
    });
    after(() => daemon.stop());
    afterEach(closeAll);

    /** The status of a call with a key. */
    const call = async (key, method = "GET") => {
      const headers = { "x-api-key": key, "content-type": "application/json" };
      return (await http(daemon.url, "/boards", { method, headers, ...(method === "POST" && { body: '{"name":"With a key"}' }) })).status;
    };

    test("one is made, works as far as it says, and is refused once it is revoked", async () => {
      const page = await open("bob");
      await page.getByText("There are no keys").waitFor();
      await page.getByText("Logged in as bob@example.com, member").waitFor();
      const writes = await make(page, "Nightly build");
      const reads = await make(page, "Dashboard", "See only");
      assert.deepEqual([await call(writes), await call(writes, "POST")], [200, 201]);
      assert.deepEqual([await call(reads), await call(reads, "POST")], [200, 403]);

      await row(page, "Nightly build").getByRole("button", { name: "Revoke Nightly build" }).click();
      const asked = page.getByRole("dialog", { name: "Revoke this key?" });
      await asked.waitFor();
      await axe(page, "a question before a key is revoked");
      await asked.getByRole("button", { name: "Keep it" }).click();
      await asked.waitFor({ state: "detached" });
      assert.equal(await call(writes), 200);
      await row(page, "Nightly build").getByRole("button").click();
      await asked.getByRole("button", { name: "Revoke" }).click();
      await row(page, "Nightly build").waitFor({ state: "detached" });
      assert.deepEqual([await call(writes), await call(reads)], [401, 200]);
    });

    test("an admin makes one for somebody else, who finds it without reading anew", async () => {
      const [admin, page] = [await open("ann"), await open("bob")];
      await admin.getByRole("combobox", { name: "User" }).click();
      await admin.getByRole("option", { name: "bob@example.com" }).click();
      const key = await make(admin, "From above");
      await row(admin, "From above").filter({ hasText: "bob@example.com" }).waitFor();
      await row(page, "From above").waitFor();
      assert.equal(await call(key), 200);
      // Others do not see it.
      const headers = { authorization: `Bearer ${people.bob.token}` };
      const { json } = await http(daemon.url, "/api-keys", { headers });
      assert.ok(json.data.every(({ user_id }) => user_id === people.bob.id));
      assert.equal(await page.getByRole("combobox", { name: "User" }).count(), 0);
    });

    test("what the daemon refuses is said in its words", async () => {
      const page = await open("bob");
      await page.getByRole("textbox", { name: "Name" }).fill(" ");
      await page.getByRole("button", { name: "Make a key" }).click();
      await page.getByRole("alert").filter({ hasText: /name/ }).waitFor();
    });

    test("who logs out is asked who they are, and the login is over", async () => {
      const page = await open("bob");
      const token = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
      assert.match(token, /accessToken/);
      await page.getByRole("button", { name: "Log out" }).click();
      await page.getByRole("button", { name: "Log in" }).waitFor();
      await until(async () => !(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes("accessToken"), "nothing is kept");
    });

    test("everybody can use it, dark and light, wide and narrow", async () => {
      for (const colorScheme of ["light", "dark"]) {
        for (const width of [360, 1200]) {
          const page = await open("ann", { colorScheme, viewport: { width, height: 740 } });
          await row(page, "From above").waitFor();
          await axe(page, `keys, ${colorScheme}`);
          assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "nothing is wider than the page");
        }
      }
    });
  });

  test("an open daemon says what keys are for, and makes them for the accounts that there are", async () => {
    const daemon = await Daemon.start(sqlite, { env: consoleEnv });
    try {
      const page = await consoleOf(daemon, browser)("/keys", CALM);
      await page.getByText("This daemon is open").waitFor();
      await page.getByText("there is none yet").waitFor();
      await axe(page, "keys of an open daemon");
      await register(daemon.url, ["ann"]);
      await make(page, "Local");
    } finally {
      await closeAll();
      await daemon.stop();
    }
  });
}
