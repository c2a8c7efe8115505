//! The routes below a session by which prompts come, wait, stop and are decided on.
//!
//! Source: docs/protocols/feathers.md, "Prompts".

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Runs, begin::Asked};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        identity::Identity,
        turn::Turn,
    },
    error::{Error, Result},
    runner::Decision,
    services::{Service, values::text},
    store::{Store, lane::Work},
};

/// `sessions/:id/prompt`: `create {prompt, permissionMode?, stream?, stream_id?}` answers at once with
/// `{success, taskId, status, streaming}`.
pub struct Prompts(pub Arc<Runs>);

impl Service for Prompts {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let asked = Asked::read(&call.data, call.caller.identity.clone())?;
            let session = call.parameter("id").to_owned();
            let runs = Arc::clone(&self.0);
            let asking = runs.ask(session, asked, call.turn.clone(), store.clone());
            self.0.detach(asking).await
        })
    }
}

/// `sessions/:id/messages/queue`: `create {prompt, stream_id?}` answers `{success, message}`, `find` the queue.
pub struct Queue(pub Arc<Runs>);

impl Service for Queue {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let by = call.caller.identity.clone();
            let session = call.parameter("id").to_owned();
            if call.method == Method::Find {
                let mut db = store.reader();
                let session = self.0.sessions.read(&mut db, &session, &by).await?;
                let id = text(&session, "session_id").unwrap_or_default();
                let queued = self.0.queued(id, &mut db).await?;
                return Ok(json!({"total": queued.len(), "data": queued}).into());
            }
            let asked = Asked::read(&call.data, by)?;
            let runs = Arc::clone(&self.0);
            let queueing = runs.queue(session, asked, call.turn.clone(), store.clone());
            self.0.detach(queueing).await
        })
    }
}

/// `sessions/:id/stop`: `create {}` answers `{success, reason?}`.
pub struct Stop(pub Arc<Runs>);

impl Service for Stop {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let (session, by) = (call.parameter("id"), call.caller.identity.clone());
            let at = (call.turn.clone(), store.clone());
            let stopping = Arc::clone(&self.0).stop(session.to_owned(), by, at);
            self.0.detach(stopping).await
        })
    }
}

/// `sessions/:id/permission-decision`: `create {requestId, taskId, allow, reason?, scope?, decidedBy?}`
/// answers `{success}`, also if nobody waits for it any more.
pub struct Decide(pub Arc<Runs>);

impl Service for Decide {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let (session, by) = (call.parameter("id"), call.caller.identity.clone());
            let data = call.data.clone();
            let id = data["requestId"].as_str().map(str::to_owned);
            let id = id.ok_or_else(|| Error::bad_request("requestId required"))?;
            let allow = data["allow"].as_bool();
            let allow = allow.ok_or_else(|| Error::bad_request("`allow` must be true or false"))?;
            let decision = Decision {
                id,
                allow,
                reason: data["reason"].as_str().map(str::to_owned),
            };
            let (runs, at) = (Arc::clone(&self.0), (call.turn.clone(), store.clone()));
            let deciding = runs.decide(session.to_owned(), decision, data, by, at);
            self.0.detach(deciding).await
        })
    }
}

impl Runs {
    /// Puts a prompt into a session's queue; where nothing runs it is begun with.
    async fn queue(
        self: Arc<Self>,
        session: String,
        asked: Asked,
        turn: Turn,
        store: Store,
    ) -> Result<Value> {
        let runs = Arc::clone(&self);
        let unit = async move |work: &mut Work<'_>| {
            work.by = asked.by.clone();
            let session = runs.sessions.read(work.tx, &session, &work.by).await?;
            let id = text(&session, "session_id").unwrap_or_default();
            let message = runs.enqueue(id, &asked, work).await?;
            Ok((id.to_owned(), message))
        };
        let (session, message) = store.write(&turn, unit).await?;
        if !self.is_busy(&session) {
            let runs = Arc::clone(&self);
            let beginning = async move {
                if let Some(started) = runs.go_on(&session, &store).await {
                    runs.launch(started, &store);
                }
            };
            self.tracker.spawn(beginning);
        }
        Ok(json!({"success": true, "message": message}))
    }

    /// Stops what runs in a session.
    async fn stop(
        self: Arc<Self>,
        session: String,
        by: Identity,
        (turn, store): (Turn, Store),
    ) -> Result<Value> {
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let session = self.sessions.read(work.tx, &session, &work.by).await?;
            let id = text(&session, "session_id").unwrap_or_default();
            let run = self
                .lock()
                .get(id)
                .map(|run| (run.task.clone(), run.stop.clone()));
            let Some((task, stop)) = run else {
                let status = text(&session, "status").unwrap_or("idle");
                let reason = format!("Session is not running (status: {status})");
                return Ok((json!({"success": false, "reason": reason}), None));
            };
            let stopping = json!({"status": "stopping"});
            self.change_task(&task, &[], stopping, work).await?;
            Ok((json!({"success": true}), Some(stop)))
        };
        let (answer, stop) = store.write(&turn, unit).await?;
        if let Some(stop) = stop {
            stop.cancel();
        }
        Ok(answer)
    }

    /// Does something to its end, whether or not the caller waits for it.
    pub(super) async fn detach(
        &self,
        work: impl Future<Output = Result<Value>> + Send + 'static,
    ) -> Result<Answer> {
        let done = self.tracker.spawn(work).await;
        let lost = |_| Error::general("The prompt could not be taken");
        done.map_err(lost)?.map(Answer::from)
    }
}
