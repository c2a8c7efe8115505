// What `@feathersjs/authentication-client` goes through when a login ends: by the clock, by a revoked key,
// and for who comes without a name.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import feathers from "@feathersjs/client";
import { io } from "socket.io-client";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase, sqlite } from "../support/databases.mjs";
import { refused } from "../support/people.mjs";
import { closeAll, keep, soon } from "../support/wait.mjs";

const ANN = { strategy: "local", email: "ann@example.com", password: "correct horse" };

onEveryDatabase("Feathers' authentication client", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    const args = ["--auth", "required", "--allow-anonymous", "--token-secs", "2"];
    daemon = await Daemon.start(database, { args });
    const { strategy, ...user } = ANN;
    await client().app.service("users").create(user);
  });
  after(() => Promise.all([closeAll(), daemon.stop()]));

  /** A client, and the names of the boards that it heard of. */
  function client() {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
    // The client would log in again when it is closed.
    keep(() => socket.off("disconnect").close());
    const app = feathers().configure(feathers.socketio(socket)).configure(feathers.authentication());
    const heard = [];
    app.service("boards").on("created", ({ name }) => heard.push(name));
    return { app, socket, heard };
  }

  /** Waits until a client is a stranger. @param {import("@feathersjs/client").Application} app */
  async function ended(app) {
    const find = () => app.service("sessions").find().then(() => null, (error) => error);
    const tries = async () => {
      for (;;) {
        const error = await find();
        if (error) return error;
      }
    };
    const error = await soon(tries(), "the login ends");
    assert.deepEqual([error.name, error.code, error.message], ["NotAuthenticated", 401, "Not authenticated"]);
  }

  /** Makes a board as somebody else. @param {string} name */
  async function board(name) {
    const { app } = client();
    await app.authenticate(ANN);
    await app.service("boards").create({ name });
  }

  test("a login that ends leaves the client connected; it logs in again on the same socket", async () => {
    const { app, socket, heard } = client();
    await app.authenticate(ANN);
    const { id } = socket;
    await board("before");
    await ended(app);
    await board("meanwhile");
    await app.authenticate(ANN);
    await board("after");
    await app.service("health").find();
    assert.deepEqual(heard, ["before", "after"]);
    assert.equal(socket.id, id, "it never was disconnected");
  });

  test("an expired token is refused, and the client forgets it", async () => {
    const { app } = client();
    await app.authenticate(ANN);
    await ended(app);
    const error = await refused(app.reAuthenticate(true));
    assert.deepEqual([error.code, error.message], [401, "jwt expired"]);
    assert.equal(await app.authentication.getAccessToken(), null);
  });

  test("a client with a key that is revoked is a stranger from then on", async () => {
    const admin = client().app;
    await admin.authenticate(ANN);
    const { key, id } = await admin.service("api-keys").create({ name: "a program's" });
    const { app, heard } = client();
    await app.authenticate({ strategy: "apiKey", apiKey: key });
    await board("before");
    await admin.authenticate(ANN);
    await admin.service("api-keys").remove(id);
    await ended(app);
    await board("after");
    assert.equal((await refused(app.authenticate({ strategy: "apiKey", apiKey: key }))).code, 401);
    assert.deepEqual(heard, ["before"]);
  });

  test("who comes without a name sees what is public, changes nothing, and may log in", async () => {
    const { app, heard } = client();
    const { user } = await app.authenticate({ strategy: "anonymous" });
    assert.equal(user.role, "viewer");
    await board("seen");
    assert.ok((await app.service("boards").find()).total > 0);
    assert.equal((await refused(app.service("boards").create({}))).code, 403);
    assert.deepEqual(heard, ["seen"]);
    await app.authenticate(ANN);
    await app.service("boards").create({ name: "own" });
    assert.deepEqual(heard, ["seen", "own"]);
  });

  test("a wrong password is refused, and does not end the login that there is", async () => {
    const { app } = client();
    await app.authenticate(ANN);
    const error = await refused(app.authenticate({ ...ANN, password: "wrong" }));
    assert.deepEqual([error.name, error.code, error.message], ["NotAuthenticated", 401, "Invalid login"]);
  });
});

test("an admin does not become an owner by way of an owner's password", async () => {
  // Where nobody has to log in, the local owner makes owners.
  const daemon = await Daemon.start(sqlite);
  keep(() => daemon.stop());
  const client = () => {
    const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
    keep(() => socket.off("disconnect").close());
    return feathers().configure(feathers.socketio(socket)).configure(feathers.authentication());
  };
  const { strategy, ...admin } = ANN;
  const ids = {};
  for (const role of ["admin", "owner", "member"]) {
    const user = role === "admin" ? admin : { email: `${role}@example.com`, password: role };
    ids[role] = (await client().service("users").create({ ...user, role })).user_id;
  }
  const app = client();
  await app.authenticate(ANN);
  for (const change of [{ password: "stolen" }, { email: "stolen@example.com" }, { name: "renamed" }]) {
    const error = await refused(app.service("users").patch(ids.owner, change));
    assert.deepEqual([error.code, error.message], [403, "You need owner access for this user's role"]);
  }
  await app.service("users").patch(ids.member, { password: "forgotten" });
  await app.service("users").patch(ids.admin, { name: "Ann" });
  await client().authenticate({ strategy, email: "owner@example.com", password: "owner" });
  await closeAll();
});
