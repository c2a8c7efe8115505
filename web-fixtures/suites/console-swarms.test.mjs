// The console's swarms in a browser: made, given tasks, scaled and stopped by hand, and seen as they live.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf, live } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { register } from "../support/people.mjs";
import { api, atRest, echo, everyEvent, eventually, ring, round } from "../support/swarms.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

const seen = (locator, what) => soon(locator.first().waitFor(), what);
const button = (page, name) => page.getByRole("button", { name, exact: true });

/** An agent in the graph, maybe in a state and with so much that waits. */
const node = (page, name, state, inbox) =>
  page.locator(`[data-agent="${name}"]${state ? `[data-state="${state}"]` : ""}${inbox === undefined ? "" : `[data-inbox="${inbox}"]`}`);

/** Passes on what it is told to `d`, from where it goes home; not as long as there is a file `hold`. */
const HOLDS = (folder) =>
  `cd '${folder}'; while read -r line; do while [ -e hold ]; do sleep 0.02; done; echo "@d: @e: @a: home"; echo "<<TURN_COMPLETE>>"; done`;

describe("The console's swarms", { skip: noBrowser }, () => {
  /** @type {Daemon} */
  let daemon;
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  let of;
  let open;
  before(async () => {
    daemon = await Daemon.start(sqlite, { env: consoleEnv });
    // The connection breaks when the daemon is killed, and the browser says so.
    browser = await launch({ forgives: /WebSocket|ERR_|Failed to load resource/ });
    of = api(daemon.url);
    open = consoleOf(daemon, browser);
  });
  after(async () => {
    await closeAll();
    await browser.close();
    await daemon.stop();
  });

  const hold = () => join(daemon.folder, "hold");

  test("a ring of five is made, given tasks that go round, scaled, stopped and removed", async () => {
    const page = await open("/swarms");
    await seen(page.getByText("No swarms yet"), "it is said that there are none");
    await button(page, "New swarm").click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("ring");
    for (let more = 0; more < 2; more++) await button(page, "One more agent").click();
    await page.getByRole("combobox", { name: "Backend of agent 3" }).click();
    await page.getByRole("option", { name: "local" }).click();
    await page.getByLabel("Command of agent 3").fill(HOLDS(daemon.folder));
    await seen(page.getByText("5 edges"), "the form counts the edges of a ring");
    await axe(page, "the form");
    await button(page, "Make and start").click();
    await page.waitForURL(/#\/swarms\/ring$/);
    for (const name of "abcde") await seen(node(page, name, "idle"), `${name} is idle`);
    await page.waitForFunction(() => document.querySelectorAll("[data-edge]").length === 5);

    await writeFile(hold(), "");
    for (let task = 1; task <= 3; task++) {
      await page.getByRole("textbox", { name: "Task", exact: true }).fill("@b: @c: go");
      await button(page, "Send").click();
      await seen(page.getByText("a has the task"), "the task is sent");
      await until(async () => (await of.get("/swarms/ring/agents/c")).inbox_size === task, "c has it");
    }
    await seen(node(page, "c", "working", 3), "c is seen to work, and what waits for it");
    await axe(page, "a swarm at work");
    await page.evaluate(() => {
      window.moved = new Set();
      const look = () => document.querySelectorAll("[data-edge]:has(animateMotion)").forEach((edge) => window.moved.add(edge.dataset.edge));
      new MutationObserver(look).observe(document.querySelector(".react-flow"), { subtree: true, childList: true });
    });
    await rm(hold());
    for (const name of "abcde") await seen(node(page, name, "idle", 0), `${name} is idle again`);
    for (const edge of ["a>b", "b>c", "c>d", "d>e", "e>a"]) {
      // A level line has no height, and so counts as not visible.
      await soon(page.locator(`[data-edge="${edge}"][data-passed="3"]`).waitFor({ state: "attached" }), `three messages are seen on ${edge}`);
    }
    const moved = await page.evaluate(() => [...window.moved]);
    for (const edge of ["c>d", "d>e", "e>a"]) assert.ok(moved.includes(edge), `a message was seen to move along ${edge}`);

    await page.getByRole("tab", { name: "Events" }).click();
    const log = page.getByRole("log", { name: "Events" });
    await seen(log.getByText("message routed e → a"), "the log says it");
    const kept = await everyEvent(of, "ring");
    await seen(page.locator(`[role=log][data-total="${kept.length}"]`), "the log has every event");
    await page.getByRole("textbox", { name: "Text" }).fill("routed");
    const routed = kept.filter(({ message, event_type }) => message.includes("routed") || event_type.includes("routed"));
    await seen(page.locator(`[role=log][data-total="${routed.length}"]`), "the log shows what is looked for");
    await axe(page, "the log");

    await node(page, "a").click();
    const told = page.getByRole("log", { name: "Messages of a" });
    await seen(told.getByText("from e"), "a was told by e");
    await seen(told.getByText("home"), "what it was told");
    await page.getByRole("button", { name: "Close the agent" }).click();

    await page.getByRole("tab", { name: "Agents" }).click();
    await page.locator('[data-row="b"]').focus();
    await page.keyboard.press("Enter");
    await page.getByRole("tab", { name: "Change" }).click();
    await page.getByLabel("How many of it").fill("3");
    await button(page, "Scale").click();
    await seen(page.getByText("Added b_1, b_2."), "it is said who came");
    for (const name of ["b_1", "b_2"]) await seen(node(page, name, "idle"), `${name} is there`);
    await axe(page, "an agent that is changed");

    await button(page, "Stop").click();
    await button(page, "Stop it").click();
    for (const name of ["a", "b_2", "e"]) await seen(node(page, name, "stopped"), `${name} is stopped`);
    await button(page, "Start").click();
    await seen(node(page, "a", "idle"), "it runs again");
    await button(page, "Pause").click();
    await seen(button(page, "Resume"), "it is paused");
    await button(page, "Remove").first().click();
    await page.getByLabel(/Forget it/).check();
    await button(page, "Remove it").click();
    await page.waitForURL(/#\/swarms$/);
    await seen(page.getByText("No swarms yet"), "nothing is left of it");
    assert.deepEqual(page.errors, []);
  });

  test("a definition that is wrong is told at its line and field, as a text and in the form", async () => {
    const page = await open("/swarms");
    await button(page, "New swarm").click();
    await page.getByRole("tab", { name: "JSON or TOML" }).click();
    const text = page.getByLabel("Definition");
    await text.fill('name = "wrong"\n\n[[agents]]\nname = "a"\nbackend = "magic"\n');
    await button(page, "Make and start").click();
    const alert = page.getByRole("alert");
    await seen(alert.getByText("must be one of echo, local, external"), "what is wrong is said");
    await seen(alert.getByText("agents[0].backend"), "the field is said");
    await seen(page.locator("[data-line='5'][class*=wrong]"), "the line is marked");
    await axe(page, "a definition that is wrong");
    await alert.getByRole("button", { name: "line 5" }).click();
    const selected = await text.evaluate((area) => area.value.slice(area.selectionStart, area.selectionEnd));
    assert.equal(selected, 'backend = "magic"');
    await text.fill('{"name": "wrong", "agents": [{"name": "a", "backend": "echo"}],\n "topology": [["a", "b"]]}');
    await button(page, "Check").click();
    await seen(alert.getByRole("button", { name: "line 2" }), "JSON is told by line, too");
    await text.fill('{"name": "right", "agents": [{"name": "a", "backend": "echo"}]}');
    await button(page, "Check").click();
    await seen(page.getByText("right: 1 agents, 0 edges. It can be made."), "what is right can be made");
    await page.getByRole("tab", { name: "Form" }).click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("two words");
    await button(page, "Make and start").click();
    await seen(page.getByRole("alert"), "the form says what is wrong");
    assert.equal(await page.getByRole("textbox", { name: "Name", exact: true }).getAttribute("aria-invalid"), "true");
    assert.deepEqual((await of.get("/swarms")).swarms.filter(({ name }) => name !== "ring"), [], "nothing was made");
  });

  test("agents are added, connected, told in somebody's name and removed", async () => {
    await of.make({ name: "pair", agents: [echo("a"), echo("b")], topology: [["a", "b"]] });
    const page = await open("/swarms/pair");
    await button(page, "Add an agent").click();
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("c");
    await button(page, "Add").click();
    await seen(node(page, "c", "idle"), "c is there");
    // The graph may still be moving: who is chosen by keyboard is not missed.
    await page.locator('.react-flow__node[data-id="c"]').focus();
    await page.keyboard.press("Enter");
    await seen(page.getByRole("tab", { name: "Change" }), "c is chosen");
    await page.getByText("Message", { exact: true }).click();
    await page.getByRole("textbox", { name: "Message", exact: true }).fill("hello");
    await button(page, "Send").click();
    await seen(page.getByText("Not delivered: there is no edge between them"), "it is said that it was not given");
    await page.getByRole("tab", { name: "Change" }).click();
    await page.getByRole("combobox", { name: "May speak to" }).click();
    await page.getByRole("option", { name: "a", exact: true }).click();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector('[data-edge="c>a"]'));
    assert.deepEqual((await of.get("/swarms/pair/topology")).topology.find(({ from }) => from === "c").targets, ["a"]);
    await page.getByRole("region", { name: "Agent c" }).getByRole("button", { name: "Remove", exact: true }).click();
    await button(page, "Remove it").click();
    await page.waitForFunction(() => !document.querySelector('[data-agent="c"]'));
    await of.good("DELETE", "/swarms/pair?purge=true");
    await seen(page.getByText("pair is gone"), "who looks at it is told that it is gone");
    await axe(page, "a swarm that is gone");
    await page.evaluate(() => (location.hash = "#/swarms/nowhere"));
    await seen(page.getByText("There is no swarm nowhere"), "there is no such swarm");
  });

  test("kill -9 of the daemon while one looks: the page goes on, and nothing is missing in its log", async () => {
    await of.make(ring("round", 5));
    const page = await open("/swarms/round");
    const list = await open("/swarms");
    await page.getByRole("tab", { name: "Events" }).click();
    await seen(node(page, "a0", "idle"), "the ring is there");
    for (let kill = 0; kill < 3; kill++) {
      for (let task = 0; task < 5; task++) await of.good("POST", `/swarms/round/agents/a${task}/task`, { task: round(5, task, 8, `${kill}.${task}`) });
      await daemon.restart("SIGKILL");
    }
    await atRest(of, "round");
    const events = await eventually(() => everyEvent(of, "round"), (events) => events.length > 0, "there are events");
    await Promise.all([page, list].map(live));
    await seen(page.locator(`[role=log][data-total="${events.length}"]`), "the log has every event, once");
    for (let at = 0; at < 5; at++) await seen(node(page, `a${at}`, "idle", 0), `a${at} is at rest`);
    // Agents are chosen by keyboard, too; and a daemon that ends in good order is waited for as well.
    await daemon.restart("SIGTERM");
    await Promise.all([page, list].map(live));
    await page.locator('.react-flow__node[data-id="a3"]').focus();
    await page.keyboard.press("Enter");
    await page.getByRole("textbox", { name: "Task", exact: true }).fill("@a4: after all");
    await page.keyboard.press("Control+Enter");
    await seen(page.locator('[role=log][aria-label="Messages of a3"]').getByText("to a4"), "it goes on");
    await of.good("POST", "/swarms/round/pause");
    await seen(list.locator('[data-swarm="round"] [data-status="paused"]'), "the list goes on, too");
    await seen(page.locator('main [data-status="paused"]'), "and the swarm's own page");
    console.log(`${events.length} events over three kills`);
  });

  test("a thousand agents are a list of which little is in the document", async () => {
    const count = 1_000;
    const agents = Array.from({ length: count }, (_, at) => ({ name: `n${at}`, backend: "external" }));
    await of.make({ name: "many", agents });
    const page = await open("/swarms/many");
    await seen(page.locator(`[data-total="${count}"]`), "all are in the list");
    await seen(button(page, "Draw them all the same"), "they are not drawn unasked");
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 1_500, `${elements} elements`);
    await page.getByLabel("Look for agents").fill("n999");
    await seen(page.locator('[data-total="1"]'), "one is found");
    await axe(page, "a large swarm");
  });

  test("it fits from 360 to 2,000 pixels, dark and light", async () => {
    await of.make(ring("sized", 5));
    for (const [width, colorScheme] of [[360, "dark"], [360, "light"], [2_000, "dark"]]) {
      for (const place of ["/swarms", "/swarms/sized"]) {
        const page = await open(place, { viewport: { width, height: 800 }, colorScheme });
        await seen(page.locator("[data-total]"), `${place} is there`);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(over <= 0, `${place} is ${over} pixels too wide at ${width}`);
        await axe(page, `${place} at ${width}, ${colorScheme}`);
        await page.context().close();
      }
    }
  });
});

