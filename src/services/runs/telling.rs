//! Tells viewers what an agent says and thinks as it comes: deltas of messages that grow.

use std::sync::Arc;

use serde_json::{Value, json, value::to_raw_value};

use super::Runs;
use crate::{
    core::{
        event::Delta,
        scope::{Audience, Topic},
        stamp::Seq,
    },
    error::Result,
    store::Store,
};

/// Tells of one run.
pub(super) struct Telling {
    runs: Arc<Runs>,
    store: Store,
    session: String,
    task: String,
    /// Whether viewers want it.
    wanted: bool,
    /// Who hears of the session, as of a place in the log.
    scope: Option<(Seq, Audience, Arc<[Topic]>)>,
    /// The message that grows, and what it has grown to.
    text: Option<(Arc<str>, String)>,
    /// The thought that grows.
    thought: Option<Arc<str>>,
}

impl Telling {
    /// Nothing was said yet.
    pub(super) const fn new(
        runs: Arc<Runs>,
        store: Store,
        session: String,
        task: String,
        wanted: bool,
    ) -> Self {
        Self {
            runs,
            store,
            session,
            task,
            wanted,
            scope: None,
            text: None,
            thought: None,
        }
    }

    /// Some more of a text.
    pub(super) async fn text(&mut self, chunk: &str) -> Result<()> {
        self.thought().await?;
        let id = match &mut self.text {
            Some((id, text)) => {
                text.push_str(chunk);
                Arc::clone(id)
            }
            None => {
                let id = self.new_id();
                self.text = Some((Arc::clone(&id), chunk.to_owned()));
                let more =
                    json!({"task_id": self.task, "role": "assistant", "timestamp": self.now()});
                self.tell("streaming:start", &id, false, more).await?;
                id
            }
        };
        self.tell("streaming:chunk", &id, false, json!({"chunk": chunk}))
            .await
    }

    /// The text is complete, or with an error not: the id of the message that it becomes, and what was
    /// said of it; `None` if nothing was.
    pub(super) async fn complete(
        &mut self,
        error: Option<&str>,
    ) -> Result<Option<(Arc<str>, String)>> {
        self.thought().await?;
        let Some((id, text)) = self.text.take() else {
            return Ok(None);
        };
        match error {
            None => self.tell("streaming:end", &id, true, json!({})).await?,
            Some(error) => {
                self.tell("streaming:error", &id, true, json!({"error": error}))
                    .await?;
            }
        }
        Ok(Some((id, text)))
    }

    /// The text that grew is no message.
    pub(super) async fn forget(&mut self) -> Result<()> {
        let error = "this is no message: it begins anew";
        self.complete(Some(error)).await.map(drop)
    }

    /// Some more of a thought.
    pub(super) async fn think(&mut self, chunk: &str) -> Result<()> {
        let id = match &self.thought {
            Some(id) => Arc::clone(id),
            None => {
                let id = self.new_id();
                self.thought = Some(Arc::clone(&id));
                let more = json!({"task_id": self.task, "timestamp": self.now()});
                self.tell("thinking:start", &id, false, more).await?;
                id
            }
        };
        self.tell("thinking:chunk", &id, false, json!({"chunk": chunk}))
            .await?;
        let of_task = json!({"task_id": self.task, "session_id": self.session, "chunk": chunk});
        self.whisper("tasks", "thinking:chunk", &id, false, &of_task)
            .await
    }

    /// The thought is complete.
    pub(super) async fn thought(&mut self) -> Result<()> {
        match self.thought.take() {
            Some(id) => self.tell("thinking:end", &id, true, json!({})).await,
            None => Ok(()),
        }
    }

    /// An id for a message.
    pub(super) fn new_id(&self) -> Arc<str> {
        self.store.clock().ordered_id().to_string().into()
    }

    fn now(&self) -> String {
        self.store.clock().now().to_string()
    }

    async fn tell(
        &mut self,
        name: &'static str,
        id: &Arc<str>,
        is_last: bool,
        more: Value,
    ) -> Result<()> {
        let mut payload = json!({"message_id": &**id, "session_id": self.session});
        if let (Some(payload), Value::Object(more)) = (payload.as_object_mut(), more) {
            payload.extend(more);
        }
        self.whisper("messages", name, id, is_last, &payload).await
    }

    async fn whisper(
        &mut self,
        source: &'static str,
        name: &'static str,
        of: &Arc<str>,
        is_last: bool,
        payload: &Value,
    ) -> Result<()> {
        if !self.wanted {
            return Ok(());
        }
        let (audience, topics) = self.scope().await?;
        let Ok(data) = to_raw_value(payload) else {
            return Ok(());
        };
        let delta = Delta {
            source,
            name,
            of: Arc::clone(of),
            is_last,
            audience,
            topics,
            data: data.into(),
        };
        self.store.story().hub.whisper(&delta);
        Ok(())
    }

    /// Who hears of the session: looked up again once anything was published, since a board may hold it
    /// now, or not any more.
    async fn scope(&mut self) -> Result<(Audience, Arc<[Topic]>)> {
        let head = self.store.story().hub.head();
        if let Some((_, audience, topics)) = self.scope.as_ref().filter(|(at, ..)| *at == head) {
            return Ok((audience.clone(), Arc::clone(topics)));
        }
        // A session that is gone is on no board, and nobody's.
        let of = [self.session.as_str(), self.task.as_str()];
        let scope = self.runs.scope(of, &mut self.store.reader()).await?;
        let (audience, topics) = scope.map_or((Audience::Nobody, Vec::new()), |scope| {
            (scope.audience, scope.topics)
        });
        let topics: Arc<[Topic]> = topics.into();
        self.scope = Some((head, audience.clone(), Arc::clone(&topics)));
        Ok((audience, topics))
    }
}
