//! How a run ends.

use std::sync::Arc;

use entities::runs;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde_json::{Value, json};

use super::{Runs, at, owned, queue::waiting, there};
use crate::{
    core::{Record, clock::Timestamp, identity::Identity, turn::Turn},
    error::Result,
    runner::Usage,
    services::{tasks::is_over, values::text},
    store::{Store, columns::Column, lane::Work, transaction::Reader},
};

/// What is said of a run that the daemon's end interrupted.
pub(super) const INTERRUPTED: &str = "interrupted by a restart";

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
    /// The messages that ask for a decision which nobody waits for any more.
    pub(super) questions: Vec<String>,
}

impl Runs {
    /// Fails what ran when the daemon ended, and goes on with what waits.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn recover(self: &Arc<Self>, store: &Store) -> Result<()> {
        self.listen(store);
        let columns = Column::all::<runs::Entity>();
        let mut select = Query::select();
        select
            .columns(columns.iter().map(Column::iden))
            .from(runs::Entity);
        let reader: &mut dyn Reader = &mut store.reader();
        for run in reader.select(&select, &columns).await? {
            if let Some(started) = self.await_again(&run, &mut *reader).await? {
                self.launch(started, store);
                continue;
            }
            let ended = Ended {
                session: owned(&run, "session_id"),
                task: owned(&run, "task_id"),
                status: "failed",
                error: Some(INTERRUPTED.to_owned()),
                tools: 0,
                usage: None,
                began: Timestamp::parse(text(&run, "started_at").unwrap_or_default()),
                questions: Vec::new(),
            };
            let runs = Arc::clone(self);
            let unit = async move |work: &mut Work<'_>| runs.end(ended, work).await;
            if let Err(error) = store.write(&Turn::default(), unit).await {
                // The session's next prompt ends it.
                tracing::error!(%error, "a run that was interrupted could not be ended");
            }
        }
        for session in waiting(reader).await? {
            if let Some(started) = self.go_on(&session, store).await {
                self.launch(started, store);
            }
        }
        Ok(())
    }

    /// Ends a run's task, and says that its session is idle.
    pub(super) async fn end(&self, ended: Ended, work: &mut Work<'_>) -> Result<()> {
        // Its end may be stored already, although that was not confirmed.
        if !forget(&ended.session, &ended.task, work).await? {
            return Ok(());
        }
        let by = &Identity::System;
        let session = self.sessions.read(work.tx, &ended.session, by).await;
        let Some(session) = there(session)? else {
            return Ok(());
        };
        for question in &ended.questions {
            self.mark(question, "cancelled", &Value::Null, work).await?;
        }
        let count = json!({"session_id": ended.session, "index": {"$gte": 0}});
        let count = count.as_object().cloned().unwrap_or_default();
        let count = self.messages.count(&count, by, work.tx).await?;
        if let Some(task) = there(self.tasks.read(work.tx, &ended.task, by).await)? {
            let changes = changes(&task, &ended, count, work.now);
            self.tasks.patch(&ended.task, changes, work).await?;
        }
        let tools = at(&session, "tool_use_count").as_u64().unwrap_or(0) + ended.tools;
        let idle = json!({
            "status": "idle",
            "message_count": count,
            "tool_use_count": tools,
            "ready_for_prompt": true,
        });
        self.sessions
            .patch(&ended.session, idle, work)
            .await
            .map(drop)
    }
}

/// What the end of a run changes in its task; one that somebody ended already stays as they said.
fn changes(task: &Record, ended: &Ended, messages: u64, now: Timestamp) -> Value {
    let mut range = at(task, "message_range").clone();
    range["end_index"] = json!(messages);
    range["end_timestamp"] = json!(now.to_string());
    let mut changes = json!({
        "message_range": range,
        "tool_use_count": ended.tools,
        "completed_at": now.to_string(),
        "permission_request": null,
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

/// Notes in the database that a session does not run a task any more; whether it did.
pub(super) async fn forget(session: &str, task: &str, work: &mut Work<'_>) -> Result<bool> {
    let mut delete = Query::delete();
    delete
        .from_table(runs::Entity)
        .and_where(Expr::col(runs::Column::SessionId).eq(session))
        .and_where(Expr::col(runs::Column::TaskId).eq(task));
    let statement = work.tx.backend().build(&delete);
    Ok(work.tx.execute(statement).await? > 0)
}
