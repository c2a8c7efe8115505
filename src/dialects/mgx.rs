//! MGX: plain-JSON streams of what happens.
//!
//! Source: docs/protocols/mgx.md. Here so far: `/ws/stream`, which carries everything that the
//! event types have a word for.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{
    feathers::ErrorResponse,
    visitor::Visitor,
    ws::{self, Close, Dialect, Inbound, Step, Until},
};
use crate::{
    App,
    core::{
        event::Event,
        feed::{Feed, Item},
        stamp::{LogId, Since},
    },
    error::{Error, Result},
};

/// What overflows are counted as.
const PROTOCOL: &str = "mgx";

/// Events that wait for a client without `since`; then the oldest gives way, as in the original.
const CAPACITY: usize = 100;

/// Clients' frames are ignored; a larger one than this closes the connection.
const MAX_INBOUND: usize = 64 * 1024;

/// The streams' routes.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/ws", any(nowhere))
        .route("/ws/", any(nowhere))
        .route("/ws/{*path}", any(stream))
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn nowhere(upgrade: Upgrade) -> Response {
    refuse(upgrade.is_ok(), "")
}

/// An unknown path: 403 on an upgrade, as the original; 404 on plain HTTP.
fn refuse(upgrading: bool, path: &str) -> Response {
    let error = if upgrading {
        Error::forbidden(format!("There is no stream at /ws/{path}"))
    } else {
        Error::not_found(format!(
            "/ws/{path} speaks WebSocket, if it is a stream at all"
        ))
    };
    ErrorResponse(error).into_response()
}

async fn stream(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    visitor: Result<Visitor, ErrorResponse>,
    upgrade: Upgrade,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) if path == "stream" => upgrade,
        upgrade => return refuse(upgrade.is_ok(), &path),
    };
    let visitor = visitor.map_err(|ErrorResponse(error)| error);
    let visitor = match visitor.and_then(Visitor::admit) {
        Ok(visitor) => visitor,
        // Nobody could tell who it is.
        Err(error) if error.kind().status() >= 500 => return ErrorResponse(error).into_response(),
        Err(_) => return ErrorResponse(Error::forbidden("Not authenticated")).into_response(),
    };
    let since = query.get("since").map(String::as_str);
    let left = visitor.clone().left(Arc::clone(&app));
    match open(&app, visitor, since).await {
        Ok((source, mgx)) => {
            let end = Box::pin(left.map(|()| Close(1008, "the login has ended")));
            let source = Until { source, end };
            ws::modest(upgrade)
                .max_message_size(MAX_INBOUND)
                .max_frame_size(MAX_INBOUND)
                .on_upgrade(move |socket| ws::run(socket, app, mgx, source))
        }
        Err(error) => ErrorResponse(error).into_response(),
    }
}

async fn open(app: &Arc<App>, visitor: Visitor, since: Option<&str>) -> Result<(Feed, Mgx)> {
    let story = app.store.story().clone();
    let mgx = Mgx {
        app: Arc::clone(app),
        visitor,
        stamps: since.map(|_| story.log.id()),
        log: story.log.id(),
        silence: app.config.heartbeat_secs,
        opened: Instant::now(),
    };
    let feed = match since {
        Some(since) => Feed::open(story, &Since::parse(since)?, PROTOCOL).await?,
        None => Feed::lossy(story, CAPACITY, PROTOCOL),
    };
    Ok((feed, mgx))
}

struct Mgx {
    app: Arc<App>,
    visitor: Visitor,
    /// Whose stamps go with the events, on a connection that asked for them.
    stamps: Option<LogId>,
    log: LogId,
    silence: Duration,
    opened: Instant,
}

impl Dialect for Mgx {
    type Source = Until<Feed>;

    fn receive(&mut self, frame: Inbound) -> Step {
        let length = match frame {
            Inbound::Text(text) => text.len(),
            Inbound::Binary(bytes) => bytes.len(),
        };
        tracing::trace!(length, "ignored a client's frame");
        Step::Next
    }

    fn frame(&self, item: Item) -> Option<Message> {
        match item {
            Item::Event(event) => {
                let access = self.app.store.story().hub.access();
                let view = event.view(&self.visitor.identity(&self.app), access)?;
                frame(&event, view, self.stamps.as_ref()).map(Message::text)
            }
            Item::Reset(reset) => {
                let (oldest, latest) = (self.log.stamp(reset.oldest), self.log.stamp(reset.latest));
                let json = json!({"type": "reset", "reason": reset.reason, "oldest": oldest, "latest": latest});
                Some(Message::text(json.to_string()))
            }
        }
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.silence)
    }

    fn heartbeat(&self) -> Message {
        let timestamp = self.opened.elapsed().as_secs_f64();
        Message::text(json!({"type": "heartbeat", "timestamp": timestamp}).to_string())
    }
}

/// The wire's event: eleven keys, always all of them; a twelfth where stamps were asked for.
#[derive(Serialize)]
struct Payload<'a> {
    event_type: &'static str,
    timestamp: String,
    workspace_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    task_id: Option<&'a str>,
    run_id: Option<&'a str>,
    workflow_id: Option<&'a str>,
    workflow_execution_id: Option<&'a str>,
    workflow_step_id: Option<&'a str>,
    data: Data<'a>,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<String>,
}

#[derive(Serialize)]
struct Data<'a> {
    message: &'a RawValue,
}

/// An event in MGX's words, `None` if they have none for it. A session is a task there, a task a run.
fn frame(event: &Event, message: &RawValue, stamps: Option<&LogId>) -> Option<String> {
    let event_type = match (event.source.as_ref(), event.name.as_ref()) {
        ("messages", "created") => "agent_message",
        _ => return None,
    };
    let payload = Payload {
        event_type,
        timestamp: event.at.to_string(),
        workspace_id: event.topic("workspace"),
        agent_id: event.topic("agent"),
        task_id: event.topic("session"),
        run_id: event.topic("task"),
        workflow_id: event.topic("workflow"),
        workflow_execution_id: event.topic("execution"),
        workflow_step_id: event.topic("step"),
        data: Data { message },
        message: event.message.as_deref(),
        seq: stamps.map(|log| log.stamp(event.seq)),
    };
    serde_json::to_string(&payload).ok()
}
