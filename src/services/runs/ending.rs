//! How a run ends, and what comes next in its session.

use std::sync::Arc;

use entities::runs;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde_json::{Value, json};

use super::{Runs, begin::Started, owned};
use crate::{
    core::{Record, clock::Timestamp, identity::Identity},
    error::{Error, Kind, Result},
    runner::Usage,
    services::{tasks::is_over, values::text},
    store::{Store, columns::Column, lane::Work, transaction::Reader},
};

/// What is said of a run that the daemon's end interrupted.
const INTERRUPTED: &str = "interrupted by a restart";

/// What became of a run.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) session: String,
    pub(super) task: String,
    /// `completed`, `failed` or `stopped`.
    pub(super) status: &'static str,
    /// Why it failed.
    pub(super) error: Option<String>,
    pub(super) tools: u64,
    pub(super) usage: Option<Usage>,
    pub(super) began: Option<Timestamp>,
}

impl Runs {
    /// Fails what ran when the daemon ended, and goes on with what waits behind it.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn recover(self: &Arc<Self>, store: &Store) -> Result<()> {
        let columns = Column::all::<runs::Entity>();
        let mut select = Query::select();
        select
            .columns(columns.iter().map(Column::iden))
            .from(runs::Entity);
        let reader: &mut dyn Reader = &mut store.reader();
        for run in reader.select(&select, &columns).await? {
            let ended = Ended {
                session: owned(&run, "session_id"),
                task: owned(&run, "task_id"),
                status: "failed",
                error: Some(INTERRUPTED.to_owned()),
                tools: 0,
                usage: None,
                began: Timestamp::parse(text(&run, "started_at").unwrap_or_default()),
            };
            let runs = Arc::clone(self);
            let unit = async move |work: &mut Work<'_>| runs.end(ended, work).await;
            if let Some(started) = store.write(&Default::default(), unit).await? {
                self.launch(started, store);
            }
        }
        Ok(())
    }

    /// Ends a run's task, frees its session and begins with the next prompt in its queue.
    pub(super) async fn end(
        self: &Arc<Self>,
        ended: Ended,
        work: &mut Work<'_>,
    ) -> Result<Option<Started>> {
        forget(&ended.session, work).await?;
        let by = &Identity::System;
        let session = self.sessions.read(work.tx, &ended.session, by).await;
        let Some(session) = there(session)? else {
            self.free(&ended.session, &ended.task);
            return Ok(None);
        };
        let count = json!({"session_id": ended.session, "index": {"$gte": 0}});
        let count = count.as_object().cloned().unwrap_or_default();
        let count = self.messages.count(&count, work.tx).await?;
        if let Some(task) = there(self.tasks.read(work.tx, &ended.task, by).await)? {
            let changes = changes(&task, &ended, count, work.now);
            self.tasks.patch(&ended.task, changes, work).await?;
        }
        let tools = session["tool_use_count"].as_u64().unwrap_or(0) + ended.tools;
        let idle = json!({
            "status": "idle",
            "message_count": count,
            "tool_use_count": tools,
            "ready_for_prompt": true,
        });
        let session = self.sessions.patch(&ended.session, idle, work).await?;
        self.free(&ended.session, &ended.task);
        match session {
            Value::Object(session) => self.next(&session, work).await,
            _ => Ok(None),
        }
    }
}

/// What the end of a run changes in its task; one that somebody ended already stays as they said.
fn changes(task: &Record, ended: &Ended, messages: u64, now: Timestamp) -> Value {
    let mut range = task["message_range"].clone();
    range["end_index"] = json!(messages);
    range["end_timestamp"] = json!(now.to_string());
    let mut changes = json!({
        "message_range": range,
        "tool_use_count": ended.tools,
        "completed_at": now.to_string(),
    });
    if let Some(began) = ended.began {
        changes["duration_ms"] = json!(Ord::max(now.millis() - began.millis(), 0));
    }
    if let Some(usage) = ended.usage {
        changes["usage"] = json!({"input": usage.input, "output": usage.output});
        if let Some(cost) = usage.cost {
            changes["usage"]["cost"] = json!(cost);
        }
    }
    if !is_over(task) {
        changes["status"] = json!(ended.status);
        changes["error"] = json!(ended.error);
    }
    changes
}

/// A record, or `None` if it is not there any more.
fn there<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes in the database that a session runs nothing.
async fn forget(session: &str, work: &mut Work<'_>) -> Result<()> {
    let mut delete = Query::delete();
    delete
        .from_table(runs::Entity)
        .and_where(Expr::col(runs::Column::SessionId).eq(session));
    let statement = work.tx.backend().build(&delete);
    work.tx.execute(statement).await.map(drop)
}

/// Whether a write may be tried again.
pub(super) fn is_passing(error: &Error) -> bool {
    error.kind() == Kind::Unavailable
}
