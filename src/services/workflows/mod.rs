//! Workflows: steps that depend on each other, and their executions (docs/workflows.md).
//!
//! A workflow is stored with its steps; an execution keeps what the workflow was when it was asked for. How
//! each step is, is a row; every change of it is one unit of work with its event. A daemon that comes back
//! goes on with what ran. Steps that ask something are prompts, each in a session of the execution's: a task
//! like any other, run by [`Runs`].
//!
//! # Services
//! Over every dialect; MGX's REST is made of them. Pages are `{items, total, skip, limit}` with `?skip=0
//! &limit=10`, the newest first. What cannot be read is `Unprocessable`, with `errors: [{type, loc, msg}]`.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `workflows` | `find ?workspace_id&project_id&is_active` | a page of workflows |
//! | | `get(id)` | `{id, workspace_id, project_id, name, description, version, is_active, config, variables, metadata, timeout_seconds, max_retries, created_at, updated_at, steps, step_count, project}` |
//! | | `create {name, steps, variables?, config?, …, workspace_id?}` | the same; docs/workflows.md says what may be sent |
//! | | `patch(id, …)` | the same; steps are replaced as a whole, those of a name that was there keep their ids |
//! | | `remove(id)` | `{status: "deleted", workflow_id}`; 409 while it is executed |
//! | `workflows/validate` | `create`, as for `workflows` | `{is_valid, errors: [{type, loc, msg}], warnings: []}` |
//! | `workflows/:id/execute` | `create {input_variables?, stream_id?}` | `{status: "submitted", execution_id, message, workflow_id}` |
//! | `workflows/:id/executions` | `find ?status` | a page of executions without their steps |
//! | `executions` | `get(id)` | `{id, workflow_id, workspace_id, execution_number, status, stream_id, input_variables, results, error_message, started_at, completed_at, created_at, updated_at, workflow_name, duration, step_executions: [{id, step_id, status, input_data, output_data, error_message, retry_count, session_id, task_id, started_at, completed_at, step_name, step_type, step_order, agent_instance_id, duration}]}` |
//! | `executions/:id/status` | `find` | `{execution_id, workflow_id, status, …, current_steps, step_count, completed_step_count, failed_step_count, skipped_step_count}` |
//! | `executions/:id/timeline` | `find` | the same with `step_timeline: [{step_id, step_name, status, started_at, completed_at, duration_seconds, retry_count, error_message, input_summary, output_summary}]`, as they began |
//! | `executions/:id/cancel` | `create {}` | `{status: "cancelled", execution_id, workflow_id, message}`, also the second time; 409 where it had ended otherwise |
//!
//! # Events
//! On the common log, source [`signals`](super::signals), for everybody who is let in; topics `workflow`,
//! `execution`, `workspace`, `stream` where one was given, and of steps `step`, `session` and `task` where it
//! runs a prompt, `agent` where it names one: `workflow_started`, `workflow_completed`, `workflow_failed`,
//! `workflow_cancelled`, `step_started`, `step_completed`, `step_failed`, `step_skipped`, and of agents that
//! steps name `agent_status_changed` and `agent_activity`. Each step that started ends with exactly one event.
//!
//! # Layout
//! - `definition`, `variables`, `expression`, `context` and `plan` are pure: what is read, what holds, what
//!   texts become, what is next
//! - `rows` is the tables, `telling` the events, `showing` what is answered, `routes` the services
//! - `storing`, `attempts`, `settling` and `ending` are the units of work; `engine` and `post` do them

mod attempts;
mod context;
mod definition;
mod ending;
mod engine;
mod expression;
mod plan;
mod post;
mod routes;
mod rows;
mod settling;
mod showing;
mod storing;
mod telling;
mod variables;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::routes::register;
use super::{runs::Runs, values::text};
use crate::{error::Result, store::Store};

/// All executions.
pub struct Workflows {
    runs: Arc<Runs>,
    tracker: TaskTracker,
    /// Cancelled when the daemon stops.
    stopping: CancellationToken,
    /// What ends executions that are at work, by their id.
    live: Mutex<HashMap<String, CancellationToken>>,
}

impl Workflows {
    /// Nothing is at work yet.
    pub fn new(runs: Arc<Runs>, tracker: TaskTracker, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            runs,
            tracker,
            stopping,
            live: Mutex::default(),
        })
    }

    /// Goes on with what was under way when the daemon ended; runs that were interrupted have been ended.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recover(self: &Arc<Self>, store: &Store) -> Result<()> {
        for execution in rows::open(&mut store.reader()).await? {
            self.launch(text(&execution, "id").unwrap_or_default(), store);
        }
        Ok(())
    }

    /// Has whatever works for an execution look that it is over.
    fn stop(&self, execution: &str) {
        if let Some(stop) = self.live().get(execution) {
            stop.cancel();
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
