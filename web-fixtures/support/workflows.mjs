// Workflows over MGX's REST, and what is told of them on MGX's sockets.

import { WebSocket } from "ws";
import { api, eventually } from "./swarms.mjs";
import { keep, soon } from "./wait.mjs";

/** A step that asks something of the echo agent. */
export const task = (name, prompt = "Hello", more = {}) => ({ name, step_type: "task", config: { prompt }, ...more });

/** Statuses in which an execution is over. */
const OVER = ["completed", "failed", "cancelled", "timeout"];

/**
 * Calls below `/api/workflows`.
 *
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
export function workflows(url, headers = {}) {
  const of = api(url, headers);
  const make = (steps, more = {}) => of.good("POST", "/workflows/", { name: "My Workflow", steps, ...more }, 201);
  const execute = async (id, data = {}) => (await of.good("POST", `/workflows/${id}/execute`, data)).execution_id;
  const execution = (id) => of.get(`/workflows/executions/${id}`);
  const over = (id) => eventually(() => execution(id), ({ status }) => OVER.includes(status), `execution ${id} is over`);
  /** Makes a workflow of these steps and executes it; the workflow and the execution when it is over. */
  const run = async (steps, more = {}, data = {}) => {
    const workflow = await make(steps, more);
    return { workflow, done: await over(await execute(workflow.id, data)) };
  };
  /** How each step is, by its name. */
  const statuses = ({ step_executions }) => Object.fromEntries(step_executions.map(({ step_name, status }) => [step_name, status]));
  /** Waits until a step is in a status; it. */
  const step = async (id, name, wanted) => {
    const found = ({ step_executions }) => step_executions.find(({ step_name }) => step_name === name);
    return found(await eventually(() => execution(id), (now) => found(now)?.status === wanted, `step ${name} is ${wanted}`));
  };
  return { ...of, make, execute, execution, over, run, statuses, step };
}

/**
 * Opens one of MGX's streams; what it is told, without heartbeats.
 *
 * @param {string} url
 * @param {string} path
 */
export async function watch(url, path) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws/${path}`);
  keep(() => socket.terminate());
  const events = [];
  socket.on("message", (data) => {
    const frame = JSON.parse(data);
    if (frame.type === undefined) events.push(frame);
  });
  await soon(new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject)), `${path} opens`);
  const types = () => events.map(({ event_type }) => event_type);
  const of = (type) => events.filter(({ event_type }) => event_type === type);
  return { socket, events, types, of };
}
