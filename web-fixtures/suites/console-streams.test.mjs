// The console's streams in a browser: seen as they come, again after a reload, and over kills of the daemon.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { launch, noBrowser } from "../support/browser.mjs";
import { axe, consoleEnv, consoleOf } from "../support/console.mjs";
import { Daemon } from "../support/daemon.mjs";
import { sqlite } from "../support/databases.mjs";
import { http } from "../support/http.mjs";
import { closeAll, soon } from "../support/wait.mjs";

describe("The console's streams", { skip: noBrowser }, () => {
  /** @type {Daemon} */
  let daemon;
  /** @type {import("../support/browser.mjs").Browser} */
  let browser;
  let open;
  before(async () => {
    daemon = await Daemon.start(sqlite, { args: ["--agent", "command", "--agent-command", "sh"], env: consoleEnv });
    // The connection breaks when the daemon is killed, and the browser says so.
    browser = await launch({ forgives: /WebSocket|ERR_|Failed to load resource/ });
    open = consoleOf(daemon, browser);
  });
  after(async () => {
    await closeAll();
    await browser.close();
    await daemon.stop();
  });

  /** Calls over REST; what is answered. */
  const post = async (path, data, headers = {}, method = "POST") => {
    const answer = await http(daemon.url, path, { method, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(data) });
    assert.ok(answer.status < 300, `${path}: ${answer.text}`);
    return answer.json;
  };
  const seen = (locator, what) => soon(locator.first().waitFor(), what);
  const numbers = (page, chunks, word) => seen(page.locator(`[data-chunks="${chunks}"][data-stream="${word}"]`), `${chunks} chunks, ${word}`);
  /** What is said, as far as it is in sight. */
  const said = async (page) => (await page.locator("[data-said]").allTextContents()).join("");
  const lines = (count) => Array.from({ length: count }, (_, at) => `line ${at + 1}\n`).join("");

  /** A task that somebody else works at. */
  const task = async (description) => {
    const { session_id } = await post("/sessions", {});
    return (await post("/tasks", { session_id, description, full_prompt: description, status: "running" })).task_id;
  };
  const emit = (id, content, kind = "chat") => post(`/tasks/${id}/chunks`, { content, kind });

  test("a prompt's stream is seen as it comes, and again after a reload, complete and in order", async () => {
    const page = await open("/streams");
    await seen(page.getByText("No tasks yet"), "it is said that there are none");
    await axe(page, "no streams");
    const hold = join(daemon.folder, "hold");
    await writeFile(hold, "");
    const { session_id } = await post("/sessions", {});
    const prompt = `i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo "line $i"; [ $i = 100 ] && while [ -e '${hold}' ]; do sleep 0.02; done; done; true`;
    const { taskId } = await post(`/sessions/${session_id}/prompt`, { prompt });
    await seen(page.locator(`[data-task="${taskId}"] [data-status="running"]`), "it is on top of the list");
    await axe(page, "the list");
    await page.locator(`[data-task="${taskId}"]`).click();
    await soon(page.waitForFunction(() => document.querySelector("[data-said]")?.parentElement?.parentElement?.textContent.includes("line 100")), "half of it is there, live");
    assert.equal((await said(page)).trimEnd(), lines(100).trimEnd());
    await seen(page.locator('[data-stream="live"]'), "it goes on");
    await axe(page, "a stream that goes on");
    await rm(hold);
    await seen(page.locator('[data-stream="over"]'), "it ends");
    const all = await said(page);
    assert.equal(all.trimEnd(), lines(200).trimEnd());
    await seen(page.locator('main [data-status="completed"]'), "the task is done");
    const chunks = await page.locator("[data-chunks]").getAttribute("data-chunks");
    await page.reload();
    await numbers(page, chunks, "over");
    assert.equal(await said(page), all, "the same after a reload");
    await page.getByRole("tab", { name: "Result" }).click();
    await axe(page, "a result");
    assert.deepEqual(page.errors, []);
  });

  test("what is made stands in a tab of its own, and is text whatever it is; progress and an error are said", async () => {
    const id = await task("Make something");
    const page = await open(`/streams/${id}`);
    await seen(page.getByText("Nothing yet"), "nothing is there");
    await emit(id, "Here it is: ");
    await emit(id, "<img src=x onerror=alert(1)>", "artifact");
    await emit(id, "<b>and that is all</b>");
    await post(`/tasks/${id}/progress`, { progress_percent: 40, progress_message: "nearly" });
    await numbers(page, 3, "live");
    assert.equal(await said(page), "Here it is: <b>and that is all</b>");
    await seen(page.getByText("40 % nearly"), "how far it is");
    await button(page, "Artifact 2").click();
    await seen(page.getByRole("region", { name: "Artifact 2" }).getByText("<img src=x onerror=alert(1)>"), "it is a text");
    assert.equal(await page.locator("main img, main b").count(), 0);
    await axe(page, "artifacts");
    await post(`/tasks/${id}/fail`, { error: "it broke" });
    await page.getByRole("tab", { name: "Conversation" }).click();
    await seen(page.getByText("it broke"), "why it ended");
    await axe(page, "a stream that failed");
    await page.evaluate(() => (location.hash = "#/streams/nowhere"));
    await seen(page.getByText("There is no such task"), "there is no such task");
  });

  const button = (page, name) => page.getByRole("button", { name, exact: true });

  test("who works for whom is said of a hired task", async () => {
    const register = async (name) => (await post("/api/v1/agents/register", { agent: { name } })).data;
    const [writer, client] = [await register("Writer"), await register("Client")];
    const wanted = { provider_agent_id: writer.agent.id, capability: "text", input: "A poem" };
    const hired = (await post("/api/v1/tasks", wanted, { "x-api-key": client.api_key })).data;
    await post(`/api/v1/tasks/${hired.id}/chunk`, { content: "Rain", kind: "chat" }, { "x-api-key": writer.api_key });
    const page = await open("/streams");
    await page.getByText("Hired", { exact: true }).click();
    await seen(page.locator(`[data-task="${hired.id}"]`).getByText("Writer works for Client: text"), "the list says it");
    await page.locator(`[data-task="${hired.id}"]`).click();
    await seen(page.getByText("Writer works for Client: text"), "the stream says it");
    await post(`/api/v1/tasks/${hired.id}/complete`, { output: "Rain, rain." }, { "x-api-key": writer.api_key }, "PUT");
    await numbers(page, 1, "over");
    await page.getByRole("tab", { name: "Result" }).click();
    await seen(page.getByText("Rain, rain."), "what came of it");
  });

  test("kill -9 of the daemon while one looks: each chunk once, in order, and the list goes on", async () => {
    const id = await task("Go on");
    const [page, list] = [await open(`/streams/${id}`), await open("/streams")];
    for (const each of [page.locator("[data-stream]"), list.locator(`[data-task="${id}"]`)]) await seen(each, "it is shown");
    let count = 0;
    for (let kill = 0; kill < 3; kill++) {
      for (let more = 0; more < 20; more++) await emit(id, `line ${++count}\n`);
      await daemon.restart("SIGKILL");
      // Some while the page is away.
      for (let more = 0; more < 20; more++) await emit(id, `line ${++count}\n`);
    }
    await numbers(page, count, "live");
    assert.equal(await said(page), lines(count));
    await post(`/tasks/${id}/complete`, {});
    await numbers(page, count, "over");
    await seen(list.locator(`[data-task="${id}"] [data-status="completed"]`), "the list goes on");
  });

  test("what a daemon that hung and was killed did not answer is asked for again", async () => {
    const ids = [await task("The first"), await task("The second")];
    const page = await open(`/streams/${ids[0]}`);
    await seen(page.getByRole("heading", { name: "The first" }), "the first is shown");
    process.kill(daemon.pid, "SIGSTOP");
    await page.evaluate((id) => (location.hash = `#/streams/${id}`), ids[1]);
    await seen(page.getByLabel("Loading"), "nothing is answered");
    await daemon.restart("SIGKILL");
    await seen(page.getByRole("heading", { name: "The second" }), "the second is shown");
    await emit(ids[1], "all the same");
    await numbers(page, 1, "live");
    assert.equal(await said(page), "all the same");
  });

  test("a long stream keeps the document small", async () => {
    const id = await task("Say much");
    const page = await open(`/streams/${id}`);
    const text = `${"words ".repeat(1_000)}\n`;
    for (let chunk = 0; chunk < 300; chunk++) await emit(id, text, chunk % 3 === 0 ? "artifact" : "chat");
    await numbers(page, 300, "live");
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 600, `${elements} elements`);
    await page.getByRole("tab", { name: /Artifacts/ }).click();
    await seen(page.locator('[data-total="100"]'), "every artifact is there");
    assert.ok((await page.locator("section").count()) < 40);
  });

  test("it fits from 360 to 2,000 pixels, dark and light", async () => {
    const id = await task("A long sentence that does not fit on a telephone however small its letters are");
    await emit(id, "x".repeat(2_000));
    await emit(id, "y".repeat(2_000), "artifact");
    for (const [width, colorScheme] of [[360, "dark"], [360, "light"], [2_000, "dark"]]) {
      for (const place of ["/streams", `/streams/${id}`]) {
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
