//! `sessions`: one agent's conversation about one piece of work.

use entities::sessions;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};

use super::{
    boards,
    records::Records,
    rules::{Change, Rules, Scope},
    values::{fill, keep, one_of, plain_id, text},
};
use crate::{
    core::{Record, call::Method, event::Draft},
    error::{Error, Result},
    store::lane::Work,
};

const STATUSES: [&str; 5] = [
    "idle",
    "running",
    "awaiting_permission",
    "completed",
    "failed",
];

/// The service.
pub fn service() -> Records {
    Records::of::<sessions::Entity>("session_id")
        .paginate(50, 1_000)
        .multi([Method::Patch, Method::Remove])
        .rules(Sessions)
        .build()
}

/// A field that holds an object, and the keys that clients read in it without a guard.
type Shape = (&'static str, fn() -> Value);

/// All of them.
const OBJECTS: [Shape; 3] = [
    (
        "repo",
        || json!({"cwd": working_folder(), "managed_worktree": false}),
    ),
    (
        "git_state",
        || json!({"ref": "main", "base_sha": "", "current_sha": ""}),
    ),
    (
        "genealogy",
        || json!({"parent_session_id": null, "forked_from_session_id": null, "children": []}),
    ),
];

/// Fields that hold lists.
const LISTS: [&str; 2] = ["concepts", "tasks"];

struct Sessions;

impl Rules for Sessions {
    fn create<'a>(
        &'a self,
        session: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(session, "session_id")?;
            let now = json!(work.now.to_string());
            fill(session, "session_id", || json!(work.clock.random_id()));
            fill(session, "status", || json!("idle"));
            fill(session, "agent", || json!("claude-code"));
            fill(session, "created_at", || now.clone());
            session.insert("last_updated".to_owned(), now);
            shapes(session)?;
            for (name, defaults) in OBJECTS {
                complete(session, name, defaults());
            }
            fill(session, "concepts", || json!([]));
            fill(session, "tasks", || json!([]));
            fill(session, "message_count", || json!(0));
            fill(session, "tool_use_count", || json!(0));
            one_of(session, "status", &STATUSES)
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["agent", "created_at"]);
        changes.insert("last_updated".to_owned(), json!(work.now.to_string()));
        shapes(changes)?;
        for (name, defaults) in OBJECTS {
            if changes.contains_key(name) {
                complete(changes, name, defaults());
            }
        }
        one_of(changes, "status", &STATUSES)
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        session: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            let id = text(session, "session_id").unwrap_or_default();
            match (change, text(given, "board_id")) {
                (Change::Created, Some(board)) => {
                    Ok(vec![boards::add_session(board, id, work).await?])
                }
                (Change::Removed, _) => boards::forget_session(id, work).await,
                _ => Ok(Vec::new()),
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

    fn scope(&self, session: &Record) -> Option<Scope> {
        Some(Scope::everyone([("session", text(session, "session_id"))]))
    }
}

/// Refuses objects and lists that are none: one bad record would blank every viewer's page.
fn shapes(session: &Record) -> Result<()> {
    let wrong =
        |name: &str, fits: fn(&Value) -> bool| session.get(name).is_some_and(|value| !fits(value));
    let objects = OBJECTS.iter().map(|(name, _)| *name);
    if let Some(name) = objects
        .into_iter()
        .find(|name| wrong(name, |value| value.is_object() || value.is_null()))
    {
        return Err(Error::bad_request(format!("`{name}` must be an object")));
    }
    if let Some(name) = LISTS
        .into_iter()
        .find(|name| wrong(name, |value| value.is_array() || value.is_null()))
    {
        return Err(Error::bad_request(format!("`{name}` must be a list")));
    }
    Ok(())
}

/// Gives an object field the keys that it lacks: clients read them without a guard.
fn complete(record: &mut Record, name: &str, defaults: Value) {
    match (record.get_mut(name), defaults) {
        (Some(Value::Object(given)), Value::Object(defaults)) => {
            for (key, value) in defaults {
                given.entry(key).or_insert(value);
            }
        }
        (_, defaults) => drop(record.insert(name.to_owned(), defaults)),
    }
}

fn working_folder() -> String {
    std::env::current_dir()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
