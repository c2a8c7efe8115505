// Who looks after a daemon, and who is whom after a logout.

import feathers from "@feathersjs/client";
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";
import { closeAll, keep } from "../support/wait.mjs";

const ANN = { email: "ann@example.com", password: "correct horse" };
const BOB = { email: "bob@example.com", password: "battery staple" };

const refused = (code, message) => (error) => {
  assert.deepEqual([error.code, error.message], [code, message]);
  return true;
};

onEveryDatabase("Admins", (database) => {
  for (const auth of ["required", "open"]) {
    test(`AUTH=${auth}`, async (t) => {
      /** @type {Daemon} */
      let daemon;
      before(async () => (daemon = await Daemon.start(database, { args: ["--auth", auth] })));
      after(() => Promise.all([closeAll(), daemon.stop()]));
      const client = async (who) => {
        const socket = io(daemon.url, { transports: ["websocket"], forceNew: true });
        // The client would log in again when it is closed.
        keep(() => socket.off("disconnect").close());
        const app = feathers().configure(feathers.socketio(socket)).configure(feathers.authentication());
        if (who) await app.authenticate({ strategy: "local", ...who });
        return { app, socket };
      };

      await t.test("the last admin stays, unless it is the local owner who asks", async () => {
        const stranger = (await client()).app;
        const ann = await stranger.service("users").create(ANN);
        const { app } = await client(ANN);
        const bob = await app.service("users").create(BOB);
        const last = refused(409, "This is the last admin; make somebody else one first");
        await assert.rejects(app.service("users").patch(ann.user_id, { role: "member" }), last);
        await assert.rejects(app.service("users").remove(ann.user_id), last);
        // An admin may be less, or go, once there is another.
        await app.service("users").patch(bob.user_id, { role: "admin" });
        await app.service("users").patch(ann.user_id, { role: "member", name: "Ann" });
        const bobs = (await client(BOB)).app;
        await bobs.service("users").remove(ann.user_id);
        await assert.rejects(bobs.service("users").remove(bob.user_id), last);
        if (auth === "open") {
          await stranger.service("users").remove(bob.user_id);
          assert.equal((await stranger.service("users").find()).total, 0);
        }
      });

      if (auth === "required") {
        await t.test("who may not set a password is told so before it is looked at", async () => {
          const stranger = (await client()).app;
          const nobody = refused(401, "Not authenticated");
          await assert.rejects(stranger.service("users").create({ ...ANN, password: "" }), nobody);
          const { app } = await client(BOB);
          const eve = { email: "eve@example.com", password: "a good password" };
          const { user_id } = await app.service("users").create(eve);
          const eves = (await client(eve)).app;
          const others = eves.service("users").patch((await app.get("authentication")).user.user_id, { password: "" });
          await assert.rejects(others, refused(403, "You need admin access to manage users"));
          await assert.rejects(eves.service("users").patch(user_id, { password: "" }), { code: 400 });
        });
      } else {
        await t.test("who logs out goes on as the local owner, and hears what happens", async () => {
          const stranger = (await client()).app;
          await stranger.service("users").create(ANN);
          const { app, socket } = await client(ANN);
          const heard = [];
          socket.onAny((event) => heard.push(event));
          await app.logout();
          const board = await app.service("boards").create({ name: "after the logout" });
          assert.deepEqual(heard, ["boards created"]);
          await app.service("presence").create({ boardId: board.board_id });
        });
      }
    });
  }
});
