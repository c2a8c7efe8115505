// Webhooks: called for every step of a task, signed, in order, again until it works, at public addresses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { agent, api, isSigned, keyOf, Receiver } from "../support/market.mjs";
import { register } from "../support/people.mjs";
import { closeAll, until } from "../support/wait.mjs";

onEveryDatabase("webhooks", (database) => {
  /** @type {Daemon} */
  let daemon;
  let ann, bob, writer;
  before(async () => {
    const env = { WEBHOOKS_PRIVATE: "true", WEBHOOK_RETRY_SECS: "0.05" };
    daemon = await Daemon.start(database, { args: ["--auth", "required"], env });
    const people = await register(daemon.url, ["admin", "ann", "bob"]);
    const key = async (name, more) => (await keyOf(daemon.url, people[name], more)).key;
    [ann, bob] = [api(daemon.url, await key("ann")), api(daemon.url, await key("bob"))];
    writer = await agent(daemon.url, "writer", {}, await key("admin", { scopes: ["admin"] }));
  });
  after(async () => {
    await closeAll();
    await daemon.stop();
  });

  const task = (by) => by.good("POST", "/tasks", { provider_agent_id: writer.id, capability: "text", input: "Write!" });
  const hook = async (who, more = {}) => {
    const receiver = await Receiver.start();
    const made = await who.good("POST", "/webhooks", { callback_url: receiver.url, ...more });
    return { receiver, ...made };
  };
  const remove = (who, { id }) => who.good("DELETE", `/webhooks/${id}`);

  test("each step is told, signed, once, in order, to whom it concerns", async () => {
    const hooks = [await hook(ann), await hook(bob), await hook(writer)];
    const [mine, bobs, writers] = hooks;
    assert.equal(mine.status, "active");
    const listed = await ann.good("GET", "/webhooks");
    assert.deepEqual(listed.map(({ id, secret_key }) => [id, secret_key]), [[mine.id, undefined]]);
    const { id } = await task(ann);
    await writer.good("POST", `/tasks/${id}/chunk`, { content: "x" });
    await writer.good("PUT", `/tasks/${id}/progress`, { progress_percent: 40, progress_message: "nearly" });
    await writer.good("PUT", `/tasks/${id}/complete`, { output: "poem" });
    const events = ["task.created", "task.in_progress", "task.in_progress", "task.completed"];
    for (const { receiver, secret_key } of [mine, writers]) {
      const calls = await receiver.takes(4);
      assert.deepEqual(calls.map(({ headers }) => headers["x-webhook-event"]), events);
      for (const call of calls) {
        assert.ok(isSigned(call, secret_key));
        assert.equal(call.headers["x-webhook-task-id"], id);
        assert.equal(call.body.task_id, id);
      }
      assert.equal(new Set(calls.map(({ headers }) => headers["x-webhook-delivery"])).size, 4);
      assert.deepEqual([calls[2].body.progress_percent, calls[2].body.progress_message], [40, "nearly"]);
      assert.deepEqual([calls[3].body.status, calls[3].body.output], ["completed", "poem"]);
      assert.ok(!isSigned(calls[0], "another"));
    }
    // Bob hears of his own first.
    await task(bob);
    assert.notEqual((await bobs.receiver.takes(1))[0].body.task_id, id);
    for (const [index, who] of [ann, bob, writer].entries()) await remove(who, hooks[index]);
  });

  test("only the events are told that were asked for", async () => {
    const made = await hook(ann, { event_types: ["task.failed", "task.claimed"] });
    for (const word of ["complete", "fail"]) {
      const { id } = await task(ann);
      await writer.good("PUT", `/tasks/${id}/${word}`, { error_reason: "tired" });
    }
    const [call] = await made.receiver.takes(1);
    assert.deepEqual([call.body.event, call.body.error_reason], ["task.failed", "tired"]);
    await remove(ann, made);
  });

  test("one that fails is called again, in order, until it works", async () => {
    const made = await hook(ann);
    made.receiver.answer = (count) => [500, 302, 404, 200][count] ?? 200;
    const { id } = await task(ann);
    await ann.good("POST", `/tasks/${id}/cancel`);
    await made.receiver.takes(2);
    const told = made.receiver.calls.map(({ body, status }) => [body.event, status]);
    const first = [500, 302, 404, 200].map((status) => ["task.created", status]);
    assert.deepEqual(told, [...first, ["task.cancelled", 200]]);
    const ids = new Set(made.receiver.calls.map(({ headers }) => headers["x-webhook-delivery"]));
    assert.equal(ids.size, 2, "what is told again has the same id");
    await remove(ann, made);
  });

  test("what was not told when the daemon was killed is told by the next", async () => {
    const made = await hook(ann, { event_types: ["task.created"] });
    made.receiver.answer = () => 503;
    const ids = [];
    for (let n = 0; n < 5; n += 1) ids.push((await task(ann)).id);
    await until(() => made.receiver.calls.length > 0, "the first is tried");
    await daemon.restart("SIGKILL");
    made.receiver.answer = () => 200;
    const calls = await made.receiver.takes(5);
    assert.deepEqual(calls.map(({ body }) => body.task_id), ids);
    assert.ok(calls.every((call) => isSigned(call, made.secret_key)), "its key is the same");
    await remove(ann, made);
  });

  test("one that fails ten times is called no more, and shows why, until its owner wants it", async () => {
    const daemon = await Daemon.start(database, {
      env: { WEBHOOKS_PRIVATE: "true", WEBHOOK_RETRY_SECS: "0.000001" },
    });
    const writer = await agent(daemon.url, "writer");
    const client = await agent(daemon.url, "client");
    const receiver = await Receiver.start();
    receiver.answer = () => 500;
    const { id } = await client.good("POST", "/webhooks", { callback_url: receiver.url });
    await client.good("POST", "/tasks", { provider_agent_id: writer.did, capability: "text" });
    const state = async () => (await client.good("GET", `/webhooks/${id}`)).status;
    await until(() => receiver.calls.length === 10, "ten calls");
    while ((await state()) !== "failed");
    const [delivery] = await client.good("GET", `/webhooks/${id}/deliveries`);
    const { status, attempts, failure } = delivery;
    assert.deepEqual([status, attempts, failure], ["failed", 10, "answered 500"]);
    await client.good("POST", "/tasks", { provider_agent_id: writer.did, capability: "text" });
    receiver.answer = () => 200;
    await client.good("PATCH", `/webhooks/${id}`, { status: "active" });
    const last = await client.good("POST", "/tasks", { provider_agent_id: writer.did, capability: "text" });
    assert.equal((await receiver.takes(1))[0].body.task_id, last.id);
    await daemon.stop();
  });

  test("addresses that are not public are not called, whatever name they have", async () => {
    const daemon = await Daemon.start(database, { env: { WEBHOOK_RETRY_SECS: "0.000001" } });
    const client = await agent(daemon.url, "client");
    const receiver = await Receiver.start();
    const { port } = new URL(receiver.url);
    const own = ["127.0.0.1", "127.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"];
    for (const host of [...own, "10.0.0.1", "169.254.169.254"]) {
      const callback_url = `http://${host}:${port}/`;
      assert.equal(await client.bad("POST", "/webhooks", { callback_url }), "422 VALIDATION_ERROR", host);
    }
    // A name is looked up when it is called.
    const { id } = await client.good("POST", "/webhooks", { callback_url: `http://localhost:${port}/` });
    await client.good("POST", "/tasks", { provider_agent_id: client.id, capability: "text" });
    const state = async () => (await client.good("GET", `/webhooks/${id}`)).status;
    while ((await state()) !== "failed");
    const [{ failure }] = await client.good("GET", `/webhooks/${id}/deliveries`);
    assert.equal(failure, "the host has no public address");
    assert.equal(receiver.calls.length, 0);
    await daemon.stop();
  });

  test("a webhook is its owner's, and is checked", async () => {
    const made = await hook(ann);
    for (const [method, path] of [["GET", ""], ["PATCH", ""], ["DELETE", ""], ["GET", "/deliveries"]]) {
      for (const who of [bob, writer]) {
        assert.equal(await who.bad(method, `/webhooks/${made.id}${path}`), "404 NOT_FOUND");
      }
    }
    for (const wrong of [
      {},
      { callback_url: "ftp://127.0.0.1/" },
      { callback_url: "http://user:password@127.0.0.1/" },
      { callback_url: "nowhere" },
      { callback_url: 5 },
      { callback_url: `http://127.0.0.1/${"a".repeat(3_000)}` },
      { callback_url: made.receiver.url, event_types: ["task.eaten"] },
      { callback_url: made.receiver.url, event_types: "task.created" },
    ]) {
      assert.equal(await ann.bad("POST", "/webhooks", wrong), "422 VALIDATION_ERROR", JSON.stringify(wrong));
    }
    assert.equal((await ann.send("DELETE", `/webhooks/${made.id}`)).json.data, null);
    assert.equal(await ann.bad("GET", `/webhooks/${made.id}`), "404 NOT_FOUND");
  });
});
