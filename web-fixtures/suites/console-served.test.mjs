// How the console is served: for whom, with what policy, and where it was not built.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";

const html = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };

describe("the console is served", () => {
  /** @type {Daemon} */
  let daemon;
  const env = process.env.CONSOLE_DIR ? { CONSOLE_DIR: process.env.CONSOLE_DIR } : {};
  before(async () => (daemon = await Daemon.start(sqlite, { env })));
  after(() => daemon.stop());

  test("a browser gets the page, a program the description of the API", async () => {
    const page = await fetch(daemon.url, html);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.match(page.headers.get("vary"), /accept/);
    const api = await fetch(daemon.url);
    assert.equal((await api.json()).name, "roost");
  });

  test("the page may do nothing but load what came with it and call the daemon", async () => {
    const [first, second] = await Promise.all([fetch(daemon.url, html), fetch(daemon.url, html)]);
    const policy = first.headers.get("content-security-policy");
    const rules = Object.fromEntries(policy.split(";").map((rule) => rule.trim().split(/\s+(.*)/s).slice(0, 2)));
    assert.equal(rules["default-src"], "'none'");
    assert.deepEqual([rules["script-src"], rules["connect-src"], rules["frame-ancestors"]], ["'self'", "'self'", "'none'"]);
    assert.ok(!policy.includes("unsafe"), policy);
    const nonce = /'nonce-([^']+)'/.exec(policy)[1];
    assert.ok((await first.text()).includes(nonce), "the page knows its nonce");
    assert.ok(!second.headers.get("content-security-policy").includes(nonce), "it is another each time");
    assert.equal(first.headers.get("cache-control"), "no-store");
    assert.equal(first.headers.get("x-content-type-options"), "nosniff");
  });

  test("its parts are kept by browsers; what is none of them is not there", async (t) => {
    const page = await (await fetch(daemon.url, html)).text();
    const parts = [...page.matchAll(/(?:src|href)="(\/console\/[^"]+)"/g)].map(([, path]) => path);
    if (parts.length === 0) return t.diagnostic("the console was not built here");
    for (const path of parts) {
      const part = await fetch(daemon.url + path);
      assert.equal(part.status, 200, path);
      if (path.includes("/assets/")) assert.match(part.headers.get("cache-control"), /immutable/, path);
      assert.ok(!part.headers.get("content-type").startsWith("application/octet"), path);
    }
    assert.ok(!/(src|href)="https?:/.test(page), "nothing is elsewhere");
    for (const path of ["nope.js", "..%2fpackage.json", "assets/../../package.json", "index.html", "%00"]) {
      assert.ok([400, 404].includes((await fetch(`${daemon.url}/console/${path}`)).status), path);
    }
  });

  test("where it was not built, a plain page says how to have it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "roost-console-"));
    const plain = await Daemon.start(sqlite, { env: { CONSOLE_DIR: folder } });
    try {
      const page = await (await fetch(plain.url, html)).text();
      assert.match(page, /make run/);
      assert.ok(!page.includes("STYLE_NONCE"));
    } finally {
      await plain.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
