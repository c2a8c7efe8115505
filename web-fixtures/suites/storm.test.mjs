// A thousand clients that resume, and a daemon that is killed under them: all come back and have
// everything. ROOST_RESUMING says how many.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { readLog } from "../support/listeners.mjs";
import { resuming, resumingWays } from "../support/resuming.mjs";
import { closeAll, soon } from "../support/wait.mjs";
import { Writer } from "../support/writers.mjs";

const CLIENTS = Number(process.env.ROOST_RESUMING ?? 1_000);
/** How long all of them may take, in milliseconds: far longer than they do. */
const PATIENCE = 60_000;

onEveryDatabase("Many who resume", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  test("all are back after a kill, and have everything", async (t) => {
    const since = (await (await fetch(`${daemon.url}/health`)).json()).seq;
    const clients = Array.from({ length: CLIENTS }, () =>
      resuming(daemon.url, { ...resumingWays.websocket, resume: { since } }),
    );
    const all = (message) => soon(Promise.all(clients.map((client) => hears(client, message))), "all hear it", PATIENCE);
    await all(await (await Writer.connect(daemon.url)).write());

    await daemon.restart("SIGKILL");
    const began = performance.now();
    const last = (await (await Writer.connect(daemon.url)).many(20)).at(-1);
    await all(last);
    t.diagnostic(`${CLIENTS} clients were back and complete after ${Math.round(performance.now() - began)} ms`);

    const log = (await readLog(daemon.url, since, last)).map((item) => JSON.stringify(item));
    for (const { items, resets } of clients) {
      assert.deepEqual(items.map((item) => JSON.stringify(item)), log);
      assert.deepEqual(resets, []);
    }
  });
});

/** Done when a client hears of a message, however long that takes. */
function hears(client, { message_id }) {
  const here = (record) => record?.message_id === message_id;
  if (client.items.some(({ record }) => here(record))) return undefined;
  return new Promise((resolve) => {
    const hear = (event, record) => {
      if (!here(record)) return;
      client.client.offAny(hear);
      resolve();
    };
    client.client.onAny(hear);
  });
}
