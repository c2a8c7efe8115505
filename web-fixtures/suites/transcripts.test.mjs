// Asks the conformance daemon what genuine Feathers servers were asked, and compares byte for byte.
// What differs on purpose is listed in support/differences.mjs, exactly.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Daemon, CONFORMANCE } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { differences } from "../support/differences.mjs";
import { exchange, RawSocket } from "../support/raw.mjs";
import { asPeople, calls, essence, frames, http, mask } from "../support/transcripts.mjs";
import { closeAll } from "../support/wait.mjs";

const transcripts = {
  http: http("http-koa.txt"),
  polling: http("sio-polling-koa.txt"),
  sockets: frames("sio-methods-koa.txt"),
  logins: frames("sio-auth-koa.txt"),
  queries: calls("query-semantics.txt"),
};

onEveryDatabase("The transcripts of genuine Feathers", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    const args = ["--cors-origins", "http://a.example", "--max-message", "1000000"];
    daemon = await Daemon.start(database, { binary: CONFORMANCE, args, forgives: /"service":"boom"/ });
  });
  after(() => Promise.all([closeAll(), daemon?.stop()]));

  /** Tests an exchange: it is as it was recorded, or differs as listed. */
  function compare(transcript, { title }, recorded, ask) {
    const { here, why } = differences[transcript][title] ?? {};
    const differs = byDatabase(here) ? here[database.name] : here;
    test(differs ? `${title} (differs: ${why})` : title, async () => {
      const expected = differs === undefined ? recorded : adjust(recorded, differs);
      assert.deepEqual(await ask(expected), expected);
      if (differs) assert.notDeepEqual(expected, recorded, "no difference any more: take it off the list");
    });
  }

  /** The token that was given out last: the transcripts say `<jwt>`. */
  let token;
  const signed = (text) => text.replace("<jwt>", token);
  const remember = (text) => (token = /"accessToken":"([\w.-]+)"/.exec(text)?.[1] ?? token);

  describe("REST", () => {
    for (const recorded of transcripts.http) {
      compare("http", recorded, essence(recorded.response), async () => {
        const { request } = recorded;
        const headers = request.headers.map(signed);
        const response = await exchange(daemon.port, withBody({ ...request, headers }, signed(request.body)));
        remember(response.body);
        return essence(response);
      });
    }
  });

  describe("long polling", () => {
    let sid;
    for (const recorded of transcripts.polling) {
      compare("polling", recorded, essence(recorded.response), async () => {
        const first = recorded.request.first.replace(/sid=[\w-]+/, `sid=${sid}`);
        for (;;) {
          const response = await exchange(daemon.port, { ...recorded.request, first });
          sid ??= /"sid":"([\w-]+)"/.exec(response.body)?.[1];
          // Pings come when they come, as on a WebSocket; a poll may bring nothing else.
          const packets = response.body.split("\x1e").filter((packet) => packet !== "2");
          if (packets.length > 0) return essence(withBody(response, packets.join("\x1e")));
        }
      });
    }
  });

  for (const transcript of ["sockets", "logins"]) describe(transcript, () => {
    /** @type {Record<string, RawSocket>} */
    const sockets = {};
    for (const recorded of transcripts[transcript]) {
      const each = (pairs, read) => Object.fromEntries(Object.entries(pairs).map(read));
      const masked = each(recorded.heard, ([name, frames]) => [name, frames.map(mask)]);
      compare(transcript, recorded, masked, async (expected) => {
        for (const { name, headers, frame } of recorded.steps) {
          const shown = headers && each(headers, ([key, value]) => [key, signed(value)]);
          if (headers) sockets[name] = await RawSocket.open(daemon.url, shown);
          else sockets[name].send(signed(frame));
        }
        if (recorded.title.startsWith("custom event"))
          await tick(JSON.parse(recorded.heard.A[0].slice(2))[1]);
        const heard = { A: [], B: [] };
        for (const [name, { length }] of Object.entries(expected)) {
          const frames = await sockets[name]?.take(length, `${name} hears ${length} frames`);
          frames?.forEach(remember);
          heard[name] = frames?.map(mask) ?? [];
        }
        return heard;
      });
    }

    test("no further frame has come", async () => {
      for (const socket of [sockets.A, sockets.B]) {
        socket.send('42999["find","calc",{}]');
        assert.deepEqual(await socket.take(1, "the last answer"), ["43999[null,[]]"]);
      }
    });

    /** Lets the server tell of something that no call did. */
    async function tick(body) {
      const headers = { "content-type": "application/json" };
      await fetch(`${daemon.url}/tick`, { method: "POST", headers, body: JSON.stringify(body) });
    }
  });

  describe("queries", () => {
    /** @type {RawSocket} */
    let socket;
    before(async () => {
      socket = await RawSocket.open(daemon.url);
      socket.send("40");
      await socket.take(2, "the handshake");
      const people = [
        { name: "Bob", age: 25, created: true },
        { name: "Doug", age: 32 },
        { name: "Alice", age: 19 },
        { name: "Nil", age: null },
      ];
      await ask(["create", "people~all~none", people]);
    });

    for (const { title, call, answer } of transcripts.queries) {
      const [method, service, ...rest] = call;
      const path = service.replace("kpeople", "people");
      compare("queries", { title }, JSON.stringify(asPeople(answer)), () => ask([method, path, ...rest]));
    }

    /** The answer to a call as text; the call's own events come before it. */
    async function ask(call) {
      socket.send(`421${JSON.stringify(call)}`);
      for (;;) {
        const [frame] = await socket.take(1, "the answer");
        const [, result, error] = /^431\[(?:null,(.*)|(.*))\]$/s.exec(frame) ?? [];
        if (result ?? error) return result ?? `{"ERROR":${error}}`;
        assert.match(frame, /^42\["people[^ ]* \w+",/);
      }
    }
  });

  test("every listed difference has its exchange", () => {
    for (const [transcript, listed] of Object.entries(differences)) {
      const titles = transcripts[transcript].map(({ title }) => title);
      assert.deepEqual(
        Object.keys(listed).filter((title) => !titles.includes(title)),
        [],
      );
    }
  });
});

/** A message with another body, and its length said accordingly. */
function withBody({ first, headers }, body) {
  const said = (header) => header.replace(/^(content-length): \d+$/i, `$1: ${Buffer.byteLength(body)}`);
  return { first, headers: headers.map(said), body };
}

/** Whether a difference is another one, or none, on each database. */
function byDatabase(here) {
  return here?.SQLite !== undefined || here?.PostgreSQL !== undefined;
}

/** What was recorded, but for what a difference says. */
function adjust(recorded, here) {
  return typeof here === "string" ? here : { ...recorded, ...here };
}
