//! HTTP+SSE of the revision 2024-11-05: answers come over the stream that opened the session.
//!
//! `GET /mcp/sse` says with its first event where messages are posted to, and then tells what the
//! server has to say. Everybody needs a key or token, whatever the daemon asks of others.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{Path, Request, State},
    response::sse::{Event, KeepAlive, Sse},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, StatusCode, request::Parts};
use rmcp::{
    ServerHandler, ServiceExt,
    model::{ClientJsonRpcMessage, GetExtensions, ServerJsonRpcMessage},
};
use tokio::sync::{
    Semaphore,
    mpsc::{self, Receiver, Sender},
};
use tokio_util::sync::{CancellationToken, PollSender};

use super::{
    refusal::{self, Refusal},
    sessions::{self, Found, Sessions},
};
use crate::{
    App,
    dialects::{body, visitor::Visitor},
    error::{Error, Result},
};

/// Where messages are posted, before the session's id.
const MESSAGES: &str = "/mcp/messages";

/// Messages that wait for a session, and for a client, at most.
const WAITING: usize = 64;

/// Requests of a session that its client has not read the answers of, at most.
const UNREAD: usize = 256;

struct Endpoint<F> {
    app: Arc<App>,
    make: F,
    sessions: Sessions<Inlet>,
}

/// Where a session's messages go.
#[derive(Clone)]
struct Inlet {
    to_server: Sender<ClientJsonRpcMessage>,
    /// A permit for each request whose answer may be on its way.
    room: Arc<Semaphore>,
}

/// The routes; a handler is made for each session.
pub(super) fn routes<S: ServerHandler>(
    app: &Arc<App>,
    make: impl Fn() -> S + Send + Sync + 'static,
) -> Router {
    let endpoint = Arc::new(Endpoint {
        app: Arc::clone(app),
        make,
        sessions: Sessions::default(),
    });
    Router::new()
        .route("/mcp/sse", get(open))
        .route(&format!("{MESSAGES}/{{session}}"), post(take))
        .with_state(endpoint)
}

/// Opens a session, which ends with its stream.
async fn open<S: ServerHandler, F: Fn() -> S + Send + Sync + 'static>(
    State(endpoint): State<Arc<Endpoint<F>>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let app = &endpoint.app;
    let visitor = visitor(app, &parts).await?;
    let id = app.store.clock().random_id().to_string();
    let (to_server, from_client) = mpsc::channel(WAITING);
    let (to_client, from_server) = mpsc::channel(WAITING);
    let room = Arc::new(Semaphore::new(UNREAD));
    let inlet = Inlet {
        to_server,
        room: Arc::clone(&room),
    };
    endpoint.sessions.open(&id, &visitor, inlet)?;
    let gone = CancellationToken::new();
    let told = told(&id, from_server, room, gone.clone());
    let alive = KeepAlive::new().interval(app.config.heartbeat_secs);
    let session = Session {
        id,
        visitor,
        gone,
        from_client,
        to_client,
    };
    app.tasks.spawn(session.run(Arc::clone(&endpoint)));
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((unbuffered, Sse::new(told).keep_alive(alive)).into_response())
}

/// Takes a message for a session of the visitor's.
async fn take<F: Send + Sync + 'static>(
    State(endpoint): State<Arc<Endpoint<F>>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let visitor = visitor(&endpoint.app, &parts).await?;
    let Found::Own(session) = endpoint.sessions.find(&id, &visitor) else {
        return Err(sessions::missing().into());
    };
    let body = body::read(body, &endpoint.app).await?;
    let mut message = refusal::message(&body)?;
    parts.extensions.insert(visitor);
    match &mut message {
        ClientJsonRpcMessage::Request(request) => {
            let Ok(room) = session.room.try_acquire() else {
                let what = "Read the answers that you have asked for before you ask for more";
                return Err(Error::too_many_requests(what).into());
            };
            room.forget();
            request.request.extensions_mut().insert(parts);
        }
        ClientJsonRpcMessage::Notification(notification) => {
            notification.notification.extensions_mut().insert(parts);
        }
        ClientJsonRpcMessage::Response(_) | ClientJsonRpcMessage::Error(_) => {}
    }
    let taken = session.to_server.send(message).await;
    taken.map_err(|_| sessions::missing())?;
    Ok((StatusCode::ACCEPTED, "Accepted").into_response())
}

/// Who asks, if they have logged in.
async fn visitor(app: &Arc<App>, parts: &Parts) -> Result<Visitor> {
    let visitor = Visitor::of(app, parts).await?;
    if visitor.login.is_none() {
        return Err(Error::not_authenticated(
            "This transport needs an API key: send it as X-API-Key, or as a bearer token",
        ));
    }
    Ok(visitor)
}

/// What a client is told. When it is gone, that is said.
fn told(
    id: &str,
    from_server: Receiver<ServerJsonRpcMessage>,
    room: Arc<Semaphore>,
    gone: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let endpoint = Event::default()
        .event("endpoint")
        .data(format!("{MESSAGES}/{id}"));
    let gone = gone.drop_guard();
    let messages = received(from_server).map(move |message| {
        let _held = &gone;
        if let ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_) = &message {
            room.add_permits(1);
        }
        let text = serde_json::to_string(&message).unwrap_or_default();
        Event::default().event("message").data(text)
    });
    stream::iter([endpoint]).chain(messages).map(Ok)
}

fn received<T>(mut from: Receiver<T>) -> impl Stream<Item = T> + Unpin {
    stream::poll_fn(move |context| from.poll_recv(context))
}

struct Session {
    id: String,
    visitor: Visitor,
    /// Cancelled when the client is.
    gone: CancellationToken,
    from_client: Receiver<ClientJsonRpcMessage>,
    to_client: Sender<ServerJsonRpcMessage>,
}

impl Session {
    /// Serves until the client is gone, its login has ended or the daemon stops; then what was asked
    /// before is answered.
    async fn run<S: ServerHandler, F: Fn() -> S>(self, endpoint: Arc<Endpoint<F>>) {
        let app = Arc::clone(&endpoint.app);
        let left = self.visitor.left(Arc::clone(&app));
        let (gone, stopping) = (self.gone, app.stopping.clone());
        let over = Box::pin(async move {
            tokio::select! {
                () = gone.cancelled() => {}
                () = stopping.cancelled() => {}
                () = left => {}
            }
        });
        let asked = received(self.from_client).take_until(over);
        let transport = (PollSender::new(self.to_client), asked);
        // Who goes before saying hello leaves nothing to serve.
        if let Ok(serving) = (endpoint.make)().serve(transport).await {
            drop(serving.waiting().await);
        }
        endpoint.sessions.close(&self.id);
    }
}
