// Agrenting's own clients, unmodified: Paperclip's adapter and the bridge for MCP, against Roost.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import * as paperclip from "@agrentingai/paperclip-adapter/server";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { agent, api, isSigned, keyOf, Receiver } from "../support/market.mjs";
import { register } from "../support/people.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const require = createRequire(import.meta.url);
const BRIDGE = join(dirname(require.resolve("agrenting-mcp/package.json")), "dist", "index.js");

onEveryDatabase("Agrenting's clients", (database) => {
  /** @type {Daemon} */
  let daemon;
  let ann, writer, config;
  before(async () => {
    daemon = await Daemon.start(database, { env: { WEBHOOKS_PRIVATE: "true" } });
    const people = await register(daemon.url, ["admin", "ann"]);
    ann = api(daemon.url, (await keyOf(daemon.url, people.ann)).key);
    writer = await agent(daemon.url, "writer", { metadata: { callback_url: "http://writer.example" } });
    config = { agrentingUrl: daemon.url, apiKey: ann.key, agentDid: writer.did };
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  test("the adapter's client finds, hires, talks, cancels and tries again", async () => {
    const client = new paperclip.AgrentingClient(config);
    assert.equal((await client.testConnection()).ok, true);
    const wrong = new paperclip.AgrentingClient({ ...config, apiKey: "ap_wrong" });
    assert.match((await wrong.testConnection()).message, /401/);
    const found = await client.discoverAgents({ capability: "text", maxPrice: 30, limit: 5 });
    assert.deepEqual(found.map(({ did }) => did), [writer.did]);
    assert.equal((await client.listAgentsByCapability("text")).length, 1);
    assert.equal((await client.getAgentProfile(writer.did)).base_price, "25.00");
    assert.ok((await client.listCapabilities()).some(({ name }) => name === "text"));
    const { hiring, config: told } = await client.hireAgent(writer.did, {
      taskDescription: "A poem",
      capabilityRequested: "text",
      price: 25,
      clientIdempotencyKey: "run-1",
    });
    assert.deepEqual([told.agentDid, told.basePrice, told.hiringId], [writer.did, "25.00", hiring.id]);
    await client.sendMessageToHiring(hiring.id, "Hurry");
    const messages = await client.getHiringMessages(hiring.id);
    assert.deepEqual(messages.map(({ content }) => content), ["A poem", "Hurry"]);
    const sent = await client.sendMessageToTask(hiring.task_id, { message: "Please" });
    assert.equal(sent.task_id, hiring.task_id);
    assert.equal((await client.getTaskMessages(hiring.task_id)).at(-1).id, sent.message_id);
    assert.equal((await client.cancelHiring(hiring.id)).status, "cancelled");
    assert.equal((await client.retryHiring(hiring.id, { reason: "after all" })).status, "queued");
    assert.deepEqual((await client.listHirings({ limit: 5 })).map(({ id }) => id), [hiring.id]);
    await assert.rejects(client.deposit({ amount: "5" }), /There is no money here/);
  });

  test("the adapter's client follows a task, and its webhook is called", async () => {
    const client = new paperclip.AgrentingClient(config);
    const receiver = await Receiver.start();
    const { id: hook, secret_key } = await client.registerWebhook({ callbackUrl: receiver.url });
    const asked = { providerAgentId: writer.did, capability: "text", input: "x", maxPrice: "30" };
    const task = await client.createTask(asked);
    await writer.good("PUT", `/tasks/${task.id}/progress`, { progress_percent: 30 });
    assert.equal((await client.getTaskProgress(task.id)).progress_percent, 30);
    await writer.good("PUT", `/tasks/${task.id}/complete`, { output: "poem" });
    assert.equal((await client.getTask(task.id)).output, "poem");
    assert.equal((await client.getTaskTimeline(task.id)).events.length, 3);
    assert.equal((await client.getTaskAttempts(task.id)).attempts.length, 1);
    const calls = await receiver.takes(3);
    assert.ok(calls.every((call) => isSigned(call, secret_key)));
    assert.equal((await client.listWebhooks()).length, 1);
    await client.deleteWebhook(hook);
    await assert.rejects(client.cancelTask(task.id), /TASK_CLOSED/);
  });

  test("a run of Paperclip hires the agent, waits for its work and shows it", async () => {
    const log = [];
    const run = paperclip.executePaperclip({
      runId: "run-2",
      agent: { id: "a", companyId: "c", name: "Remote" },
      config: { ...config, pollIntervalMs: 20, timeoutSec: 20 },
      context: { taskTitle: "A poem", taskBody: "about rain" },
      onLog: async (_stream, text) => void log.push(text),
    });
    // The agent's side: it works on what it has.
    const work = async () => {
      for (;;) {
        const { hirings } = await writer.good("GET", "/hirings?status=queued&limit=100");
        const mine = hirings.find(({ task_input }) => task_input?.paperclip_run_id === "run-2");
        if (mine) return writer.good("PUT", `/tasks/${mine.task_id}/complete`, { output: "Rain, rain" });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const [result] = await soon(Promise.all([run, work()]), "the run ends");
    assert.equal(result.exitCode, 0, JSON.stringify([result, log]));
    assert.match(result.summary, /Rain, rain/);
  });

  test("the bridge for MCP lists agents and submits a task", async () => {
    const env = { PATH: process.env.PATH, AGRENTING_URL: daemon.url, AGRENTING_API_KEY: ann.key };
    const transport = new StdioClientTransport({ command: process.execPath, args: [BRIDGE], env });
    const client = new Client({ name: "suite", version: "1" });
    await soon(client.connect(transport), "the bridge answers");
    keep(() => client.close());
    const say = async (name, args) => {
      const { content } = await client.callTool({ name, arguments: args });
      return content[0].text;
    };
    assert.match(await say("agrenting_list_agents", { capability: "text" }), /Found 1 agent/);
    assert.match(await say("agrenting_get_agent", { did: writer.did }), /Price: 25\.00/);
    const asked = { provider_agent_id: writer.did, capability: "text", input: "Write!", include_git_diff: false };
    const submitted = await say("agrenting_submit_task", asked);
    const [, id] = /\*\*Task ID:\*\* (\S+)/.exec(submitted) ?? [];
    assert.equal((await writer.good("GET", `/tasks/${id}`)).input, "Write!", submitted);
    await client.close();
  });
});
