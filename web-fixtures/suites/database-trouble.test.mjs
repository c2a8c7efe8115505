// A database that cannot be written, is full or is gone: the daemon says so, and stores or loses nothing unsaid.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { temporaryFolder } from "../support/agor.mjs";
import { call } from "../support/call.mjs";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { http, sendJson } from "../support/http.mjs";
import { polling, websocket } from "../support/listeners.mjs";
import { closeAll } from "../support/wait.mjs";

/** Somebody who owns nothing. */
const NOBODY = 65_534;

/** Whether a program can be run. */
function runs(...command) {
  try {
    execFileSync(command[0], command.slice(1), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const asRoot = process.getuid() === 0;
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];

describe("Database trouble", () => {
  let folder;
  let drop;
  before(async () => {
    ({ folder, drop } = await temporaryFolder("trouble"));
    await chmod(folder, 0o755);
  });
  after(() => closeAll().then(drop));

  /** A database in a folder that the test knows. */
  async function own(name) {
    const place = join(folder, name);
    await mkdir(place);
    return { place, create: async () => ({ url: `sqlite://${join(place, "roost.db")}?mode=rwc`, drop: () => rm(place, { recursive: true }) }) };
  }

  /** A program that starts the daemon in another way. */
  async function starter(name, script) {
    const file = join(folder, name);
    await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return file;
  }

  /** The daemon's words when it does not start; it ends with 1. */
  async function refusal(database, options) {
    const error = await Daemon.start(database, options).then(
      (daemon) => daemon.kill().then(() => assert.fail("it started")),
      (error) => error,
    );
    assert.match(error.message, /ended with 1 before it listened/);
    assert.doesNotMatch(error.message, /panicked|RUST_BACKTRACE/);
    return error.message;
  }

  const cannot = asRoot && !runs(...asNobody, BINARY, "--version") && "root may write everywhere, and nobody else can be had";

  test("a folder or a file that may not be written is a sentence", { skip: cannot }, async () => {
    const binary = asRoot ? await starter("as-nobody", `exec ${asNobody.join(" ")} '${BINARY}' "$@"`) : BINARY;
    const database = await own("read-only");
    const daemon = await Daemon.start(database);
    await daemon.kill();

    for (const name of await readdir(database.place)) await chmod(join(database.place, name), 0o444);
    if (asRoot) await chown(database.place, NOBODY, NOBODY);
    assert.match(await refusal(database, { binary }), /roost\.db cannot be used: Permission denied/);

    await chmod(database.place, 0o555);
    await rm(join(database.place, "roost.db.lock"));
    assert.match(await refusal(database, { binary }), /roost\.db cannot be used: Permission denied/);
    await chmod(database.place, 0o755);
  });

  for (const [what, url, says] of [
    ["a folder", (place) => `sqlite://${place}?mode=rwc`, /Is a directory/],
    ["below a file", (place) => `sqlite://${join(place, "file", "roost.db")}?mode=rwc`, /cannot be used/],
  ]) {
    test(`a database that is ${what} is a sentence`, async () => {
      const { place } = await own(what.replace(" ", "-"));
      await writeFile(join(place, "file"), "no folder");
      assert.match(await refusal({ create: async () => ({ url: url(place), drop() {} }) }), says);
    });
  }

  const endless = !runs("prlimit", "--version") && "there is no prlimit here";

  test("a full disk refuses writes, keeps what is there, and takes them again when there is room", { skip: endless }, async () => {
    // Files may grow to 1 MiB; what goes beyond fails as on a full disk.
    const binary = await starter("limited", `trap '' XFSZ; ulimit -S -f 2048; exec '${BINARY}' "$@"`);
    const database = await own("full");
    const daemon = await Daemon.start(database, { binary });
    const witnesses = await Promise.all([websocket, polling].map((way) => way.open(daemon.url)));
    const { client } = await websocket.open(daemon.url);
    const board = (n) => call(client, "create", "boards", { name: `${n}`, description: "x".repeat(100_000) }, {});

    const stored = [];
    let refused;
    for (let n = 0; !refused; n++) {
      assert.ok(n < 50, "the disk is never full");
      await board(n).then(
        (made) => stored.push(made),
        (error) => (refused = error),
      );
    }
    assert.ok(stored.length > 0);
    assert.ok(refused.code === 500 || refused.code === 503, JSON.stringify(refused));
    assert.doesNotMatch(JSON.stringify(refused), /roost\.db|\/tmp|INSERT/);
    const overRest = await sendJson(daemon.url, "POST", "/boards", { description: "x".repeat(500_000) });
    assert.equal(overRest.status, refused.code);

    // What is there is there, and nobody has heard of anything else.
    const all = async () => (await call(client, "find", "boards", { $sort: { created_at: 1 }, name: { $ne: "Default" } })).data;
    assert.deepEqual(await all(), stored);
    assert.equal((await http(daemon.url, "/health")).status, 200);

    execFileSync("prlimit", [`--pid=${daemon.pid}`, "--fsize=unlimited:unlimited"]);
    const last = await board("last");
    assert.deepEqual(await all(), [...stored, last]);
    for (const witness of witnesses) {
      await witness.count(stored.length + 1);
      assert.deepEqual(witness.items.map(({ record }) => record), [...stored, last]);
    }
    assert.deepEqual(await daemon.kill(), { code: 0, signal: null });
    assert.ok(!daemon.log.some((line) => line.includes("panicked")));

    const again = await Daemon.start(database);
    const { data } = (await http(again.url, "/boards?$sort[created_at]=1&name[$ne]=Default")).json;
    assert.deepEqual(data, [...stored, last]);
    await again.stop();
  });

  test("a daemon whose file is deleted takes no more writes and stops", async () => {
    const database = await own("deleted");
    const daemon = await Daemon.start(database);
    const { client } = await websocket.open(daemon.url);
    await call(client, "create", "boards", {}, {});
    for (const name of await readdir(database.place)) await rm(join(database.place, name));
    const error = await call(client, "create", "boards", {}, {}).then(
      () => assert.fail("the write would be lost"),
      (error) => error,
    );
    assert.deepEqual([error.code, error.message], [503, "The database's file is gone; the daemon stops"]);
    assert.deepEqual(await daemon.ended(), { code: 1, signal: null });
    assert.ok(!daemon.log.some((line) => line.includes("panicked")));

    const again = await Daemon.start(database);
    assert.equal((await http(again.url, "/boards")).json.total, 1, "it begins anew");
    await again.stop();
  });
});
