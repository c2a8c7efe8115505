//! Streamable HTTP: one path for everything, for clients with sessions and for those without.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use futures_util::StreamExt;
use http::{HeaderValue, Method, header, request::Parts};
use rmcp::{
    ServerHandler,
    transport::{StreamableHttpServerConfig, StreamableHttpService},
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    manager::{Manager, OPENING, Opening},
    refusal::{self, Refusal},
    sessions::{self, Found},
};
use crate::{
    App,
    dialects::{body, visitor::Visitor},
    error::Result,
};

/// The header that names a session.
const SESSION: &str = "mcp-session-id";

/// Time that answers have which are under way when the daemon stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

struct Endpoint<S> {
    app: Arc<App>,
    service: StreamableHttpService<S, Manager>,
    manager: Manager,
    /// What was posted and is not answered yet.
    answering: TaskTracker,
}

/// Routes that serve a handler of one's own at a path, behind the daemon's door: `serve_with` takes
/// them. One handler is made for each session, and for each request without one; it may hold a token
/// of [`App::tasks`], so that the daemon waits for it when it stops. [`caller`](super::caller) says who
/// sent a request.
pub fn mount<S: ServerHandler>(
    app: &Arc<App>,
    path: &str,
    make: impl Fn() -> S + Send + Sync + 'static,
) -> Router {
    let over = CancellationToken::new();
    let config = StreamableHttpServerConfig::default()
        // The browser guard has looked at both.
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(app.config.max_message as usize)
        .with_cancellation_token(over.clone());
    let manager = Manager::new(app);
    let service = StreamableHttpService::new(move || Ok(make()), Arc::new(manager.clone()), config);
    let endpoint = Arc::new(Endpoint {
        app: Arc::clone(app),
        service,
        manager,
        answering: TaskTracker::new(),
    });
    app.tasks
        .spawn(stop(app.stopping.clone(), endpoint.answering.clone(), over));
    Router::new()
        .route(path, any(serve::<S>))
        .with_state(endpoint)
}

/// Ends every session and stream when the daemon stops, after the answers that are under way.
async fn stop(stopping: CancellationToken, answering: TaskTracker, over: CancellationToken) {
    stopping.cancelled().await;
    answering.close();
    drop(timeout(LAST_ANSWERS, answering.wait()).await);
    over.cancel();
}

async fn serve<S: ServerHandler>(
    State(endpoint): State<Arc<Endpoint<S>>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    match endpoint.answer(parts, body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

impl<S: ServerHandler> Endpoint<S> {
    async fn answer(&self, mut parts: Parts, body: Body) -> Result<Response, Refusal> {
        let visitor = Visitor::of(&self.app, &parts).await?.admit()?;
        let is_post = parts.method == Method::POST;
        let answering = is_post.then(|| self.answering.token());
        let body = body::read(body, &self.app).await?;
        if is_post {
            refusal::message(&body)?;
        }
        let named = parts.headers.get(SESSION);
        let found = named
            .and_then(|id| id.to_str().ok())
            .map(|id| self.manager.known.find(id, &visitor));
        let in_use = match found {
            Some(Found::Foreign) => return Err(sessions::missing().into()),
            Some(Found::Own(usage)) => Some(usage.begin()),
            // The library says what is wrong with a session that is not there.
            Some(Found::None) | None => None,
        };
        parts.extensions.insert(visitor.clone());
        let opening = Arc::new(Opening {
            visitor: visitor.clone(),
            refused: OnceLock::new(),
        });
        let request = Request::from_parts(parts, Body::from(body));
        let serving = self.service.handle(request);
        let response = OPENING.scope(Arc::clone(&opening), serving).await;
        if let Some(refused) = opening.refused.get() {
            return Err(refused.clone().into());
        }
        let (mut parts, body) = response.map(Body::new).into_parts();
        if parts.headers.contains_key(SESSION) {
            // Or pages of other origins could not read it.
            let exposed = HeaderValue::from_static(SESSION);
            let headers = &mut parts.headers;
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        let body = body
            .into_data_stream()
            .take_until(visitor.left(Arc::clone(&self.app)))
            .inspect(move |_| {
                let _held = (&in_use, &answering);
            });
        Ok(Response::from_parts(parts, Body::from_stream(body)))
    }
}
