//! Prompts that wait for what runs before them: messages with the status `queued`, the index -1 and a
//! place in the queue.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Runs,
    begin::{Asked, Started, and},
    owned, start,
};
use crate::{
    core::{Record, identity::Identity},
    error::{Kind, Result},
    services::values::text,
    store::{lane::Work, transaction::Reader},
};

/// Characters of a prompt that are shown in lists.
const PREVIEW: usize = 200;

/// Prompts that may wait in a session.
const LONGEST: usize = 1_000;

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
        let queued = self.queued(session, work.tx).await?;
        if queued.len() >= LONGEST {
            let text = format!("{LONGEST} prompts wait in this session already");
            return Err(crate::error::Error::new(Kind::TooManyRequests, text));
        }
        let last = queued
            .last()
            .and_then(|last| last["queue_position"].as_i64());
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
            "metadata": {"permission_mode": asked.permission_mode, "stream": asked.streams},
            "status": "queued",
            "queue_position": last.map_or(1, |last| last + 1),
        });
        let Value::Object(message) = message else {
            return Ok(Value::Null);
        };
        self.messages.put(message, "queued", work).await
    }

    /// A session's queue, in order.
    pub(super) async fn queued(&self, session: &str, db: &mut dyn Reader) -> Result<Vec<Record>> {
        let query = json!({
            "session_id": session,
            "status": "queued",
            "$sort": {"queue_position": 1},
        });
        self.messages
            .matching(query.as_object().unwrap_or(&Record::new()), db)
            .await
    }

    /// Begins with the first prompt in a session's queue whose task is still to be done.
    pub(super) async fn next(
        self: &Arc<Self>,
        session: &Record,
        work: &mut Work<'_>,
    ) -> Result<Option<Started>> {
        let id = text(session, "session_id").unwrap_or_default();
        for message in self.queued(id, work.tx).await? {
            self.messages
                .remove(&owned(&message, "message_id"), work)
                .await?;
            let asked = Asked {
                text: owned(&message, "content"),
                permission_mode: message["metadata"]["permission_mode"]
                    .as_str()
                    .map(str::to_owned),
                streams: message["metadata"]["stream"] != json!(false),
                by: Identity::System,
                task: text(&message, "task_id").map(str::to_owned),
            };
            if self.is_to_be_done(asked.task.as_deref(), work).await? {
                return self.begin(session, asked, work).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Whether a task that waits was neither removed nor ended meanwhile.
    async fn is_to_be_done(&self, task: Option<&str>, work: &mut Work<'_>) -> Result<bool> {
        let Some(task) = task else {
            return Ok(true);
        };
        match self.tasks.read(work.tx, task, &Identity::System).await {
            Ok(task) => Ok(task["status"] == "created"),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
