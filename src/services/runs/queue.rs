//! Prompts that wait for what runs before them: messages with the status `queued`, the index -1 and a
//! place in the queue.

use std::sync::Arc;

use entities::messages;
use sea_orm::{
    Order,
    sea_query::{Expr, ExprTrait, Query},
};
use serde_json::{Value, json};

use super::{
    PREVIEW, Runs, at,
    begin::{Asked, Started, and},
    owned, start,
};
use crate::{
    core::{Record, identity::Identity, turn::Turn},
    error::{Error, Kind, Result},
    services::{rules::Scope, tasks::follow_streams, values::text, visibility},
    store::{Store, columns::Column, lane::Work, transaction::Reader},
};

/// Prompts that may wait in a session.
const LONGEST: i64 = 1_000;

/// What is looked for in a queue.
enum Wanted {
    All,
    First,
    Last,
}

impl Runs {
    /// Makes a task for a prompt that waits; returns its id.
    pub(super) async fn wait(
        &self,
        session: &Record,
        mut asked: Asked,
        work: &mut Work<'_>,
    ) -> Result<String> {
        let task = self.create_task(session, &asked, "created", work).await?;
        let tasks = json!({"tasks": and(session.get("tasks"), &task)});
        let id = text(session, "session_id").unwrap_or_default();
        self.sessions.patch(id, tasks, work).await?;
        asked.task = Some(task.clone());
        self.enqueue(id, &asked, work).await?;
        Ok(task)
    }

    /// Puts a prompt at the end of a session's queue.
    pub(super) async fn enqueue(
        &self,
        session: &str,
        asked: &Asked,
        work: &mut Work<'_>,
    ) -> Result<Value> {
        let position = |message: &Record| at(message, "queue_position").as_i64();
        let (first, last) = (
            queue(session, Wanted::First, work.tx).await?,
            queue(session, Wanted::Last, work.tx).await?,
        );
        let first = first.first().and_then(position).unwrap_or(1);
        let next = last.first().and_then(position).map_or(1, |last| last + 1);
        if next - first >= LONGEST {
            let text = format!("{LONGEST} prompts wait in this session already");
            return Err(Error::new(Kind::TooManyRequests, text));
        }
        let message = json!({
            "message_id": work.clock.ordered_id(),
            "session_id": session,
            "task_id": asked.task,
            "type": "user",
            "role": "user",
            "index": -1,
            "timestamp": work.now.to_string(),
            "content_preview": start(&asked.text, PREVIEW),
            "content": asked.text,
            "metadata": {
                "permission_mode": asked.permission_mode,
                "stream": asked.streams,
                "stream_id": asked.stream_id,
                "goal": asked.goal,
                "created_by": asked.author,
                "plan": asked.plans,
            },
            "status": "queued",
            "queue_position": next,
        });
        let Value::Object(message) = message else {
            return Ok(Value::Null);
        };
        self.messages.put(message, "queued", work).await
    }

    /// A session's queue, in order.
    pub(super) async fn queued(&self, session: &str, db: &mut dyn Reader) -> Result<Vec<Record>> {
        let mut queued = queue(session, Wanted::All, db).await?;
        crate::services::values::leave_out_nulls(&mut queued);
        Ok(queued)
    }

    /// Begins with what waits in a session where nothing runs.
    pub(super) async fn go_on(self: &Arc<Self>, session: &str, store: &Store) -> Option<Started> {
        loop {
            let runs = Arc::clone(self);
            let id = session.to_owned();
            let unit = async move |work: &mut Work<'_>| runs.next(&id, work).await;
            match store.write(&Turn::default(), unit).await {
                Ok(next) => return next,
                Err(error) if self.stopping.is_cancelled() => {
                    tracing::debug!(%error, "what waits is begun after the restart");
                    return None;
                }
                Err(error) if error.kind() == Kind::Unavailable => {
                    tokio::time::sleep(super::watch::AGAIN).await;
                }
                Err(error) => {
                    tracing::warn!(%error, session, "a prompt that waited could not be begun with");
                    self.refuse_first(session, error.message(), store).await?;
                }
            }
        }
    }

