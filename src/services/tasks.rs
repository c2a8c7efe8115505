//! `tasks`: one piece of work in a session, from a prompt to its end.

mod ending;
mod named;
mod parties;

use entities::tasks;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};

pub use self::ending::{End, Ending};
pub(super) use self::named::{follow_streams, named};
use self::parties::{check_parties, has_agents, may_say, set_parties};
use super::{
    hirings,
    hooks::{Hook, before},
    records::Records,
    rules::{Change, Rules, Scope},
    shapes::{Inner, Shape, objects},
    values::{fill, keep, one_of, plain_id, text},
    visibility,
};
use crate::{
    core::{
        Record,
        call::{Call, Method},
        event::Draft,
    },
    error::{Error, Result},
    store::lane::Work,
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
            set_parties(task, work).await?;
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
            if has_agents(task) {
                task.insert("updated_at".to_owned(), now.clone());
            }
            if is_over(task) {
                fill(task, "completed_at", || now);
            }
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(
            changes,
            &[
                "session_id",
                "hiring_id",
                "stream_id",
                "created_at",
                "updated_at",
            ],
        );
        check(changes)?;
        let now = json!(work.now.to_string());
        SHAPES
            .iter()
            .try_for_each(|shape| shape.complete_named(changes, work.now))?;
        if is_over(changes) && !is_over(current) {
            fill(changes, "completed_at", || now.clone());
        }
        if has_agents(current) || has_agents(changes) {
            changes.insert("updated_at".to_owned(), now);
        }
        Ok(())
    }

    fn permit<'a>(
        &'a self,
        change: Change,
        current: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            if change == Change::Changed && has_agents(current) {
                may_say(current, given, work).await?;
            }
            match change {
                Change::Changed => check_parties(current, given, work).await,
                _ => Ok(()),
            }
        }
        .boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        task: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        hirings::follow(change, task, given, work).boxed_local()
    }

    fn moved(&self, before: Option<&Record>, changes: &Record) -> Option<String> {
        moved(before, changes)
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
        ("stream", text(task, "stream_id")),
    ])
}

/// Keeps clients from saying which hiring a task is of.
pub fn own_hirings() -> impl Hook {
    before([Method::Create], |call: &mut Call| {
        let tasks = match &mut call.data {
            Value::Array(tasks) => tasks.iter_mut().collect(),
            task => vec![task],
        };
        for task in tasks.into_iter().filter_map(Value::as_object_mut) {
            task.shift_remove("hiring_id");
        }
        Ok(())
    })
}

/// Checks the fields that are there.
fn check(task: &Record) -> Result<()> {
    objects(task, ["permission_request"])?;
    named(task.get("stream_id"))?;
    let progress = task.get("progress_percent").and_then(Value::as_i64);
    if progress.is_some_and(|percent| !(0..=100).contains(&percent)) {
        return Err(Error::bad_request("`progress_percent` must be 0 to 100"));
    }
    one_of(task, "status", &STATUSES)
}

/// What is said of a task that moved on, but not in its status.
pub const PROGRESS: &str = "progress";

/// How a task moves on: `from>to`, statuses, the first of them empty where the task is new; or [`PROGRESS`].
fn moved(before: Option<&Record>, changes: &Record) -> Option<String> {
    let (from, to) = (
        before.and_then(|task| text(task, "status")),
        text(changes, "status"),
    );
    // What takes its question back and fails was not refused: it broke off.
    let takes_back = changes
        .get("permission_request")
        .is_some_and(Value::is_null);
    let from = match (from, to) {
        (Some("awaiting_permission"), Some("failed")) if takes_back => Some("running"),
        (from, _) => from,
    };
    if let Some(to) = to.filter(|to| from != Some(to)) {
        return Some(format!("{}>{to}", from.unwrap_or_default()));
    }
    let progress = ["progress_percent", "progress_message"];
    let before = before?;
    let differs = |name: &&str| {
        changes
            .get(*name)
            .is_some_and(|value| before.get(*name) != Some(value))
    };
    progress.iter().any(differs).then(|| PROGRESS.to_owned())
}

/// Whether a task is over.
pub fn is_over(task: &Record) -> bool {
    text(task, "status").is_some_and(|status| OVER.contains(&status))
}
