// The console in a browser: pages of a daemon that serves it, and what is wrong with them for assistive technology.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { soon } from "./wait.mjs";

/** What a daemon needs for the console that is worked on; without CONSOLE_DIR it serves the one that is built in. */
export const consoleEnv = process.env.CONSOLE_DIR ? { CONSOLE_DIR: process.env.CONSOLE_DIR } : {};

const axeSource = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Opens pages of a daemon's console, and waits until they are connected.
 *
 * @param {import("./daemon.mjs").Daemon} daemon
 * @param {import("./browser.mjs").Browser} browser
 */
export function consoleOf(daemon, browser) {
  /**
   * @param {string} place such as `/boards`
   * @param {import("playwright-core").BrowserContextOptions & {login?: [email: string, password: string]}} [options]
   */
  return async (place, { login, ...options } = {}) => {
    const page = await browser.open(`${daemon.url}/#${place}`, { viewport: { width: 1200, height: 800 }, ...options });
    if (login) {
      await page.getByLabel("Email").fill(login[0]);
      await page.getByRole("textbox", { name: "Password" }).fill(login[1]);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.getByRole("navigation").or(page.getByRole("banner")).first().waitFor();
    }
    await live(page);
    return page;
  };
}

/** Waits until a page is connected, and has what it missed. @param {import("playwright-core").Page} page */
export const live = (page) => soon(page.locator('[data-state="live"]').waitFor(), "the page is live");

/**
 * Fails if a page is hard to use with assistive technology.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} what it shows
 */
export async function axe(page, what) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const wrong = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message ?? ""}`).join("\n  ")}`);
  assert.deepEqual(wrong, [], `${what} can be used by everybody`);
}
