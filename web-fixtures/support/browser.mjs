// Chromium, as Debian has it: one a suite, with a fresh profile, pages that `closeAll` closes, and what went wrong
// in them.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { chromium } from "playwright-core";
import { keep, soon } from "./wait.mjs";

/** The program, if there is one. */
const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium"].find((path) => path && existsSync(path));

/** Why no browser can be had; false if one can. */
export const noBrowser = CHROMIUM ? false : "there is no Chromium (tests/chromium.sh)";

const ARGS = [
  ...["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
  // Its sandbox does not work for root.
  ...(process.getuid() === 0 ? ["--no-sandbox"] : []),
  // Names of sites that are here: http://anything.example:<port>.
  "--host-resolver-rules=MAP *.example 127.0.0.1",
];

/**
 * @typedef {import("playwright-core").Page & {said: Said[], errors: string[]}} Page a page, what it said on its
 *   console, and what went wrong in it
 * @typedef {object} Said
 * @property {string} type such as `log` or `error`
 * @property {string} text
 * @property {() => Promise<any[]>} values what was given to the console
 */

/** A running browser. */
export class Browser {
  #browser;
  #forgives;
  /** What went wrong in its pages: errors on the console, and exceptions that nobody caught. @type {string[]} */
  errors = [];

  constructor(browser, forgives) {
    this.#browser = browser;
    this.#forgives = forgives;
  }

  /**
   * Opens a page in a session of its own: it shares no cookies and nothing that is stored with others.
   *
   * @param {string} url
   * @param {import("playwright-core").BrowserContextOptions} [options]
   * @returns {Promise<Page>}
   */
  async open(url, options = {}) {
    const context = await this.#browser.newContext(options);
    keep(() => context.close());
    const page = Object.assign(await context.newPage(), { said: [], errors: [] });
    const wrong = (text) => {
      page.errors.push(text);
      this.errors.push(`${page.url()}: ${text}`);
    };
    page.on("console", (message) => {
      const [type, text] = [message.type(), message.text()];
      page.said.push({ type, text, values: () => Promise.all(message.args().map((value) => value.jsonValue())) });
      // What is no page of ours has no icon.
      if (type === "error" && !message.location().url.endsWith("/favicon.ico")) wrong(text);
    });
    page.on("pageerror", (error) => wrong(String(error)));
    page.on("crash", () => wrong("the page crashed"));
    await soon(page.goto(url), `${url} is opened`);
    return page;
  }

  /** Ends it; fails if something went wrong in a page that is not forgiven. */
  async close() {
    await this.#browser.close();
    const error = this.errors.find((error) => !this.#forgives?.test(error));
    assert.equal(error, undefined, "nothing goes wrong in the pages");
  }
}

/**
 * Starts the browser; its profile is gone when it ends.
 *
 * @param {{forgives?: RegExp}} [options] `forgives` fits what the suite makes go wrong in its pages
 */
export async function launch({ forgives } = {}) {
  const browser = await soon(chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGS }), "Chromium starts");
  return new Browser(browser, forgives);
}

/**
 * Serves a page at every path, until `closeAll`; its port.
 *
 * @param {string} script what runs in it
 * @param {string} [body]
 */
export async function serve(script, body = "") {
  const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body>${body}<script>${script}</script>`;
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(html));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  keep(() => server.closeAllConnections() ?? server.close());
  return server.address().port;
}
