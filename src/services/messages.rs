//! `messages`: what was said in a session, ordered by `index`.

use std::sync::LazyLock;

use entities::messages;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};

use super::{
    records::Records,
    rules::{Change, Rules, Scope},
    tasks,
    values::{fill, keep, one_of, plain_id, text},
    visibility,
};
use crate::{
    core::{BoxFuture, Record, call::Method, event::Draft},
    error::{Error, Kind, Result},
    store::{lane::Work, numbering::Numbering, transaction::Reader},
};

const ROLES: [&str; 3] = ["user", "assistant", "system"];
const TYPES: [&str; 5] = [
    "user",
    "assistant",
    "system",
    "file-history-snapshot",
    "permission_request",
];

/// The status of a prompt that waits.
const QUEUED: &str = "queued";

static TASKS: LazyLock<Records> = LazyLock::new(tasks::service);

/// The service.
pub fn service() -> Records {
    Records::of::<messages::Entity>("message_id")
        .paginate(100, 10_000)
        .multi([Method::Create, Method::Patch, Method::Remove])
        .rules(Messages)
        .build()
}

/// Messages are numbered in their session.
static INDEX: Numbering = Numbering::new("messages", "index", "session_id");

struct Messages;

impl Rules for Messages {
    fn create<'a>(
        &'a self,
        message: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(message, "message_id")?;
            let session = text(message, "session_id").map(str::to_owned);
            let session = session.ok_or_else(|| {
                Error::bad_request("session_id is required when creating a message")
            })?;
            visibility::check_session(&session, work).await?;
            fill(message, "message_id", || json!(work.clock.ordered_id()));
            fill(message, "role", || json!("user"));
            let role = message["role"].clone();
            fill(message, "type", || role);
            fill(message, "timestamp", || json!(work.now.to_string()));
            fill(message, "content", || json!(""));
            fill(message, "content_preview", || json!(""));
            if message.get("index").is_none_or(Value::is_null) {
                let next = INDEX.next(work.tx, &session).await?;
                message.insert("index".to_owned(), json!(next));
            }
            not_queued(message)?;
            check(message)
        }
        .boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        message: &'a Record,
        _given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            // A prompt that is taken back from the queue.
            let task = text(message, "task_id").filter(|_| text(message, "status") == Some(QUEUED));
            if let Some(task) = task.filter(|_| change == Change::Removed) {
                let stopped = TASKS.patch(task, json!({"status": "stopped"}), work).await;
                stopped.map(drop).or_else(|error| match error.kind() {
                    Kind::NotFound => Ok(()),
                    _ => Err(error),
                })?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, _work: &Work<'_>) -> Result<()> {
        keep(changes, &["session_id"]);
        not_queued(changes)?;
        check(changes)
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

    fn scopes<'a>(
        &'a self,
        db: &'a mut dyn Reader,
        messages: &'a [Record],
    ) -> BoxFuture<'a, Result<Vec<Option<Scope>>>> {
        let scopes = messages.iter().map(|message| self.scope(message)).collect();
        Box::pin(async move {
            let mut scopes = visibility::follow_boards(db, messages, scopes).await?;
            tasks::follow_streams(db, &mut scopes).await?;
            Ok(scopes)
        })
    }

    fn scope(&self, message: &Record) -> Option<Scope> {
        Some(Scope::everyone([
            ("session", text(message, "session_id")),
            ("task", text(message, "task_id")),
        ]))
    }
}

/// Refuses to put a message into a queue: `sessions/:id/messages/queue` does.
fn not_queued(message: &Record) -> Result<()> {
    if text(message, "status") == Some(QUEUED) {
        let text = "`status` cannot be set to queued; use sessions/:id/messages/queue";
        return Err(Error::bad_request(text));
    }
    Ok(())
}

/// Checks the fields that are there.
fn check(message: &Record) -> Result<()> {
    plain_id(message, "task_id")?;
    one_of(message, "role", &ROLES)?;
    one_of(message, "type", &TYPES)?;
    let index = message.get("index").and_then(Value::as_i64);
    // Larger ones JavaScript cannot count.
    if index.is_some_and(|index| !(0..1 << 53).contains(&index)) {
        return Err(Error::bad_request(
            "`index` must be from 0 to 9007199254740991",
        ));
    }
    Ok(())
}
