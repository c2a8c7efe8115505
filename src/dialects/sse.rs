//! `GET /events`: the log as server-sent events, for `EventSource` and `curl`.
//!
//! Source: the HTML standard, "Server-sent events". `Last-Event-ID`, which browsers send by
//! themselves, or `?since=` says where to start; each event's `id:` is its stamp.
//! `?board=<id>` leaves out what does not concern a board: what happened there, and happens.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{HeaderMap, header};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use tokio::time::timeout;

use super::{feathers::ErrorResponse, visitor::Visitor};
use crate::{
    App,
    core::{
        BoxFuture,
        event::Event,
        feed::{Feed, Item, Reset},
        stamp::{LogId, Since},
    },
    error::{Error, Kind, Result},
};

/// Time between comments that keep an idle connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Bytes gathered into one write when many events wait.
const GATHER: usize = 64 * 1024;

/// Streams the log.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
    visitor: Result<Visitor, ErrorResponse>,
    headers: HeaderMap,
) -> Response {
    let visitor = match visitor.and_then(|visitor| visitor.admit().map_err(ErrorResponse)) {
        Ok(visitor) => visitor,
        Err(refused) => return refused.into_response(),
    };
    match open(&app, visitor, &query, &headers).await {
        Ok(body) => {
            let headers = [
                (header::CONTENT_TYPE, "text/event-stream"),
                (header::CACHE_CONTROL, "no-store"),
                // nginx would hold events back.
                (header::HeaderName::from_static("x-accel-buffering"), "no"),
            ];
            (headers, body).into_response()
        }
        Err(error) => ErrorResponse(error).into_response(),
    }
}

async fn open(
    app: &Arc<App>,
    visitor: Visitor,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Result<Body> {
    let accepts = |accept: &http::HeaderValue| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/event-stream"))
    };
    if !headers.get_all(header::ACCEPT).iter().any(accepts) {
        return Err(Error::new(
            Kind::NotAcceptable,
            "Ask for the event stream with `Accept: text/event-stream`",
        ));
    }
    let last = headers
        .get("last-event-id")
        .map(|id| id.to_str().unwrap_or("?"))
        .filter(|id| !id.is_empty());
    let since = last
        .or_else(|| query.get("since").map(String::as_str))
        .map_or(Ok(Since::Now), Since::parse)?;
    let feed = Feed::open(app.store.story().clone(), &since, "sse").await?;
    let log = app.store.story().log.id();
    let listener = Listener {
        left: Box::pin(visitor.clone().left(Arc::clone(app))),
        app: Arc::clone(app),
        visitor,
        feed,
        log,
        board: query.get("board").cloned(),
        greeted: false,
    };
    Ok(Body::from_stream(stream::unfold(listener, Listener::next)))
}

struct Listener {
    app: Arc<App>,
    visitor: Visitor,
    /// Done when the login has ended.
    left: BoxFuture<'static, ()>,
    feed: Feed,
    log: LogId,
    /// The only board whose events the client wants.
    board: Option<String>,
    greeted: bool,
}

impl Listener {
    /// The next bytes; `None` ends the stream: the client comes back and resumes.
    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        let mut text = String::new();
        if !self.greeted {
            self.greeted = true;
            // So that the client knows at once that it is connected.
            text.push_str(": roost\n\n");
            return Some((Ok(text.into()), self));
        }
        let stopping = self.app.stopping.clone();
        tokio::select! {
            () = stopping.cancelled() => return None,
            () = &mut self.left => return None,
            item = timeout(HEARTBEAT, self.feed.next()) => match item {
                Err(_) => text.push_str(":\n\n"),
                Ok(Ok(item)) => self.frame(&item, &mut text),
                Ok(Err(error)) => {
                    tracing::error!(%error, "an event stream could not be read");
                    return None;
                }
            },
        }
        while text.len() < GATHER {
            let Some(item) = self.feed.take() else { break };
            self.frame(&item, &mut text);
        }
        Some((Ok(text.into()), self))
    }

    fn frame(&self, item: &Item, text: &mut String) {
        match item {
            Item::Event(event) => {
                let access = self.app.store.story().hub.access();
                let concerns = |board: &String| event.topics_of("board").any(|id| id == board);
                if !self.board.as_ref().is_none_or(concerns) {
                    return;
                }
                if let Some(data) = event.view(&self.visitor.identity(&self.app), access) {
                    frame_event(&self.log, event, data, text);
                }
            }
            Item::Reset(reset) => frame_reset(&self.log, reset, text),
        }
    }
}

/// An event's JSON.
#[derive(Serialize)]
struct Payload<'a> {
    seq: &'a str,
    id: String,
    at: String,
    source: &'a str,
    name: &'a str,
    level: &'static str,
    actor: Option<&'a str>,
    correlation_id: Option<&'a str>,
    topics: Vec<String>,
    message: Option<&'a str>,
    data: &'a RawValue,
}

fn frame_event(log: &LogId, event: &Event, data: &RawValue, text: &mut String) {
    let stamp = log.stamp(event.seq);
    let payload = Payload {
        seq: &stamp,
        id: event.id.to_string(),
        at: event.at.to_string(),
        source: &event.source,
        name: &event.name,
        level: event.level.as_str(),
        actor: event.actor.as_deref(),
        correlation_id: event.correlation_id.as_deref(),
        topics: event.topics.iter().map(ToString::to_string).collect(),
        message: event.message.as_deref(),
        data,
    };
    if let Ok(json) = serde_json::to_string(&payload) {
        text.push_str(&["id: ", &stamp, "\ndata: ", &json, "\n\n"].concat());
    }
}

/// Tells a client that it must read its records anew; `id` lets it resume from here.
fn frame_reset(log: &LogId, reset: &Reset, text: &mut String) {
    let json = json!({"reason": reset.reason, "oldest": log.stamp(reset.oldest), "latest": log.stamp(reset.latest)});
    let (stamp, json) = (log.stamp(reset.latest), json.to_string());
    text.push_str(&["id: ", &stamp, "\nevent: reset\ndata: ", &json, "\n\n"].concat());
}
