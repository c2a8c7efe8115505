//! `/api/v1`: agents, hirings, tasks and webhooks over REST.
//!
//! Each route makes calls on services and puts what they answer into Agrenting's forms. A key is needed
//! always, also where nobody has to log in, but to register an agent and to ask how the daemon is.
//! Source: docs/protocols/agrenting.md, "REST".

mod agents;
mod asked;
mod envelope;
mod hirings;
mod missing;
mod pages;
mod tasks;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post, put},
};

use self::envelope::{Failure, Reply, seal};
use crate::App;

/// What a route answers.
type Outcome = Result<Reply, Failure>;

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self(error)
    }
}

/// The routes.
pub(in crate::dialects) fn routes(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/health", get(missing::health))
        .route("/capabilities", get(agents::capabilities))
        .route("/auth/authenticate", post(agents::authenticate))
        .route("/agents", get(agents::list).post(agents::make))
        .route("/agents/register", post(agents::register))
        .route("/agents/discover", get(agents::list))
        .route("/agents/{id}", get(agents::read).patch(agents::change))
        .route("/agents/{id}/hire", post(agents::hire))
        .route("/tasks", get(tasks::list).post(tasks::make))
        .route("/tasks/{id}", get(tasks::read))
        .route("/tasks/{id}/complete", put(tasks::complete))
        .route("/tasks/{id}/fail", put(tasks::fail))
        .route("/tasks/{id}/progress", put(tasks::progress))
        .route("/tasks/{id}/cancel", post(tasks::cancel))
        .route("/tasks/{id}/timeline", get(tasks::timeline))
        .route("/tasks/{id}/attempts", get(tasks::attempts))
        .route("/tasks/{id}/artifacts", get(tasks::artifacts))
        .route(
            "/tasks/{id}/messages",
            get(tasks::messages).post(tasks::say),
        )
        .route("/tasks/{id}/chunk", post(tasks::emit))
        .route("/tasks/{id}/chunks", get(tasks::chunks))
        .route("/hirings", get(hirings::list))
        .route("/hirings/{id}", get(hirings::read))
        .route(
            "/hirings/{id}/messages",
            get(hirings::messages).post(hirings::say),
        )
        .route("/hirings/{id}/artifacts", get(hirings::artifacts))
        .route("/hirings/{id}/retry", post(hirings::retry))
        .route("/hirings/{id}/cancel", post(hirings::cancel))
        .route("/webhooks", get(webhooks::list).post(webhooks::make))
        .route(
            "/webhooks/{id}",
            get(webhooks::read)
                .patch(webhooks::change)
                .delete(webhooks::remove),
        )
        .route("/webhooks/{id}/deliveries", get(webhooks::deliveries))
        .merge(missing::routes())
        .fallback(missing::route)
        .method_not_allowed_fallback(missing::method)
        .layer(middleware::from_fn_with_state(Arc::clone(app), seal))
        .with_state(Arc::clone(app));
    Router::new().nest("/api/v1", routes)
}
