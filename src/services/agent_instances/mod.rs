//! Agents' instances: what agents there may be, those that are in a workspace, how they are, and what they
//! are told and say (docs/protocols/mgx.md, "Agents").
//!
//! An instance does nothing by itself. It stands for an agent: steps of workflows name it, and then it is busy
//! while they run; others activate it, shut it down and leave it messages. Every change is one unit of work
//! with what is told of it.
//!
//! # Services
//! Pages are `{items, total, skip, limit}` with `?skip=0&limit=10`. What cannot be read is `Unprocessable`,
//! with `errors: [{type, loc, msg}]`.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `agent-definitions` | `find` | a page, the oldest first; `default` is there always |
//! | | `get(id or slug)` | `{id, name, slug, description, agent_type, capabilities, config, created_at, updated_at}` |
//! | | `create {name, slug?, description?, agent_type?, capabilities?, config?}` | the same; 409 where the slug is taken |
//! | `agent-instances` | `find ?workspace_id&status&definition_id` | a page, the newest first |
//! | | `get(id)` | `{id, workspace_id, project_id, definition_id, name, status, config, last_error, created_at, updated_at}` |
//! | | `create {definition_id or definition_slug, name?, project_id?, config?, activate=true, workspace_id?}` | the same |
//! | | `patch(id, {status?, name?, project_id?, config?, error?})` | the same; 409 where the status cannot follow |
//! | | `remove(id)` | `{status: "deleted", agent_id}`; 409 while steps run at it |
//! | `agent-instances/:id/activate`, `…/deactivate`, `…/shutdown` | `create {}` | the instance; as it is where it is so already |
//! | `agent-instances/:id/messages` | `find` | a page, the newest first, of what the caller may see |
//! | | `create {direction="inbound", payload?, correlation_id?, task_id?, run_id?}` | `{id, workspace_id, agent_instance_id, direction, payload, correlation_id, task_id, run_id, created_at}` |
//!
//! `task_id` is a session, `run_id` a task in it: a message that names one is for who sees the session, and
//! nobody else is answered or told of it.
//!
//! # Events
//! On the common log, source [`signals`](super::signals), topics `agent` and `workspace`, for everybody who is
//! let in: `agent_status_changed {previous_status, status, error}`, `agent_activity {action, …}` and
//! `agent_message {message}`. Those of a message that names a session have the topics `session` and `task`
//! (and `board`), too, and are for who sees it.

mod definitions;
mod messages;
mod routes;
mod rows;
mod status;
mod storing;
mod telling;
mod working;

pub use self::routes::register;
pub(super) use self::{
    messages::Exchange,
    working::{Named, named},
};
