// `hiring://pending`: what an agent was hired for and has not begun, for clients of every revision.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { sendJson } from "../support/http.mjs";
import { connect, NEWEST, REVISIONS, tool } from "../support/mcp.mjs";
import { closeAll, soon, until } from "../support/wait.mjs";

const uri = "hiring://pending";

/** The URIs of what has changed, from now on; and what ends that. */
async function subscribe(client, revision) {
  const updated = [];
  const hear = ({ params }) => void updated.push(params.uri);
  if (revision === NEWEST) {
    client.setNotificationHandler("notifications/resources/updated", hear);
    const listening = await soon(client.listen({ resourceSubscriptions: [uri] }), "the client listens");
    return { updated, listening, end: () => listening.close() };
  }
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, hear);
  await soon(client.subscribeResource({ uri }), "the client subscribes");
  return { updated, end: () => client.unsubscribeResource({ uri }) };
}

/** What the resource says. */
async function pending(client) {
  const { contents } = await soon(client.readResource({ uri }), "the resource is read");
  assert.deepEqual([contents.length, contents[0].uri, contents[0].mimeType], [1, uri, "application/json"]);
  return JSON.parse(contents[0].text);
}

onEveryDatabase("MCP resources", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => (daemon = await Daemon.start(database)));
  after(() => Promise.all([closeAll(), daemon.stop()]));

  const create = async (path, data) => {
    const { status, json } = await sendJson(daemon.url, "POST", path, data);
    assert.equal(status, 201, JSON.stringify(json));
    return json;
  };
  const hire = ({ agent }, task_description) => create("/hirings", { agent_id: agent.id, task_description });

  for (const revision of REVISIONS) {
    describe(`with a client of ${revision}`, () => {
      const agent = async (name) => {
        const made = await create("/agents/register", { name });
        return { ...made, client: await connect(daemon.url, revision, made.api_key) };
      };

      test("an agent lists it, reads it, and is told when it changes", async () => {
        const [poet, other] = [await agent("Poet"), await agent("Other")];
        const { resources } = await poet.client.listResources();
        assert.deepEqual(resources.map(({ uri, mimeType }) => [uri, mimeType]), [[uri, "application/json"]]);
        assert.deepEqual(await pending(poet.client), { hirings: [], total: 0 });

        const { updated } = await subscribe(poet.client, revision);
        // What others are hired for is not its own.
        await hire(other, "Prose");
        const one = await hire(poet, "A poem");
        await until(() => updated.length > 0, "the agent is told");
        assert.deepEqual(updated, [uri]);
        const { hirings, total } = await pending(poet.client);
        assert.deepEqual([total, hirings.map(({ id, task_id, status, task_description }) => [id, task_id, status, task_description])], [
          1,
          [[one.id, one.task_id, "queued", "A poem"]],
        ]);

        const two = await hire(poet, "Another");
        await until(() => updated.length > 1, "of the second, too");
        assert.deepEqual((await pending(poet.client)).hirings.map(({ id }) => id), [one.id, two.id]);
        // It begins with one, and so it does not wait any more.
        await tool(poet.client, "task_emit_chunk", { task_id: one.task_id, content: "Once" });
        await until(() => updated.length > 2, "of what has begun");
        assert.deepEqual((await pending(poet.client)).hirings.map(({ id }) => id), [two.id]);
        assert.equal((await pending(other.client)).total, 1);
      });

      test("who does not listen any more is told nothing", async () => {
        const poet = await agent("Quiet poet");
        const first = await subscribe(poet.client, revision);
        await soon(Promise.resolve(first.end()), "it ends");
        await hire(poet, "A poem");
        const { updated } = await subscribe(poet.client, revision);
        await hire(poet, "Another");
        await until(() => updated.length > 0, "it is told again");
        assert.deepEqual([first.updated, updated], [[], [uri]]);
      });

      test("it is for agents only", async () => {
        const email = `${revision.replaceAll("+", "-")}@example.com`;
        const password = "correct horse";
        await create("/users", { email, password });
        const { accessToken } = await create("/authentication", { strategy: "local", email, password });
        const headers = { authorization: `Bearer ${accessToken}`, "content-type": "application/json" };
        const init = { method: "POST", headers, body: JSON.stringify({ name: "mcp" }) };
        const { key } = await (await fetch(`${daemon.url}/api-keys`, init)).json();
        const client = await connect(daemon.url, revision, key);
        assert.deepEqual((await client.listResources()).resources, []);
        assert.deepEqual((await client.listResourceTemplates()).resourceTemplates, []);
        for (const wanted of [uri, "hiring://other", "file:///etc/passwd"]) {
          const refused = { code: revision === NEWEST ? -32602 : -32002, message: /There is no resource/ };
          await assert.rejects(client.readResource({ uri: wanted }), refused);
          if (revision !== NEWEST) await assert.rejects(client.subscribeResource({ uri: wanted }), refused);
        }
      });
    });
  }

  test("a listener of the newest revision is told when the daemon ends, and when its key does", async () => {
    const made = await create("/agents/register", { name: "Listener" });
    const client = await connect(daemon.url, NEWEST, made.api_key);
    const { listening } = await subscribe(client, NEWEST);
    const { json: keys } = await sendJson(daemon.url, "GET", `/api-keys?agent_id=${made.agent.id}`);
    await sendJson(daemon.url, "DELETE", `/api-keys/${(keys.data ?? keys)[0].id}`);
    assert.equal(await soon(listening.closed, "the stream ends with the key"), "remote");

    const another = await Daemon.start(database);
    const agent = (await sendJson(another.url, "POST", "/agents/register", { name: "Listener" })).json;
    const last = await subscribe(await connect(another.url, NEWEST, agent.api_key), NEWEST);
    await another.stop();
    assert.equal(await soon(last.listening.closed, "the stream ends with the daemon"), "graceful");
  });
});
