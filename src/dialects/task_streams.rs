//! What tasks stream, as dialects with lasting connections share it: watching, emitting, and the words
//! for what goes wrong.

use std::sync::Arc;

use futures_util::{StreamExt, future::ready};
use serde_json::{Value, json};

use super::{
    visitor::Visitor,
    watching::{Answered, Ears, Said, Watched},
};
use crate::{
    App,
    core::{
        BoxFuture,
        call::{Call, Caller, Method},
        identity::Identity,
        turn::Turn,
    },
    error::{Error, Kind, Result},
};

/// The event that emits a chunk.
pub(super) const EMIT: &str = "task.stream_chunk";

/// Streams that one connection may watch, as Phoenix' channels.
pub(super) const WATCHED: usize = 100;

/// Watches a task from the chunk after `last_seq`, if the visitor may; null is 0. The viewer is told first
/// where the stream stands: `{seq, status}`, `status` being `open`, `done` or `error`.
///
/// # Errors
/// As [`open`](crate::services::streams::Streams::open), or `BadRequest` (reason `invalid_last_seq`).
pub(super) async fn watch(
    app: &Arc<App>,
    visitor: &Visitor,
    provider: &'static str,
    (task, last_seq): (&str, &Value),
) -> Result<Watched> {
    let missing = || Error::not_found("There is no such task");
    let last_seq = match last_seq {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let last_seq = last_seq.ok_or_else(|| {
        let reason = json!({"reason": "invalid_last_seq"});
        Error::bad_request("`last_seq` must be a whole number from 0").with_data(reason)
    })?;
    let caller = caller(app, visitor, provider);
    app.services.limits.count(&caller)?;
    let streams = app.services.streams.as_ref().ok_or_else(missing)?;
    let opened = streams.open(task, last_seq, &caller.identity, &app.store);
    let viewer = opened.await?;
    let joined = json!({"seq": viewer.seq, "status": viewer.status});
    let emitter = Emitter {
        app: Arc::clone(app),
        visitor: visitor.clone(),
        provider,
        task: viewer.task().to_owned(),
    };
    let (app, visitor) = (Arc::clone(app), visitor.clone());
    let may = move |_: &Result<Said>| ready(visitor.identity(&app) != Identity::Nobody);
    let told = viewer.into_stream().map(|said| {
        said.map(|said| Said {
            name: said.name().into(),
            data: Arc::clone(said.data()),
        })
    });
    Ok(Watched {
        joined,
        story: told.take_while(may).boxed(),
        ears: Arc::new(emitter),
    })
}

/// Takes the chunks that a viewer emits.
struct Emitter {
    app: Arc<App>,
    visitor: Visitor,
    provider: &'static str,
    task: String,
}

impl Ears for Emitter {
    fn hear<'a>(&'a self, event: &'a str, data: Value, turn: Turn) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            if event != EMIT {
                return Answered::new(Err("unknown_event".to_owned()));
            }
            let caller = caller(&self.app, &self.visitor, self.provider);
            let emitted = emit(&self.app, caller, &self.task, data, turn).await;
            Answered::new(match emitted {
                Ok(seq) => Ok(json!({"seq": seq})),
                Err(error) => Err(reason(&error).to_owned()),
            })
        })
    }
}

/// Emits a chunk `{content, kind?, metadata?}`; its number.
///
/// # Errors
/// As the service `tasks/:id/chunks` fails.
pub(super) async fn emit(
    app: &Arc<App>,
    caller: Caller,
    task: &str,
    data: Value,
    turn: Turn,
) -> Result<Value> {
    let service = app.services.find(&["tasks", task, "chunks"]);
    let (entry, route) = service.ok_or_else(|| Error::not_found("There is no such task"))?;
    let call = Call {
        data,
        route,
        turn,
        ..Call::new(entry.path, Method::Create, caller)
    };
    let answer = app.services.run(entry, call, &app.store).await?;
    Ok(answer.data["seq"].clone())
}

/// Who calls, now.
pub(super) fn caller(app: &App, visitor: &Visitor, provider: &'static str) -> Caller {
    Caller {
        identity: visitor.identity(app),
        provider: Some(provider),
        address: visitor.address,
        ..Caller::system()
    }
}

/// A word for what went wrong.
pub(super) fn reason(error: &Error) -> &str {
    let said = error.data().and_then(|data| data.get("reason")?.as_str());
    said.unwrap_or_else(|| match error.kind() {
        Kind::NotFound => "not_found",
        Kind::Forbidden | Kind::NotAuthenticated => "unauthorized",
        Kind::TooManyRequests => "rate_limited",
        kind if kind.status() < 500 => "invalid_payload",
        _ => "unavailable",
    })
}
