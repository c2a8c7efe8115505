//! MGX: plain-JSON streams of what happens.
//!
//! Source: docs/protocols/mgx.md. `scope` says what each stream carries, `words` how it is said.

pub(super) mod rest;
mod scope;
mod words;

use std::{
    collections::{HashMap, VecDeque},
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
use serde_json::json;

use self::scope::Scope;
use super::{
    feathers::ErrorResponse,
    visitor::Visitor,
    ws::{self, Close, Dialect, Inbound, Source, Step, Until},
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
    let (upgrade, scope) = match (upgrade, Scope::parse(&path, &query)) {
        (Ok(upgrade), Some(scope)) => (upgrade, scope),
        (upgrade, _) => return refuse(upgrade.is_ok(), &path),
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
    match open(&app, visitor, scope, since).await {
        Ok((frames, mgx)) => {
            let end = Box::pin(left.map(|()| Close(1008, "the login has ended")));
            let source = Until {
                source: frames,
                end,
            };
            ws::modest(upgrade)
                .max_message_size(MAX_INBOUND)
                .max_frame_size(MAX_INBOUND)
                .on_upgrade(move |socket| ws::run(socket, app, mgx, source))
        }
        Err(error) => ErrorResponse(error).into_response(),
    }
}

async fn open(
    app: &Arc<App>,
    visitor: Visitor,
    scope: Scope,
    since: Option<&str>,
) -> Result<(Frames, Mgx)> {
    let story = app.store.story().clone();
    let log = story.log.id();
    let scope = Arc::new(scope);
    let feed = match since {
        Some(since) => Feed::open(story, &Since::parse(since)?, PROTOCOL).await?,
        None => {
            let scope = Arc::clone(&scope);
            let (app, visitor) = (Arc::clone(app), visitor.clone());
            // What somebody may not see takes no room.
            let wanted = move |event: &Arc<Event>| {
                let access = app.store.story().hub.access();
                let sees = || event.view(&visitor.identity(&app), access).is_some();
                words::known(event) && scope.carries(event) && sees()
            };
            Feed::lossy(story, CAPACITY, PROTOCOL, wanted)
        }
    };
    let mgx = Mgx {
        scope: Arc::clone(&scope),
        silence: app.config.heartbeat_secs,
        opened: Instant::now(),
    };
    let frames = Frames {
        app: Arc::clone(app),
        visitor,
        scope,
        stamps: since.map(|_| log.clone()),
        log,
        feed,
        ready: VecDeque::new(),
    };
    Ok((frames, mgx))
}

/// A connection's frames: an event may have several.
struct Frames {
    app: Arc<App>,
    visitor: Visitor,
    scope: Arc<Scope>,
    /// Whose stamps go with the events, on a connection that asked for them.
    stamps: Option<LogId>,
    log: LogId,
    feed: Feed,
    /// Framed, and not taken yet.
    ready: VecDeque<String>,
}

impl Frames {
    fn frame(&mut self, item: Item) {
        match item {
            Item::Event(event) => {
                if !self.scope.carries(&event) {
                    return;
                }
                let access = self.app.store.story().hub.access();
                let identity = self.visitor.identity(&self.app);
                if let Some(view) = event.view(&identity, access) {
                    let frames = words::frames(&event, view, self.stamps.as_ref());
                    self.ready.extend(frames);
                }
            }
            Item::Reset(reset) => {
                let mut told = reset.told(&self.log);
                told["type"] = json!("reset");
                self.ready.push_back(told.to_string());
            }
        }
    }
}

impl Source for Frames {
    type Item = String;

    async fn next(&mut self) -> Result<String, Close> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            let item = Source::next(&mut self.feed).await?;
            self.frame(item);
        }
    }

    fn take(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            let item = self.feed.take()?;
            self.frame(item);
        }
    }
}

struct Mgx {
    scope: Arc<Scope>,
    silence: Duration,
    opened: Instant,
}

impl Dialect for Mgx {
    type Source = Until<Frames>;

    fn receive(&mut self, frame: Inbound) -> Step {
        let length = match frame {
            Inbound::Text(text) => text.len(),
            Inbound::Binary(bytes) => bytes.len(),
        };
        tracing::trace!(length, "ignored a client's frame");
        Step::Next
    }

    fn frame(&self, frame: String) -> Option<Message> {
        Some(Message::text(frame))
    }

    fn silence(&self) -> Option<Duration> {
        Some(self.silence)
    }

    fn heartbeat(&self) -> Message {
        let timestamp = self.opened.elapsed().as_secs_f64();
        Message::text(self.scope.heartbeat(timestamp).to_string())
    }
}
