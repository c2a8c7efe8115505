// `roost backup` and `roost restore`: what was acknowledged comes back whole, and clients are told of it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, chown, copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { temporaryFolder } from "../support/agor.mjs";
import { roost, stopInTheMiddle } from "../support/command.mjs";
import { BINARY, Daemon } from "../support/daemon.mjs";
import { http, sendJson } from "../support/http.mjs";
import { place, readLog, stamped, websocket } from "../support/listeners.mjs";
import { Tab, register } from "../support/people.mjs";
import { closeAll, keep } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

/** Somebody who owns nothing. */
const NOBODY = 65_534;
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const asRoot = process.getuid() === 0;

describe("Backup and restore", () => {
  let folder;
  let drop;
  let backup;
  before(async () => {
    ({ folder, drop } = await temporaryFolder("backup"));
    await chmod(folder, 0o755);
    backup = join(folder, "backup.db");
  });
  after(() => closeAll().then(drop));

  /** A place for a database. @param {string} name */
  async function own(name) {
    const place = join(folder, name);
    await mkdir(place, { recursive: true });
    const url = `sqlite://${join(place, "roost.db")}?mode=rwc`;
    return { url, folder: place, create: async () => ({ url, folder: place, drop() {} }) };
  }

  /** A daemon that does not outlive a test that fails. */
  async function serve(database, options) {
    const daemon = await Daemon.start(database, options);
    keep(() => daemon.kill());
    return daemon;
  }

  /** What a command printed; it succeeded. */
  async function done(database, ...args) {
    const { code, out, err } = await roost(database, [...args, "--json"]);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  }

  /** The command's complaint: one sentence. */
  async function refusal(database, args, binary) {
    const { code, out, err } = await roost(database, args, binary);
    assert.deepEqual([code, out], [1, ""], err);
    assert.match(err, /^roost: [^\n]+\n$/);
    return err;
  }

  const newest = async ({ url }) => (await http(url, "/health")).json.seq;
  const logOf = (seq) => seq.slice(0, seq.lastIndexOf("-"));

  /** The ids of all messages. */
  async function messages({ url }) {
    const ids = [];
    for (;;) {
      const { json } = await http(url, `/messages?$limit=10000&$skip=${ids.length}&$sort[message_id]=1&$select[]=message_id`);
      if (json.data.length === 0) return ids;
      ids.push(...json.data.map(({ message_id }) => message_id));
    }
  }

  /** Every client that comes back with the stamp is told, and then hears what comes. */
  async function areTold(daemon, since) {
    const latest = await newest(daemon);
    const listeners = await Promise.all(stamped.map((way) => way.open(daemon.url, since)));
    const writer = await Writer.connect(daemon.url);
    const live = await writer.write();
    for (const [index, listener] of listeners.entries()) {
      await listener.heard(live);
      const { name } = stamped[index];
      const [reset, ...more] = listener.resets;
      assert.deepEqual([reset?.reason, reset?.latest, more], ["other_log", latest, []], name);
      for (const { seq } of listener.items) {
        assert.equal(logOf(seq), logOf(latest), name);
        assert.ok(place(seq) > place(latest), name);
      }
      await listener.close();
    }
    writer.close();
  }

  test("made under load, it holds what was acknowledged before, and a log that fits its records", async () => {
    const source = await own("source");
    const daemon = await serve(source);
    const first = await newest(daemon);
    const writers = await Promise.all(Array.from({ length: 8 }, () => Writer.connect(daemon.url)));
    const stop = new AbortController();
    const writing = Promise.all(writers.map((writer) => writer.until(stop.signal)));
    const listener = await websocket.open(daemon.url);
    await listener.count(500);
    const all = () => writers.flatMap(({ written }) => written.map(({ message_id }) => message_id));

    const acknowledged = all();
    await done(source, "backup", backup);
    const { seq: head } = await done(source, "backup", join(folder, "second.db"));
    await listener.count(listener.items.length + 100);
    stop.abort();
    await writing;
    const last = await writers[0].write();
    await listener.heard(last);
    const afterwards = listener.seq;
    assert.ok(place(head) < place(afterwards));
    writers.forEach((writer) => writer.close());
    await daemon.stop();

    const target = await own("target");
    const { seq } = await done(target, "restore", backup);
    const restored = await serve(target);
    assert.equal(await newest(restored), seq);
    assert.notEqual(logOf(seq), logOf(first));
    const ids = await messages(restored);
    const there = new Set(ids);
    assert.deepEqual(acknowledged.filter((id) => !there.has(id)), [], "all that was acknowledged");
    const written = new Set([...all(), last.message_id]);
    assert.deepEqual(ids.filter((id) => !written.has(id)), [], "nothing else");

    const writer = await Writer.connect(restored.url);
    const end = await writer.write();
    const log = await readLog(restored.url, "0", end);
    assert.deepEqual(log.map((item) => place(item.seq)), log.map((_, index) => index + 1), "no gap");
    assert.equal(log.findIndex((item) => item.seq === seq) + 1, place(seq), "it goes on from the backup's head");
    const logged = log.filter(({ event }) => event === "messages created").map(({ record }) => record.message_id);
    assert.deepEqual(logged.toSorted(), [...ids, end.message_id].toSorted(), "an event for each record");
    assert.equal((await http(restored.url, "/sessions")).json.total, 9);

    for (const since of [first, head, afterwards]) await areTold(restored, since);
    const between = await newest(restored);
    await restored.stop();

    const { kept, seq: again } = await done(target, "restore", join(folder, "second.db"), "--force");
    assert.equal(place(again), place(head));
    assert.equal(new Set([first, seq, again].map(logOf)).size, 3);
    const second = await serve(target);
    for (const since of [first, head, afterwards, seq, between]) await areTold(second, since);
    await second.stop();
    assert.ok(kept.startsWith(join(target.folder, "roost.db.before-")));
  });

  test("users, keys and private boards are good after it; passwords are, too", async () => {
    const source = await own("people");
    const options = { args: ["--auth", "required"] };
    const daemon = await serve(source, options);
    const { ann, bob } = await register(daemon.url, ["admin", "ann", "bob"]);
    const tab = await Tab.open(daemon.url, { token: ann.token });
    const board = await tab.call("create", "boards", { name: "secret", visibility: "private" }, {});
    const { key } = await tab.call("create", "api-keys", { name: "ci", scopes: ["write"] }, {});
    const copy = join(folder, "people.db");
    await done(source, "backup", copy);
    await daemon.stop();

    const target = await own("people-again");
    await copyFile(join(source.folder, "jwt.secret"), join(target.folder, "jwt.secret"));
    await done(target, "restore", copy);
    const restored = await serve(target, options);
    const boards = async (token) => {
      const { data } = await (await Tab.open(restored.url, { token })).call("find", "boards", {});
      return data.map(({ name }) => name);
    };
    // The tokens, too: the file with their secret was copied beside.
    for (const token of [ann.token, key]) assert.ok((await boards(token)).includes("secret"));
    assert.ok(!(await boards(bob.token)).includes("secret"));
    const login = { strategy: "local", email: "ann@example.com", password: "ann" };
    assert.equal((await sendJson(restored.url, "POST", "/authentication", login)).status, 201);
    const again = await Tab.open(restored.url, { token: key });
    const session = await again.call("create", "sessions", { board_id: board.board_id }, {});
    assert.ok(session.session_id);
    await restored.stop();
  });

  describe("in the middle", () => {
    let source;
    let daemon;
    let good;
    before(async () => {
      source = await own("middle");
      daemon = await serve(source);
      const writer = await Writer.connect(daemon.url);
      await Promise.all(Array.from({ length: 100 }, () => writer.write("x".repeat(200_000))));
      good = join(folder, "good.db");
      await done(source, "backup", good);
    });
    after(() => daemon.stop());

    const unfinished = async (where) => (await readdir(where)).filter((name) => name.endsWith(".part"));

    test("a backup that is killed leaves the daemon and the old backup as they are", async () => {
      const bytes = await readFile(good);
      const { signal } = await stopInTheMiddle("SIGKILL", folder, source, ["backup", good, "--force"]);
      assert.equal(signal, "SIGKILL");
      assert.ok(bytes.equals(await readFile(good)));
      for (const name of await unfinished(folder)) await rm(join(folder, name), { recursive: true });
      const writer = await Writer.connect(daemon.url);
      await writer.write();
      const { seq } = await done(source, "backup", good, "--force");
      assert.equal(seq, await newest(daemon));
    });

    test("a backup that is interrupted leaves nothing", async () => {
      const other = join(folder, "interrupted.db");
      for (const signal of ["SIGINT", "SIGTERM"]) {
        const { code, err } = await stopInTheMiddle(signal, folder, source, ["backup", other, "--force"]);
        assert.deepEqual([code, err], [1, "roost: interrupted; nothing was changed\n"]);
        assert.deepEqual(await unfinished(folder), []);
      }
    });

    test("a restore that is killed or interrupted leaves the database as it was", async () => {
      const target = await own("target-in-the-middle");
      const small = await serve(target);
      const before = await newest(small);
      await small.stop();
      for (const signal of ["SIGKILL", "SIGINT"]) {
        const how = await stopInTheMiddle(signal, target.folder, target, ["restore", good, "--force"]);
        assert.ok(how.signal === signal || how.code === 1, JSON.stringify(how));
        const again = await serve(target);
        assert.equal(await newest(again), before);
        await again.stop();
      }
      const { seq } = await done(target, "restore", good, "--force");
      const restored = await serve(target);
      assert.equal(await newest(restored), seq);
      await restored.stop();
    });

    test("a full disk is a sentence, and nothing is left", async () => {
      // Files may grow to 1 MiB; what goes beyond fails as on a full disk.
      const limited = join(folder, "limited");
      await writeFile(limited, `#!/bin/sh\ntrap '' XFSZ; ulimit -S -f 2048; exec '${BINARY}' "$@"\n`, { mode: 0o755 });
      const copies = await own("copies");
      const full = join(copies.folder, "full.db");
      assert.match(await refusal(source, ["backup", full], limited), /full\.db cannot be written: /);
      assert.deepEqual(await readdir(copies.folder), []);
      assert.match(await refusal(copies, ["restore", good], limited), /roost\.db cannot be written: /);
      assert.deepEqual(await readdir(copies.folder), ["roost.db.lock"]);
      assert.equal((await http(daemon.url, "/health")).status, 200);
    });

    const cannot = asRoot && !runs(...asNobody, BINARY, "--version") && "root may write everywhere, and nobody else can be had";

    test("a folder that may not be written, and a backup that may not be read, are sentences", { skip: cannot }, async () => {
      const nobody = join(folder, "as-nobody");
      await writeFile(nobody, `#!/bin/sh\nexec ${asNobody.join(" ")} '${BINARY}' "$@"\n`, { mode: 0o755 });
      const binary = asRoot ? nobody : BINARY;
      const closed = await own("closed");
      const mine = await own("mine");
      if (asRoot) await chown(mine.folder, NOBODY, NOBODY);
      await chmod(closed.folder, 0o555);
      const denied = /(cannot be written|cannot be read|cannot be used): .*[Pp]ermission denied/;
      assert.match(await refusal(source, ["backup", join(closed.folder, "x.db")], binary), denied);
      await chmod(good, asRoot ? 0o600 : 0);
      assert.match(await refusal(mine, ["restore", good], binary), denied);
      await chmod(good, 0o600);
      assert.deepEqual(await readdir(mine.folder), []);
      await chmod(closed.folder, 0o755);
    });
  });
});

/** Whether a program can be run. */
function runs(...command) {
  try {
    execFileSync(command[0], command.slice(1), { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
