//! `tasks`: one piece of work in a session, from a prompt to its end.

use entities::tasks;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::json;

use super::{
    Service,
    records::Records,
    rules::{Rules, Scope},
    shapes::{Inner, Shape, objects},
    values::{fill, keep, one_of, plain_id, text},
    visibility,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    store::{Store, lane::Work},
};

const STATUSES: [&str; 7] = [
    "created",
    "running",
    "stopping",
    "awaiting_permission",
    "completed",
    "failed",
    "stopped",
];

/// Statuses in which a task is over.
pub(super) const OVER: [&str; 3] = ["completed", "failed", "stopped"];

/// The model that a task is said to use if nothing is said.
const MODEL: &str = "claude-sonnet-4-5";

/// Always there.
const SHAPES: [Shape; 2] = [
    Shape {
        field: "message_range",
        keys: &[
            ("start_index", Inner::Count),
            ("end_index", Inner::Count),
            ("start_timestamp", Inner::Moment),
        ],
    },
    Shape {
        field: "git_state",
        keys: &[("sha_at_start", Inner::Text(""))],
    },
];

/// The service.
pub fn service() -> Records {
    Records::of::<tasks::Entity>("task_id")
        .paginate(100, 10_000)
        .multi([Method::Patch, Method::Remove])
        .in_order_of("created_at")
        .short_ids("Task")
        .rules(Tasks)
        .build()
}

struct Tasks;

impl Rules for Tasks {
    fn create<'a>(
        &'a self,
        task: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(task, "task_id")?;
            let Some(session) = text(task, "session_id") else {
                return Err(Error::bad_request(
                    "session_id is required when creating a task",
                ));
            };
            visibility::check_session(session, work).await?;
            check(task)?;
            let now = json!(work.now.to_string());
            fill(task, "task_id", || json!(work.clock.random_id()));
            fill(task, "status", || json!("created"));
            fill(task, "created_at", || now.clone());
            fill(task, "description", || json!(""));
            let description = task["description"].clone();
            fill(task, "full_prompt", || description);
            fill(task, "model", || json!(MODEL));
            fill(task, "tool_use_count", || json!(0));
            for shape in SHAPES {
                shape.complete(task, work.now)?;
            }
            if is_over(task) {
                fill(task, "completed_at", || now);
            }
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["session_id", "created_at"]);
        check(changes)?;
        let now = json!(work.now.to_string());
        SHAPES
            .iter()
            .try_for_each(|shape| shape.complete_named(changes, work.now))?;
        if is_over(changes) && !is_over(current) {
            fill(changes, "completed_at", || now);
        }
        Ok(())
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn belong_to_sessions(&self) -> bool {
        true
    }

    fn scope(&self, task: &Record) -> Option<Scope> {
        Some(scope(task))
    }
}

/// What a task's events are about; its session's boards say who hears of them.
pub(super) fn scope(task: &Record) -> Scope {
    Scope::everyone([
        ("session", text(task, "session_id")),
        ("task", text(task, "task_id")),
        ("agent", text(task, "provider_agent_id")),
        ("agent", text(task, "client_agent_id")),
        ("hiring", text(task, "hiring_id")),
    ])
}

/// Checks the fields that are there.
fn check(task: &Record) -> Result<()> {
    objects(task, ["permission_request"])?;
    one_of(task, "status", &STATUSES)
}

pub(super) fn is_over(task: &Record) -> bool {
    text(task, "status").is_some_and(|status| OVER.contains(&status))
}

/// `tasks/:id/complete` and `tasks/:id/fail`: end a task and say how it went.
pub struct End {
    /// The tasks.
    pub tasks: Records,
    /// What the task's status becomes.
    pub status: &'static str,
    /// The field of the call's data that becomes the task's `report`.
    pub report: &'static str,
}

impl Service for End {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let tasks = self.tasks.clone();
        let id = call.parameter("id").to_owned();
        let by = call.caller.identity.clone();
        let mut changes = json!({"status": self.status});
        if let Some(report) = call.data.get(self.report).filter(|value| !value.is_null()) {
            changes["report"] = report.clone();
        }
        Box::pin(async move {
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                changes["completed_at"] = json!(work.now.to_string());
                tasks.patch(&id, changes, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
