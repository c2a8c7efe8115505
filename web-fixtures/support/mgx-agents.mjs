// MGX's agents over its REST.

import { workflows } from "./workflows.mjs";

/**
 * Calls below `/api/agents`.
 *
 * @param {string} url
 * @param {Record<string, string>} [headers]
 */
export function agents(url, headers = {}) {
  const of = workflows(url, headers);
  const make = (more = {}) => of.good("POST", "/agents/", { definition_slug: "default", ...more }, 201);
  const agent = (id) => of.get(`/agents/${id}`);
  const patch = (id, data) => of.good("PATCH", `/agents/${id}`, data);
  const step = (id, what) => of.good("POST", `/agents/${id}/${what}`);
  const say = (id, data = {}) => of.good("POST", `/agents/${id}/messages`, data, 201);
  /** Status and detail of a refusal. */
  const refused = async (method, path, data) => {
    const { status, json } = await of.send(method, path, data);
    return [status, json.detail];
  };
  /** What is wrong with what was sent: `place: message`. */
  const wrong = async (method, path, data) => {
    const [status, detail] = await refused(method, path, data);
    if (status !== 422) throw new Error(`${status}: ${JSON.stringify(detail)}`);
    return detail.map(({ loc, msg }) => `${loc.join(".")}: ${msg}`);
  };
  return { ...of, waitForStep: of.step, makeWorkflow: of.make, make, agent, patch, step, say, refused, wrong };
}

/** What a stream was told, in short: what became of an agent, or what it did. */
export const short = ({ event_type, data }) => {
  if (event_type === "agent_status_changed") return `${data.previous_status} ${data.status}`;
  if (event_type === "agent_message") return `${data.message.direction} message`;
  return `${event_type === "agent_activity" ? "" : `${event_type} `}${data.action ?? ""}`.trim();
};
