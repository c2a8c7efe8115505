// The subscriptions of MGX's page, and the same calls, written anew.

import { blocks } from "./seeds.mjs";

/** The page's snippet for browsers, and its line for wscat. */
export async function verbatim() {
  const [browser] = await blocks("003", "js");
  const [wscat] = await blocks("003", "bash");
  return { browser, wscat };
}

export const ANEW = {
  browser: `
const workflowId = "...";
const socket = new WebSocket("ws://localhost:8000/ws/workflows/" + workflowId);
socket.addEventListener("message", ({ data }) => {
  const event = JSON.parse(data);
  console.log("event", event.event_type, event);
});
`,
  wscat: "wscat --connect ws://localhost:8000/ws/workflows/stream\n",
};

/** Puts in where the daemon is, and which workflow is meant. @param {string} program @param {string} url @param {string} [workflow] */
export const here = (program, url, workflow) =>
  program.replace("localhost:8000", new URL(url).host).replace('workflowId = "..."', `workflowId = ${JSON.stringify(workflow)}`);
