//! Runs that other services begin, such as workflows' steps: in their units of work, and waited for.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Runs, at,
    begin::{Asked, Started},
    clean, there,
    watch::preview,
};
use crate::{
    core::{Record, identity::Identity, turn::Turn},
    error::Result,
    services::{tasks::is_over, values::text},
    store::{Store, lane::Work, transaction::Reader},
};

/// A run that began in a unit of work; it goes on once it is [launched](Runs::set_off).
pub(in crate::services) struct Begun {
    started: Box<Started>,
    /// The session and the task.
    pub(in crate::services) session: String,
    pub(in crate::services) task: String,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::services) enum Outcome {
    /// What the agent said last.
    Said(String),
    /// Why it failed.
    Failed(String),
    /// Somebody stopped it, or took it away; why.
    Stopped(String),
    /// It is not over.
    Open,
}

impl Runs {
    /// Begins to run a prompt: in this session, if it is there and nothing runs in it, else in a new one with
    /// this title.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn begin_own(
        self: &Arc<Self>,
        session: Option<&str>,
        title: &str,
        (prompt, author): (&str, Option<&str>),
        work: &mut Work<'_>,
    ) -> Result<Begun> {
        let known = match session.filter(|session| !self.is_busy(session)) {
            Some(id) => there(self.sessions.read(work.tx, id, &Identity::System).await)?,
            None => None,
        };
        let session = match known {
            Some(session) => session,
            None => {
                let session = json!({"title": title, "created_by": author});
                match self.sessions.create(session, work).await? {
                    Value::Object(session) => session,
                    _ => Record::new(),
                }
            }
        };
        let asked = Asked {
            text: clean(prompt),
            permission_mode: None,
            streams: true,
            stream_id: None,
            goal: None,
            by: Identity::System,
            task: None,
            author: author.map(str::to_owned),
            plans: false,
        };
        let started = self.begin(&session, asked, work).await?;
        Ok(Begun {
            session: started.prompt.session.clone(),
            task: started.prompt.task.clone(),
            started: Box::new(started),
        })
    }

    /// Lets a run go on; the token is cancelled once it is over, or the daemon stops.
    pub(in crate::services) fn set_off(
        self: &Arc<Self>,
        begun: Begun,
        store: &Store,
    ) -> CancellationToken {
        let over = begun.started.over.clone();
        self.launch(*begun.started, store);
        over
    }

    /// Ends a task whose run is to end, unless it is over: the run stops once that is published.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn end_own(
        &self,
        task: &str,
        status: &str,
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let ended = json!({"status": status, "error": why});
        // Whoever ends what began it ends it, wherever its session was put meanwhile.
        let by = std::mem::replace(&mut work.by, Identity::System);
        let changed = self.change_task(task, &[], ended, work).await;
        work.by = by;
        changed
    }

    /// How a task ended.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn outcome(
        &self,
        task: &str,
        db: &mut dyn Reader,
    ) -> Result<Outcome> {
        let Some(task) = there(self.tasks.read(db, task, &Identity::System).await)? else {
            return Ok(Outcome::Stopped("its task was removed".to_owned()));
        };
        if !is_over(&task) {
            return Ok(Outcome::Open);
        }
        let status = text(&task, "status").unwrap_or_default();
        let why = |usual: &str| text(&task, "error").unwrap_or(usual).to_owned();
        match status {
            "completed" => {}
            "stopped" => return Ok(Outcome::Stopped(why("it was stopped"))),
            _ => return Ok(Outcome::Failed(why("it failed"))),
        }
        // Whoever completed it may have said what came of it.
        match at(&task, "output") {
            Value::Null => self.last_words(&task, db).await.map(Outcome::Said),
            Value::String(output) => Ok(Outcome::Said(output.clone())),
            output => Ok(Outcome::Said(output.to_string())),
        }
    }

    /// Asks a session's agent something, as `sessions/:id/prompt` does; the task's id.
    ///
    /// # Errors
    /// As that service answers.
    pub(in crate::services) async fn ask_for(
        self: Arc<Self>,
        session: &str,
        data: &Value,
        (by, turn, store): (Identity, Turn, Store),
    ) -> Result<String> {
        let asked = Asked::read(data, by)?;
        let asking = Arc::clone(&self).ask(session.to_owned(), asked, turn, store);
        let answer = self.detach(asking).await?;
        let task = answer.data["taskId"].as_str().unwrap_or_default();
        Ok(task.to_owned())
    }

    /// What the agent said last in a task.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn last_words(
        &self,
        task: &Record,
        db: &mut dyn Reader,
    ) -> Result<String> {
        let query = json!({
            "session_id": at(task, "session_id"),
            "task_id": at(task, "task_id"),
            "role": "assistant",
            "$sort": {"index": -1},
            "$limit": LOOK,
        });
        let query = query.as_object().cloned().unwrap_or_default();
        let messages = self
            .messages
            .matching(&query, &Identity::System, db)
            .await?;
        let said = messages
            .iter()
            .map(|message| preview(at(message, "content")));
        Ok(said
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default())
    }
}

/// Messages among which an agent's last words are.
const LOOK: u64 = 20;
