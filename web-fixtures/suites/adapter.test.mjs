// Feathers' own adapter tests, through real clients, against the `people` services of the
// conformance daemon: four transports on each database.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import adapterTests from "@feathersjs/adapter-tests";
import feathersErrors from "@feathersjs/errors";
import feathers from "@feathersjs/feathers";
import rest from "@feathersjs/rest-client";
import socketio from "@feathersjs/socketio-client";
import axios from "axios";
import { io } from "socket.io-client";
import { CONFORMANCE, Daemon } from "../support/daemon.mjs";
import { onEveryDatabase } from "../support/databases.mjs";

// The suite was written for mocha.
Object.assign(globalThis, { after, afterEach, before, beforeEach, describe, it });

const METHODS = ["find", "get", "create", "update", "patch", "remove"];

const TRANSPORTS = {
  "socket.io websocket": (url) => socket(url, ["websocket"]),
  "socket.io polling": (url) => socket(url, ["polling"]),
  "REST fetch": (url) => ({ connect: rest(url).fetch(fetch), close() {} }),
  "REST axios": (url) => ({ connect: rest(url).axios(axios.create({ maxRedirects: 0 })), close() {} }),
};

function socket(url, transports) {
  const connection = io(url, { transports, forceNew: true });
  return { connect: socketio(connection), close: () => connection.close() };
}

/** All of the suite's tests, whatever their names. */
const EVERY = Object.assign([], { includes: () => true });

/**
 * A service that looks local to the suite: it has `id`, `options` and `events`, and sends each call
 * to the server's service that is set as the options say.
 */
function decorate(client) {
  const service = { id: "id", events: ["testing"], options: { id: "id", multi: false, paginate: {} } };
  for (const method of METHODS) {
    service[`_${method}`] = () => assert.fail("the suite calls no raw methods");
    service[method] = (...args) => client.service(path(service.options, args.at(-1)))[method](...args);
  }
  return service;
}

/** The path of the configuration in force; `params` may override the options for a call. */
function path(options, params) {
  const multi = params?.adapter?.multi ?? options.multi;
  const paginate = params?.adapter?.paginate ?? params?.paginate ?? options.paginate;
  const several = multi === true ? "all" : Array.isArray(multi) ? [...multi].sort().join("+") || "none" : "none";
  const { default: size, max } = paginate || {};
  const paging = size === undefined ? "none" : `d${size}${max === undefined ? "" : `m${max}`}`;
  if (paging === "none") return several === "none" ? "people" : `people~${several}~none`;
  // A page is asked for by `find`, which takes several anyway.
  return paging === "d10m100" ? "people~all~d10m100" : `people~none~${paging}`;
}

onEveryDatabase("Feathers' adapter tests", (database) => {
  /** @type {Daemon} */
  let daemon;
  before(async () => {
    daemon = await Daemon.start(database, { binary: CONFORMANCE });
  });
  after(() => daemon?.stop());

  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    describe(name, () => {
      let connection;
      let all;
      const app = { services: {}, service: () => app.services.people };
      before(() => {
        connection = transport(daemon.url);
        const client = feathers().configure(connection.connect);
        app.services.people = decorate(client);
        all = client.service("people~all~none");
      });
      after(() => connection.close());
      beforeEach(() => all.remove(null));
      adapterTests.adapterTests(EVERY)(app, feathersErrors, "people");
    });
  }
});
