//! The protocols: each turns frames into calls and events into frames, and knows no other.

mod agrenting;
mod answers;
mod asked;
mod body;
mod console;
mod feathers;
mod genswarms;
mod guard;
mod hive;
mod index;
pub mod mcp;
mod mgx;
pub mod phoenix;
mod query_string;
mod runs;
mod sse;
mod swarms;
mod task_streams;
mod timers;
mod visitor;
mod watching;
mod ws;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use percent_encoding::percent_decode_str;
use tower_http::compression::{
    CompressionLayer, Predicate,
    predicate::{DefaultPredicate, SizeAbove},
};

use self::feathers::ErrorResponse;
use crate::{App, error::Error};

/// Answers smaller than this, in bytes, are sent as they are.
const SMALL: u64 = 1_024;

/// What serves all protocols.
pub struct Dialects {
    /// Answers every request.
    pub router: Router,
    /// Answers where Hive alone listens.
    pub hive: Router,
    socket_io: feathers::SocketIo,
}

impl Dialects {
    /// Tells clients whose library holds their sockets that the daemon stops.
    pub async fn say_goodbye(&self) {
        self.socket_io.close().await;
    }
}

/// Builds the dialects over an app, and further routes; the hub delivers to them from now on.
pub fn build(app: &Arc<App>, more: Router) -> Dialects {
    index::recorder();
    let socket_io = feathers::SocketIo::new(app);
    let endpoint = phoenix::Endpoint::new(app);
    let router = Router::new()
        .route("/", get(root).fallback(feathers::rest))
        .route("/stream", get(hive::stream).fallback(feathers::rest))
        .route("/hive", get(hive::stream).fallback(feathers::rest))
        .route("/events", any(events))
        .route("/sse", get(sse::of_all).fallback(feathers::rest))
        .route("/sse/{*service}", get(sse::of_one).fallback(feathers::rest))
        .route("/metrics", get(index::metrics).fallback(feathers::rest))
        .route(
            "/auth/verify",
            get(visitor::verify).fallback(feathers::rest),
        )
        .merge(console::routes())
        .merge(mgx::routes())
        .fallback(feathers::rest)
        .with_state(Arc::clone(app))
        .merge(mcp::routes(app))
        .merge(agrenting::sockets(&endpoint))
        .merge(agrenting::rest(app))
        .merge(genswarms::rest(app))
        .merge(genswarms::sockets(&endpoint))
        .merge(mgx::rest::routes(app))
        .merge(more)
        .layer(DefaultBodyLimit::max(app.config.max_message as usize))
        .layer(middleware::from_fn(legible))
        .layer(CompressionLayer::new().compress_when(is_worth_it()));
    let router = Router::new()
        .fallback_service(socket_io.layer(router))
        .layer(feathers::cors(&app.config))
        .layer(middleware::from_fn(feathers::options))
        .layer(middleware::from_fn_with_state(
            Arc::clone(app),
            guard::guard,
        ));
    let hive = Router::new()
        .route("/hive/events", any(hive_or_rest))
        .fallback(hive::stream)
        .with_state(Arc::clone(app))
        .layer(middleware::from_fn_with_state(
            Arc::clone(app),
            guard::guard,
        ));
    Dialects {
        router,
        hive,
        socket_io,
    }
}

/// The root: Hive for who asks for a WebSocket, the console for who asks for a page, else what is here.
async fn root(State(app): State<Arc<App>>, request: Request) -> Response {
    match hive::upgrade(&app, request).await {
        Ok(response) => response,
        Err(request) if console::is_asked_for(request.headers()) => console::page(&app).await,
        Err(_) => index::describe(&app).into_response(),
    }
}

/// Where Hive alone listens: events are taken, too.
async fn hive_or_rest(State(app): State<Arc<App>>, request: Request) -> Response {
    match hive::upgrade(&app, request).await {
        Ok(response) => response,
        Err(request) => feathers::rest(State(app), request).await,
    }
}

/// The log: as a stream for who asks for one, else as a service.
async fn events(app: State<Arc<App>>, request: Request) -> Response {
    if sse::is_asked_for(&request) {
        return sse::of_log(app, request).await;
    }
    feathers::rest(app, request).await
}

/// Refuses a path that is no text, wherever it leads.
async fn legible(request: Request, next: Next) -> Response {
    match percent_decode_str(request.uri().path()).decode_utf8() {
        Ok(_) => next.run(request).await,
        Err(_) => ErrorResponse(Error::bad_request("The path is not UTF-8")).into_response(),
    }
}

/// What is compressed for clients that take it: large answers, never an event stream.
fn is_worth_it() -> impl Predicate {
    DefaultPredicate::new().and(SizeAbove::new(SMALL))
}
