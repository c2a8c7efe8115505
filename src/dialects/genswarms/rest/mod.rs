//! `/api/swarms` and what is beside it: swarms, agents and events over REST, and the dashboard's pages.
//!
//! Each route makes calls on services and puts what they answer into Genswarms' forms.
//! Source: docs/protocols/genswarms.md, "REST" and "Dashboard".

mod agents;
mod answers;
mod config;
mod dashboard;
mod events;
mod feed;
mod index;
mod missing;
mod swarms;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post, put},
};

use self::answers::{Asked, Outcome};
use crate::App;

/// The routes.
pub(in crate::dialects) fn routes(app: &Arc<App>) -> Router {
    let routes = Router::new()
        .route("/", get(index::describe))
        .route("/events", get(events::of_all))
        .route("/skills", get(missing::skills))
        .route("/skills/{name}", get(missing::skill))
        .route("/config/validate", post(config::validate))
        .route("/swarms", get(swarms::list).post(swarms::make))
        .route("/swarms/clean", post(swarms::clean))
        .route("/swarms/{name}", get(swarms::read).delete(swarms::remove))
        .route("/swarms/{name}/pause", post(swarms::pause))
        .route("/swarms/{name}/resume", post(swarms::resume))
        .route("/swarms/{name}/restart", post(swarms::restart))
        .route("/swarms/{name}/message", post(swarms::message))
        .route("/swarms/{name}/messages", get(events::messages))
        .route(
            "/swarms/{name}/topology",
            get(swarms::topology).patch(swarms::rewire),
        )
        .route("/swarms/{name}/events", get(events::of_swarm))
        .merge(agents())
        .merge(dashboard())
        .merge(missing::routes())
        .fallback(missing::route)
        .method_not_allowed_fallback(missing::route)
        .with_state(Arc::clone(app));
    Router::new().nest("/api", routes)
}

fn agents() -> Router<Arc<App>> {
    Router::new()
        .route("/swarms/{name}/agents", get(agents::list).post(agents::add))
        .route(
            "/swarms/{name}/agents/{agent}",
            get(agents::read).delete(agents::remove),
        )
        .route("/swarms/{name}/agents/{agent}/task", post(agents::task))
        .route(
            "/swarms/{name}/agents/{agent}/restart",
            post(agents::restart),
        )
        .route("/swarms/{name}/agents/{agent}/scale", post(agents::scale))
        .route(
            "/swarms/{name}/agents/{agent}/history",
            get(agents::history),
        )
        .route("/swarms/{name}/agents/{agent}/logs", get(agents::logs))
        .route("/swarms/{name}/agents/{agent}/skills", get(agents::skills))
        .route(
            "/swarms/{name}/agents/{agent}/skills/{skill}",
            put(agents::learn),
        )
        .route(
            "/swarms/{name}/agents/{agent}/events",
            get(events::of_agent),
        )
}

fn dashboard() -> Router<Arc<App>> {
    Router::new()
        .route("/swarms/{name}/dashboard", get(dashboard::show))
        .route("/swarms/{name}/config", get(dashboard::config))
        .route("/swarms/{name}/events/feed", get(feed::read))
        .route(
            "/swarms/{name}/sessions/{session}/{what}",
            get(dashboard::of_session),
        )
}
