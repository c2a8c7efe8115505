//! `tasks`: one piece of work in a session, from a prompt to its end.

use entities::tasks;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};

use super::{
    Service, agents,
    hooks::{Hook, before},
    records::Records,
    rules::{Change, Rules, Scope},
    shapes::{Inner, Shape, objects},
    values::{fill, keep, one_of, plain_id, text},
    visibility,
};
use crate::{
    core::{
        BoxFuture, Record,
        access::sees_all,
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

/// The agents that have part in a task: who works on it, and who has it done.
const PARTIES: [&str; 2] = ["provider_agent_id", "client_agent_id"];

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
            &["session_id", "hiring_id", "created_at", "updated_at"],
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
            match change {
                Change::Changed => check_parties(current, given, work).await,
                _ => Ok(()),
            }
        }
        .boxed_local()
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

/// Whether agents have part in a task.
fn has_agents(task: &Record) -> bool {
    PARTIES
        .iter()
        .any(|name| task.get(*name).is_some_and(|agent| !agent.is_null()))
}

/// Says which agents have part in a new task: who works on it, by id or DID, and who has it done, which
/// is the caller's own if nothing is said.
async fn set_parties(task: &mut Record, work: &mut Work<'_>) -> Result<()> {
    if !has_agents(task) {
        return Ok(());
    }
    let [provider, client] = PARTIES.map(|name| task.get(name).filter(|agent| !agent.is_null()));
    if let Some(client) = client {
        check_client(client, work).await?;
    }
    let provider = match provider {
        Some(provider) => Some(worker(provider, work).await?),
        None => None,
    };
    if client.is_none() {
        let client = agents::client(work).await?;
        task.insert(PARTIES[1].to_owned(), json!(client));
    }
    task.insert(PARTIES[0].to_owned(), json!(provider));
    Ok(())
}

/// Who has part in a task changes by admins only.
async fn check_parties(current: &Record, given: &Record, work: &mut Work<'_>) -> Result<()> {
    for name in PARTIES {
        let Some(agent) = given
            .get(name)
            .filter(|agent| current.get(name) != Some(agent))
        else {
            continue;
        };
        if !sees_all(&work.by) {
            return Err(Error::forbidden(format!(
                "You need admin access to change `{name}`"
            )));
        }
        if agent.is_null() {
            continue;
        }
        if name == PARTIES[1] {
            check_client(agent, work).await?;
        } else if Some(worker(agent, work).await?.as_str()) != agent.as_str() {
            return Err(Error::bad_request(format!(
                "`{name}` must be an agent's id"
            )));
        }
    }
    Ok(())
}

/// The id of an agent that may work on a task.
async fn worker(agent: &Value, work: &mut Work<'_>) -> Result<String> {
    let found = agents::named(agent.as_str().unwrap_or_default(), work.tx).await?;
    let id = found.as_ref().and_then(|agent| text(agent, "id"));
    id.map(str::to_owned).ok_or_else(|| {
        Error::bad_request(format!(
            "`{}` must be the id or DID of an agent",
            PARTIES[0]
        ))
    })
}

/// Refuses an agent in whose name others than the caller have tasks done.
async fn check_client(agent: &Value, work: &mut Work<'_>) -> Result<()> {
    let id = agent.as_str().unwrap_or_default();
    if agents::may_be_client(id, work).await? {
        return Ok(());
    }
    let text = format!("`{}` must be the id of an agent of yours", PARTIES[1]);
    Err(Error::bad_request(text))
}

/// Checks the fields that are there.
fn check(task: &Record) -> Result<()> {
    objects(task, ["permission_request"])?;
    let progress = task.get("progress_percent").and_then(Value::as_i64);
    if progress.is_some_and(|percent| !(0..=100).contains(&percent)) {
        return Err(Error::bad_request("`progress_percent` must be 0 to 100"));
    }
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
