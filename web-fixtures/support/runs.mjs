// MGX's tasks and runs over its REST.

import { api, eventually } from "./swarms.mjs";

/** Statuses in which a run is over. */
const OVER = ["completed", "failed", "cancelled"];

/**
 * Calls below `/api/tasks` and `/api/runs`.
 *
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
export function runs(url, headers = {}) {
  const of = api(url, headers);
  const task = (more = {}) => of.good("POST", "/tasks/", { name: "Count", description: "Count my words", ...more }, 201);
  const begin = (task_id, more = {}) => of.good("POST", "/runs/", { task_id, ...more }, 201);
  const run = (id) => of.get(`/runs/${id}`);
  const asks = (id) => eventually(() => run(id), ({ approval }) => approval?.status === "pending", `run ${id} waits for approval`);
  const over = (id) => eventually(() => run(id), ({ status }) => OVER.includes(status), `run ${id} is over`);
  const approve = (id, data) => of.good("POST", `/runs/${id}/approve`, data);
  return { ...of, task, begin, run, asks, over, approve };
}