    /// Takes the first prompt from a queue and fails its task; `None` if that fails, too.
    async fn refuse_first(&self, session: &str, why: &str, store: &Store) -> Option<()> {
        let (messages, tasks) = (self.messages.clone(), self.tasks.clone());
        let (session, why) = (session.to_owned(), why.to_owned());
        let unit = async move |work: &mut Work<'_>| {
            for message in queue(&session, Wanted::First, work.tx).await? {
                take_out(&messages, &message, work).await?;
                if let Some(task) = text(&message, "task_id") {
                    let failed = json!({"status": "failed", "error": why});
                    super::there(tasks.patch(task, failed, work).await)?;
                }
            }
            Ok(())
        };
        let refused = store.write(&Turn::default(), unit).await;
        refused
            .inspect_err(|error| tracing::error!(%error, "a queue is stuck"))
            .ok()
    }

    /// Begins with the first prompt in a session's queue whose task is still to be done.
    pub(super) async fn next(
        self: &Arc<Self>,
        session: &str,
        work: &mut Work<'_>,
    ) -> Result<Option<Started>> {
        let by = &Identity::System;
        loop {
            if self.is_busy(session) {
                return Ok(None);
            }
            let Some(message) = queue(session, Wanted::First, work.tx).await?.pop() else {
                return Ok(None);
            };
            let Some(record) = super::there(self.sessions.read(work.tx, session, by).await)? else {
                return Ok(None);
            };
            take_out(&self.messages, &message, work).await?;
            let said = at(&message, "metadata");
            let asked = Asked {
                text: owned(&message, "content"),
                permission_mode: said["permission_mode"].as_str().map(str::to_owned),
                streams: said["stream"] != json!(false),
                stream_id: said["stream_id"].as_str().map(str::to_owned),
                goal: said["goal"].as_str().map(str::to_owned),
                by: Identity::System,
                task: text(&message, "task_id").map(str::to_owned),
                author: said["created_by"].as_str().map(str::to_owned),
                plans: said["plan"] == json!(true),
            };
            if self.is_to_be_done(asked.task.as_deref(), work).await? {
                return self.begin(&record, asked, work).await.map(Some);
            }
        }
    }

    /// Whether a task that waits was neither removed nor ended meanwhile.
    async fn is_to_be_done(&self, task: Option<&str>, work: &mut Work<'_>) -> Result<bool> {
        let Some(task) = task else {
            return Ok(true);
        };
        let task = self.tasks.read(work.tx, task, &Identity::System).await;
        Ok(super::there(task)?.is_some_and(|task| *at(&task, "status") == "created"))
    }
}

/// The sessions in which prompts wait.
pub(super) async fn waiting(db: &mut dyn Reader) -> Result<Vec<String>> {
    let columns = Column::all::<messages::Entity>();
    let columns: Vec<_> = columns
        .into_iter()
        .filter(|column| column.name == "session_id")
        .collect();
    let mut select = Query::select();
    select
        .distinct()
        .columns(columns.iter().map(Column::iden))
        .from(messages::Entity)
        .and_where(Expr::cust("\"status\" = 'queued'"));
    let sessions = db.select(&select, &columns).await?;
    Ok(sessions
        .iter()
        .map(|session| owned(session, "session_id"))
        .collect())
}

/// What waits in a session, in order, or one end of it.
async fn queue(session: &str, wanted: Wanted, db: &mut dyn Reader) -> Result<Vec<Record>> {
    let columns = Column::all::<messages::Entity>();
    let order = match wanted {
        Wanted::Last => Order::Desc,
        Wanted::All | Wanted::First => Order::Asc,
    };
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(messages::Entity)
        .and_where(Expr::col(messages::Column::SessionId).eq(session))
        // As the index says it.
        .and_where(Expr::cust("\"status\" = 'queued'"))
        .order_by(messages::Column::QueuePosition, order);
    if !matches!(wanted, Wanted::All) {
        select.limit(1);
    }
    db.select(&select, &columns).await
}

/// Takes a message from a queue, and tells of it.
async fn take_out(
    messages: &crate::services::records::Records,
    message: &Record,
    work: &mut Work<'_>,
) -> Result<()> {
    let mut told = [message.clone()];
    crate::services::values::leave_out_nulls(&mut told);
    let [told] = told;
    let scope = Scope::everyone([
        ("session", text(message, "session_id")),
        ("task", text(message, "task_id")),
    ]);
    let scopes = vec![Some(scope)];
    let records = std::slice::from_ref(message);
    let mut scopes = visibility::follow_boards(work.tx, records, scopes).await?;
    follow_streams(work.tx, &mut scopes).await?;
    for scope in scopes.into_iter().flatten() {
        work.publish(scope.draft("messages", "removed", &Value::Object(told.clone()))?);
    }
    messages.delete(&owned(message, "message_id"), work).await
}
