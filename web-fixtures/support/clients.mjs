// The Feathers client, unmodified: over each of its transports, and as the bundle that pages load.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createContext, runInContext } from "node:vm";
import feathers from "@feathersjs/client";
import axios from "axios";
import { io } from "socket.io-client";
import { keep } from "./wait.mjs";

/** The six methods, and the one that `todos` has of its own. */
const METHODS = ["find", "get", "create", "update", "patch", "remove", "describe"];

/**
 * @typedef {object} Client
 * @property {any} app a Feathers app; its `todos` has the custom method `describe`
 * @property {any} errors the classes of the client's errors
 * @property {"socketio" | "rest"} provider what the server calls the transport
 *
 * @type {Record<string, (url: string) => Client>}
 */
export const clients = {
  "socketio-client": (url) => overSocket(feathers, url),
  "rest-client with fetch": (url) => over("rest", feathers, feathers.rest(url).fetch(fetch)),
  "rest-client with axios": (url) => over("rest", feathers, feathers.rest(url).axios(axios)),
  "the browser bundle's socketio-client": (url) => overSocket(bundle(), url),
  "the browser bundle's rest-client": (url) => {
    const feathers = bundle();
    return over("rest", feathers, feathers.rest(url).fetch(fetch));
  },
};

/** A Feathers client over a WebSocket. @param {any} feathers @param {string} url */
function overSocket(feathers, url) {
  return over("socketio", feathers, feathers.socketio(openSocket(url)));
}

/** A socket.io-client on a WebSocket. @param {string} url */
export function openSocket(url) {
  const socket = io(url, { transports: ["websocket"], reconnection: false, forceNew: true });
  keep(() => socket.disconnect());
  return socket;
}

function over(provider, feathers, connection) {
  const app = feathers().configure(connection);
  app.use("todos", connection.service("todos"), { methods: METHODS });
  return { app, errors: feathers.errors, provider };
}

/** What a page's `<script>` finds in `window.feathers`; nothing of Node.js is at hand there. */
function bundle() {
  const file = createRequire(import.meta.url).resolve("@feathersjs/client/dist/feathers.js");
  const window = createContext({ setTimeout, clearTimeout });
  runInContext("globalThis.self = globalThis.window = globalThis", window);
  runInContext(readFileSync(file, "utf8"), window, { filename: file });
  return window.feathers;
}
