// The official conformance suite of the Model Context Protocol: all of it against the handler that has what
// its scenarios name, and all of it against the daemon, where it is known what cannot pass and why.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BINARY, CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";

const folder = fileURLToPath(new URL("../mcp-conformance/node_modules/", import.meta.url));
const SUITE = `${folder}@modelcontextprotocol/conformance/dist/index.js`;

/** The suite needs Node.js 22: this one, or the one that was installed beside it. */
const NODE = [
  ...(Number.parseInt(process.versions.node) >= 22 ? [process.execPath] : []),
  ...["x64", "arm64"].map((arch) => `${folder}node-linux-${arch}/bin/node`),
].find(existsSync);

const REVISIONS = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

const because = (reason, ...scenarios) => scenarios.map((scenario) => [scenario, reason]);

/** What cannot pass against the daemon itself; against the fixtures everything does. */
const EXPECTED = new Map([
  ...because(
    "it calls a fixture tool, which the daemon has not",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-with-logging",
    "tools-call-error",
    "tools-call-with-progress",
    "tools-call-sampling",
    "tools-call-elicitation",
    "json-schema-2020-12",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "http-custom-header-server-validation",
    "input-required-result-basic-elicitation",
    "input-required-result-basic-sampling",
    "input-required-result-basic-list-roots",
    "input-required-result-request-state",
    "input-required-result-multiple-input-requests",
    "input-required-result-multi-round",
    "input-required-result-result-type",
    "input-required-result-tampered-state",
    "input-required-result-capability-check",
  ),
  ...because("three of its checks call fixture tools", "server-stateless"),
  ...because("the daemon logs nothing to clients", "logging-set-level"),
  ...because("the daemon has nothing to complete", "completion-complete"),
  ...because(
    "the daemon has no prompts",
    "prompts-list",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
    "input-required-result-non-tool-request",
  ),
  ...because(
    "the daemon has no such resource",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "resources-subscribe",
    "resources-unsubscribe",
  ),
  ...because("it asks for prompts and resources, too", "caching"),
]);

/** Runs all scenarios of a revision; how many checks of each passed and failed. */
async function run(url, revision) {
  const args = [SUITE, "server", "--url", url, "--suite", "all", "--spec-version", revision];
  const output = await new Promise((resolve, reject) => {
    // It ends with 1 if a check fails.
    execFile(NODE, args, { timeout: 180_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      error && error.code !== 1 ? reject(error) : resolve(stdout + stderr),
    );
  });
  const [, summary = ""] = output.split("=== SUMMARY ===");
  const lines = [...summary.matchAll(/^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed/gm)];
  const results = lines.map(([, scenario, passed, failed]) => ({ scenario, passed: +passed, failed: +failed }));
  return { results, output };
}

/** What the suite said while a scenario ran. */
const said = (output, scenario) => output.split(/^=== /m).find((part) => part.includes(` ${scenario} `)) ?? output;

const skip = existsSync(SUITE) && NODE ? false : "run `npm ci` in web-fixtures/mcp-conformance";

describe("MCP conformance", { skip }, () => {
  for (const [what, binary, path, expected] of [
    ["the daemon", BINARY, "/mcp", EXPECTED],
    ["the fixtures", CONFORMANCE, "/fixtures/mcp", new Map()],
  ]) {
    test(`every scenario against ${what}`, async (t) => {
      const daemon = await Daemon.start(sqlite, { binary });
      const failed = new Set();
      try {
        for (const revision of REVISIONS) {
          const { results, output } = await run(daemon.url + path, revision);
          assert.ok(results.length > 0, output);
          for (const { scenario, passed, failed: wrong } of results) {
            const reason = expected.get(scenario);
            if (wrong) failed.add(scenario);
            const why = wrong ? `${wrong} fail as expected: ${reason}` : `${passed} checks pass`;
            await t.test(`${revision} ${scenario}: ${why}`, () =>
              assert.equal(wrong > 0, reason !== undefined, said(output, scenario)),
            );
          }
        }
      } finally {
        await daemon.stop();
      }
      assert.deepEqual([...expected.keys()].filter((scenario) => !failed.has(scenario)), [], "nothing else is expected");
    });
  }
});