describe("Who may what in the console's swarms and streams", { skip: noBrowser }, () => {
  /** @type {Daemon} */
  let daemon;
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  let open, people, of;
  before(async () => {
    daemon = await Daemon.start(sqlite, { args: ["--auth", "required"], env: consoleEnv });
    browser = await launch();
    open = consoleOf(daemon, browser);
    people = await register(daemon.url, ["admin", "ann", "vic"]);
    of = api(daemon.url, { authorization: `Bearer ${people.ann.token}` });
  });
  after(async () => {
    await closeAll();
    await browser.close();
    await daemon.stop();
  });

  /** What somebody's call is answered. */
  const call = async (name, method, path, data) => {
    const headers = { authorization: `Bearer ${people[name].token}`, "content-type": "application/json" };
    const { status, json, text } = await http(daemon.url, path, { method, headers, body: JSON.stringify(data) });
    assert.ok(status < 300, text);
    return json;
  };
  const as = (name) => ({ login: [`${name}@example.com`, name] });
  const go = (page, place) => page.evaluate((place) => (location.hash = place), place);

  test("a viewer watches and steers nothing; what is others' is not there", async () => {
    await call("admin", "PATCH", `/users/${people.vic.id}`, { role: "viewer" });
    await of.make({ name: "open", agents: [echo("a")] });
    const board = await call("ann", "POST", "/boards", { name: "secret", visibility: "private" });
    await of.make({ name: "secret", board_id: board.board_id, agents: [echo("a")] });
    const vic = await open("/swarms", as("vic"));
    await seen(vic.locator('[data-swarm="open"]'), "it is in the list");
    assert.equal(await vic.locator('[data-swarm="secret"]').count(), 0);
    assert.equal(await button(vic, "New swarm").count(), 0);
    await vic.locator('[data-swarm="open"]').click();
    await seen(vic.getByText("You may watch."), "a viewer may watch");
    assert.equal(await button(vic, "Stop").count(), 0);
    await of.good("POST", "/swarms/open/agents/a/task", { task: "hello" });
    await node(vic, "a").click();
    await seen(vic.getByRole("log", { name: "Messages of a" }).getByText("hello"), "and sees what is told");
    await go(vic, "#/swarms/secret");
    await seen(vic.getByText("There is no swarm secret"), "another's swarm is not there");
    const ann = await open("/swarms/secret", as("ann"));
    await seen(node(ann, "a", "idle"), "for its members it is");
    await seen(button(ann, "Stop"), "and they steer it");
  });

  test("who has no part in a task is told so", async () => {
    const { session_id } = await call("ann", "POST", "/sessions", {});
    const mine = await call("ann", "POST", "/tasks", { session_id, description: "Everybody's" });
    const register = (name, key) => http(daemon.url, "/api/v1/agents/register", { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${key}` }, body: JSON.stringify({ agent: { name } }) });
    const [writer, client] = (await Promise.all([register("Writer", people.admin.token), register("Client", people.admin.token)])).map(({ json }) => json.data);
    const answer = await http(daemon.url, "/api/v1/tasks", {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": client.api_key },
      body: JSON.stringify({ provider_agent_id: writer.agent.id, capability: "text", input: "A poem" }),
    });
    const ann = await open(`/streams/${mine.task_id}`, as("ann"));
    await seen(ann.getByText("Nothing yet"), "a task of one's own is seen");
    await go(ann, `#/streams/${answer.json.data.id}`);
    await seen(ann.getByText("Not for you"), "others' are not");
    await axe(ann, "a stream that is not for one");
    const admin = await open(`/streams/${answer.json.data.id}`, as("admin"));
    await seen(admin.getByText("Writer works for Client: text"), "whose agents they are sees it");
  });
});
