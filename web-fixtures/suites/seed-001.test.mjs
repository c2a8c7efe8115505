// Genswarms' page about its channel: its program runs as it stands, but for the host, where ROOST_SEEDS says in
// which folder the pages are; the same calls, written anew; and every row of its two tables.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { Programs } from "../support/programs.mjs";
import { noPages as skip, page } from "../support/seeds.mjs";
import { echo, overChannel, PUSHES, swarms, swarmSocket } from "../support/swarm-viewers.mjs";
import { closeAll, until } from "../support/wait.mjs";

/** What the page's program finds around it: it prints what it says as JSON, one line each. */
const PRELUDE = `
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
console.log = console.error = (...said) => process.stdout.write(JSON.stringify(said) + "\\n");
`;

/** The same calls as the page's. */
const ANEW = `import { Socket } from "phoenix";
const connection = new Socket("ws://localhost:4000/swarm");
connection.connect();
const swarm = connection.channel("swarm:my-swarm", {});
swarm.join().receive("ok", (joined) => console.log("joined", joined)).receive("error", (why) => console.log("join failed", why));
swarm.on("agent_output", ({ agent, content }) => console.log(agent, content));
swarm.on("agent_status", ({ agent, state }) => console.log(agent, "→", state));
swarm.push("subscribe_events", { filters: { level: "error" } }).receive("ok", (reply) => console.log("recent", reply.recent_events));
swarm.on("event", (event) => console.log("event", event));
swarm.push("send_task", { agent: "researcher", task: "Summarize results." })
  .receive("ok", () => console.log("task sent"))
  .receive("error", ({ reason }) => console.log("send failed", reason));`;

/** The page's program. */
async function verbatim() {
  const text = await page("001");
  return text.slice(text.indexOf('import { Socket } from "phoenix"'), text.indexOf("See also"));
}

onEveryDatabase("Genswarms' page", (database) => {
  /** @type {Daemon} */
  let daemon;
  let all;
  let programs;
  before(async () => {
    daemon = await Daemon.start(database);
    all = swarms(daemon.url);
    programs = await Programs.beside(PRELUDE, { phoenix: "phoenix-1.8.16", ws: "ws" });
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
    await programs.remove();
  });

  async function tell(program, name) {
    const swapped = program.replace("localhost:4000", new URL(daemon.url).host);
    const said = programs.run(swapped, name).lines;
    const says = (expected) =>
      until(() => said.includes(JSON.stringify(expected)), `${name} prints ${JSON.stringify(expected)}`);
    // The swarm is not there yet; the client asks again.
    await says(["join failed", { reason: "swarm_not_found" }]);
    await all.start([echo("researcher")], [], { name: "my-swarm" });
    await says(["joined", { swarm: "my-swarm" }]);
    await says(["recent", []]);
    await says(["task sent"]);
    await says(["researcher", "→", "working"]);
    await says(["researcher", "Summarize results."]);
    await says(["researcher", "→", "idle"]);
    const broken = { name: "broken", backend: "local", command: "exit 3", config: { restarts: 0 } };
    await all.post("/swarms/my-swarm/agents", broken);
    await says(["broken", "→", "error"]);
    await until(() => said.some((line) => line.startsWith('["event"')), "an error is told");
    const [, event] = JSON.parse(said.find((line) => line.startsWith('["event"')));
    assert.deepEqual([event.level, event.agent, event.swarm], ["error", "broken", "my-swarm"]);
    // Another that comes later is told of it.
    const late = programs.run(swapped, `${name}-late`).lines;
    await until(() => late.some((line) => line.startsWith('["recent"')), "the late one subscribes");
    const [, recent] = JSON.parse(late.find((line) => line.startsWith('["recent"')));
    assert.deepEqual(recent.map(({ id }) => id), [event.id]);
    await all.remove("/swarms/my-swarm?purge=true");
  }

  test("S1-39 the page's calls, written anew, do what the page says", () => tell(ANEW, "anew"));

  test("S1-39 the page's program runs as it stands", { skip }, async () => tell(await verbatim(), "verbatim"));

  test("S1-7 to S1-36 every event of the page's two tables is there", { skip }, async () => {
    const rows = [...(await page("001")).matchAll(/^\s*([a-z]+_[a-z_]+|event) (\{|routing|broadcast|see|ignored)/gm)];
    const events = rows.map(([, event]) => event);
    const inbound = ["send_task", "get_status", "subscribe_logs", "unsubscribe_logs", "subscribe_events", "unsubscribe_events"];
    const outbound = PUSHES.slice(0, 11);
    assert.deepEqual(events.toSorted(), [...inbound, ...outbound].toSorted());
    const name = await all.start([echo("a"), echo("b")]);
    const viewer = await overChannel(await swarmSocket(daemon.url), name);
    const payload = { agent: "a", task: "@b: hi\n@all: all" };
    for (const event of inbound) assert.equal((await viewer.ask(event, payload))[0], "ok", event);
    await viewer.ok("subscribe_logs", {});
    await viewer.ok("subscribe_events", {});
    await all.post(`/swarms/${name}/agents`, echo("c"));
    await all.remove(`/swarms/${name}/agents/c`);
    await all.steer(name, "stop");
    await all.steer(name, "start");
    for (const event of outbound) await viewer.until(event);
  });
});
