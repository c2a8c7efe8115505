//! The log as server-sent events: `GET /events` for `EventSource` and `curl`, `GET /sse` and
//! `GET /sse/<service>` for clients of Feathers 6.
//!
//! Source: the HTML standard, "Server-sent events"; docs/protocols/events.md. `Last-Event-ID`, which
//! browsers send by themselves, or `?since=` says where to start; each event's `id:` is its stamp.
//! Other parameters say which events the stream carries.

mod filter;
mod form;

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use http::{header, request::Parts};
use tokio::time::{Instant, sleep_until};

use self::{
    filter::{Filter, OTHERS},
    form::Form,
};
use super::{feathers::ErrorResponse, query_string, visitor::Visitor};
use crate::{
    App,
    core::{
        BoxFuture, Record,
        feed::{Feed, Item},
        identity::Identity,
        stamp::{LogId, Seq, Since},
    },
    error::{Error, Result},
};

/// Time between signs of life that keep an idle connection open, at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Bytes gathered into one write when many events wait.
const GATHER: usize = 64 * 1024;

/// Whether a request asks for a stream.
pub(super) fn is_asked_for(request: &Request) -> bool {
    let accepts = |accept: &http::HeaderValue| {
        accept
            .to_str()
            .is_ok_and(|accept| accept.contains("text/event-stream"))
    };
    let mut accepted = request.headers().get_all(header::ACCEPT).iter();
    request.method() == http::Method::GET && accepted.any(accepts)
}

/// Streams the log.
pub(super) async fn of_log(State(app): State<Arc<App>>, request: Request) -> Response {
    let read = |query: Record| Ok((Filter::read(&query)?, Form::Log));
    answer(app, request, read).await
}

/// Streams the events of all services in Feathers' form.
pub(super) async fn of_all(State(app): State<Arc<App>>, request: Request) -> Response {
    let read = |query: Record| {
        Ok((
            Filter::read(&query)?,
            feathers_form("sse".to_owned(), query),
        ))
    };
    answer(app, request, read).await
}

/// Streams one service's events in Feathers' form.
pub(super) async fn of_one(
    State(app): State<Arc<App>>,
    Path(service): Path<String>,
    request: Request,
) -> Response {
    let service = service.trim_matches('/').to_owned();
    let is_known = app.services.paths().any(|path| path == service);
    let read = |query: Record| {
        if !is_known {
            let path = request_path(&service);
            return Err(Error::not_found(format!("Path /{path} not found")));
        }
        let filter = Filter::read(&query)?.of(&service);
        Ok((filter, feathers_form(request_path(&service), query)))
    };
    answer(app, request, read).await
}

fn request_path(service: &str) -> String {
    format!("sse/{service}")
}

/// Feathers' form, told to a client at this path. What it came in with is not repeated.
fn feathers_form(path: String, mut query: Record) -> Form {
    query.retain(|name, _| !OTHERS.contains(&name.as_str()));
    Form::Feathers { path, query }
}

async fn answer(
    app: Arc<App>,
    request: Request,
    read: impl FnOnce(Record) -> Result<(Filter, Form)> + Send,
) -> Response {
    let (parts, _) = request.into_parts();
    match open(app, &parts, read).await {
        Ok(body) => {
            let headers = [
                // Clients of Feathers 6 compare it as a whole.
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
    app: Arc<App>,
    parts: &Parts,
    read: impl FnOnce(Record) -> Result<(Filter, Form)>,
) -> Result<Body> {
    let visitor = Visitor::of(&app, parts).await?.admit()?;
    let query = query_string::parse(parts.uri.query().unwrap_or_default())?;
    let since = since(parts, &query)?;
    let (filter, form) = read(query)?;
    let feed = Feed::open(app.store.story().clone(), &since, "sse").await?;
    let heartbeat = app.config.heartbeat_secs.min(HEARTBEAT);
    let listener = Listener {
        left: Box::pin(visitor.clone().left(Arc::clone(&app))),
        log: app.store.story().log.id(),
        app,
        visitor,
        feed,
        filter,
        form,
        greeted: false,
        over: false,
        passed: None,
        heartbeat,
        due: Instant::now() + heartbeat,
    };
    Ok(Body::from_stream(stream::unfold(listener, Listener::next)))
}

/// Where a stream starts: where the client stopped, else where it says, else now.
fn since(parts: &Parts, query: &Record) -> Result<Since> {
    let parameter = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => text
            .as_str()
            .map(Some)
            .ok_or_else(|| Error::bad_request(format!("`{name}` takes one stamp"))),
    };
    let header = parts.headers.get("last-event-id");
    let header = header.map(|id| id.to_str().unwrap_or("?"));
    // What stands in for the header where a client cannot send one.
    let last = header.or(parameter("lastEventId")?);
    let last = last.filter(|id| !id.is_empty());
    let said = last.or(parameter("since")?);
    said.map_or(Ok(Since::Now), Since::parse)
}

struct Listener {
    app: Arc<App>,
    visitor: Visitor,
    /// Done when the login has ended.
    left: BoxFuture<'static, ()>,
    feed: Feed,
    log: LogId,
    filter: Filter,
    form: Form,
    greeted: bool,
    /// Whether an event came when the login had ended: whoever comes back is told it then.
    over: bool,
    /// The newest event since the last word that was not for the client.
    passed: Option<Seq>,
    heartbeat: Duration,
    /// When the next sign of life is due.
    due: Instant,
}

impl Listener {
    /// The next bytes; `None` ends the stream: the client comes back and resumes.
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let mut text = String::new();
        if !self.greeted {
            self.greeted = true;
            text = self.form.greeting();
        }
        let stopping = self.app.stopping.clone();
        while text.is_empty() {
            if self.over {
                return self.end();
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => return self.end(),
                () = &mut self.left => return self.end(),
                () = sleep_until(self.due) => {
                    text = self.form.heartbeat(&self.log, self.passed.take());
                }
                item = self.feed.next() => match item {
                    Ok(item) => self.frame(&item, &mut text),
                    Err(error) => {
                        tracing::error!(%error, "an event stream could not be read");
                        return self.end();
                    }
                },
            }
            while text.len() < GATHER && !self.over {
                let Some(item) = self.feed.take() else { break };
                self.frame(&item, &mut text);
            }
        }
        self.due = Instant::now() + self.heartbeat;
        Some((Ok(text.into()), self))
    }

    /// Ends the stream. Clients of Feathers 6 come back only from a stream that is cut off.
    fn end(self) -> Option<(io::Result<Bytes>, Self)> {
        match self.form {
            Form::Log => None,
            Form::Feathers { .. } => {
                let over = io::Error::new(io::ErrorKind::ConnectionAborted, "the stream is over");
                Some((Err(over), self))
            }
        }
    }

    fn frame(&mut self, item: &Item, text: &mut String) {
        match item {
            Item::Event(event) => {
                let access = self.app.store.story().hub.access();
                let fits = self.filter.fits(event);
                let identity = fits.then(|| self.visitor.identity(&self.app));
                if identity == Some(Identity::Nobody) {
                    self.over = true;
                    return;
                }
                match identity.and_then(|identity| event.view(&identity, access)) {
                    Some(data) => {
                        text.push_str(&self.form.event(&self.log, event, data));
                        self.passed = None;
                    }
                    None => self.passed = Some(event.seq),
                }
            }
            Item::Reset(reset) => {
                text.push_str(&self.form.reset(&self.log, reset));
                self.passed = None;
            }
        }
    }
}
