//! One way in: a chunk is checked, numbered and stored in one unit of work.

use std::sync::Arc;

use serde_json::{Value, json, value::to_raw_value};

use super::{
    CHUNK, SOURCE, Streams,
    chunk::{Piece, Told},
    refused,
    stored::PAGE,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        event::Draft,
        identity::Identity,
        scope::Audience,
    },
    error::{Error, Kind, Result},
    services::{
        registry::Service,
        rules::Scope,
        tasks::{is_over, scope},
        values::text,
        visibility,
    },
    store::{Store, lane::Work},
};

/// Seconds after which it may be tried again where a task is full; it will not help.
const LATER: u64 = 60;

impl Streams {
    /// Refuses more of a task's chunks than its rate; the daemon's own are gathered.
    ///
    /// # Errors
    /// `TooManyRequests`; `data.reason` is `rate_limited`.
    fn count(&self, task: &str, by: &Identity) -> Result<()> {
        let Some(rate) = self.rate.as_ref().filter(|_| *by != Identity::System) else {
            return Ok(());
        };
        let counted = rate.count(&task.to_owned(), "Too many chunks; wait a little");
        counted.map_err(|error| {
            let wait = error
                .data()
                .map_or(json!(1), |data| data["retryAfter"].clone());
            error.with_data(json!({"reason": "rate_limited", "retryAfter": wait}))
        })
    }

    /// Stores a chunk for whom the unit works for: `{task_id, seq, kind, timestamp}`.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` where it is not the task's provider, `Conflict` where the task is over,
    /// `TooManyRequests` where it has had enough; `data.reason` says which.
    pub async fn emit(&self, task: &str, piece: &Piece, work: &mut Work<'_>) -> Result<Value> {
        let record = self.brief(task, work.tx).await?;
        let provider = text(&record, "provider_agent_id");
        let may = match &work.by {
            Identity::Owner | Identity::System => true,
            Identity::Agent(agent) => provider == Some(&agent.id),
            _ => false,
        };
        if !may {
            return Err(refused());
        }
        if is_over(&record) {
            let reason = json!({"reason": "task_closed"});
            return Err(Error::conflict("The task is over").with_data(reason));
        }
        let task = text(&record, "task_id").unwrap_or_default().to_owned();
        let last = self.last(&task, work.tx).await?;
        let answer = |seq: u64, at: &str| json!({"task_id": task, "seq": seq, "kind": piece.kind, "timestamp": at});
        if piece.id.is_some_and(|id| id.to_string() == last.id) {
            return Ok(answer(last.seq, &last.at));
        }
        self.count(&task, &work.by)?;
        let (seq, total) = (last.seq + 1, last.total + piece.content.len() as u64);
        if seq > self.limits.chunks || total > self.limits.bytes {
            let reason = json!({"reason": "overloaded", "retryAfter": LATER});
            let text = "The task has streamed as much as it may";
            return Err(Error::too_many_requests(text).with_data(reason));
        }
        if text(&record, "status") == Some("created") {
            self.tasks
                .patch(&task, json!({"status": "running"}), work)
                .await?;
        }
        self.store(&record, piece, (seq, total), work).await?;
        Ok(answer(seq, &work.now.to_string()))
    }

    async fn store(
        &self,
        task: &Record,
        piece: &Piece,
        (seq, total): (u64, u64),
        work: &mut Work<'_>,
    ) -> Result<()> {
        let timestamp = work.now.to_string();
        let field = |name| text(task, name).unwrap_or_default();
        let row = json!({
            "task_id": field("task_id"),
            "seq": seq,
            "total": total,
            "id": piece.id.unwrap_or_else(|| work.clock.ordered_id()),
            "kind": piece.kind,
            "content": piece.content,
            "at": timestamp,
            "metadata": piece.metadata,
        });
        if let Value::Object(row) = row {
            self.chunks.insert(work.tx, &row).await?;
        }
        let told = Told {
            task_id: field("task_id"),
            session_id: field("session_id"),
            seq,
            content: &piece.content,
            kind: piece.kind,
            timestamp: &timestamp,
            metadata: &piece.metadata,
        };
        let unwritable = |error| Error::general("A chunk cannot be written").caused_by(error);
        let data = to_raw_value(&told).map_err(unwritable)?;
        let scopes = self.scopes(task, work).await?;
        for scope in scopes.into_iter().flatten() {
            let mut draft = Draft::new(SOURCE, CHUNK, scope.audience, data.clone().into());
            draft.topics = scope.topics;
            work.publish(draft);
        }
        Ok(())
    }
}

impl Streams {
    /// Who hears of a task's chunks, beside those who watch it: who has part in the task, and the user
    /// whose agent its client is; where no agents have part, who sees its session.
    async fn scopes(&self, task: &Record, work: &mut Work<'_>) -> Result<Vec<Option<Scope>>> {
        let mut scope = scope(task);
        let parties = ["provider_agent_id", "client_agent_id"];
        let parties = parties.into_iter().filter_map(|name| text(task, name));
        let mut ids: Vec<_> = parties.map(str::to_owned).collect();
        if ids.is_empty() {
            let tasks = std::slice::from_ref(task);
            return visibility::follow_boards(work.tx, tasks, vec![Some(scope)]).await;
        }
        if let Some(client) = text(task, "client_agent_id") {
            ids.extend(self.owner_of(client, work.tx).await?);
        }
        scope.audience = Audience::Identities(ids);
        Ok(vec![Some(scope)])
    }
}

/// `tasks/:id/chunks`: emits chunks, and reads them: `?after=<seq>&kind=<kind>&$limit=<count>`.
pub struct Chunks(pub Arc<Streams>);

impl Service for Chunks {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let task = call.parameter("id");
        let by = call.caller.identity.clone();
        Box::pin(async move {
            if call.method == Method::Find {
                return self.find(call, task, &by, store).await.map(Answer::from);
            }
            let piece = Piece::read(&call.data)?;
            let (streams, task) = (Arc::clone(&self.0), task.to_owned());
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                streams.emit(&task, &piece, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}

impl Chunks {
    async fn find(&self, call: &Call, task: &str, by: &Identity, store: &Store) -> Result<Value> {
        let number = |name: &str, usual: u64| match call.query.get(name) {
            None | Some(Value::Null) => Ok(usual),
            Some(value) => {
                let given = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                given.ok_or_else(|| {
                    Error::bad_request(format!("`{name}` must be a whole number from 0"))
                })
            }
        };
        let (after, limit) = (number("after", 0)?, number("$limit", PAGE)?.min(PAGE));
        let db = &mut store.reader();
        let record = self.0.may_watch(task, by, db).await?;
        let id = text(&record, "task_id").unwrap_or_default();
        let seq = self.0.last(id, db).await?.seq;
        let kind = call.query.get("kind").and_then(Value::as_str);
        let chunks = self.0.page(id, (after, kind), limit, db).await?;
        let data: Vec<_> = chunks.iter().map(|chunk| chunk.data()).collect();
        let unwritable =
            |error| Error::new(Kind::GeneralError, "Chunks cannot be written").caused_by(error);
        let data = serde_json::to_value(data).map_err(unwritable)?;
        Ok(json!({"seq": seq, "limit": limit, "data": data, "status": text(&record, "status")}))
    }
}
