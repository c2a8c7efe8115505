//! The reference app of docs/protocols/phoenix.md: `/socket`, `/small` and `/auth`, and `/ctl` to
//! drive them from outside.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use roost::{
    App,
    core::{BoxFuture, connection::Connection},
    dialects::phoenix::{Attempt, Channel, Connect, Endpoint, Options, Refused, Socket},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{
    phoenix_room::Room,
    phoenix_topics::{Bench, Realtime},
};

/// The reference app's routes.
pub fn routes(app: &Arc<App>) -> Router {
    let endpoint = Endpoint::new(app);
    let small = Options {
        idle: Duration::from_secs(2),
        max_frame: Some(4_096),
        poll_window: Some(Duration::from_secs(1)),
        ..Options::default()
    };
    let with_token = Options {
        auth_token: true,
        ..Options::default()
    };
    let control = Router::new()
        .route("/ctl/version", get(version))
        .route("/ctl/disconnect/{user}", get(disconnect))
        .route("/ctl/broadcast/{topic}/{event}", get(broadcast))
        .with_state(endpoint.clone());
    endpoint
        .mount("/socket", Users, Options::default())
        .merge(endpoint.mount("/small", Users, small))
        .merge(endpoint.mount("/auth", Users, with_token))
        .merge(control)
}

/// Lets everybody in whose `token` does not ask for trouble.
struct Users;

impl Connect for Users {
    fn connect<'a>(
        &'a self,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>> {
        Box::pin(async move {
            match attempt.param("token") {
                Some("bad" | "err") => Err(Refused::default()),
                Some("raise") => std::panic::panic_any(ASKED_FOR),
                _ => Ok(Box::new(User {
                    name: attempt.param("user").map(str::to_owned),
                    auth_token: attempt.auth_token.clone(),
                }) as Box<dyn Socket>),
            }
        })
    }
}

/// What a panic says that a test asked for.
pub const ASKED_FOR: &str = "a test asked for this panic";

struct User {
    name: Option<String>,
    auth_token: Option<SecretString>,
}

impl Socket for User {
    fn id(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("users:{name}"))
    }

    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>> {
        if topic == "exact" || topic.starts_with("room:") {
            let token = self
                .auth_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned());
            Some(Box::new(Room {
                who: json!({"user": self.name, "auth_token": token}),
            }))
        } else if topic.starts_with("bench:") {
            Some(Box::new(Bench))
        } else if topic.starts_with("realtime:") {
            Some(Box::new(Realtime::default()))
        } else {
            None
        }
    }
}

async fn version() -> Json<Value> {
    Json(json!({"roost": env!("CARGO_PKG_VERSION")}))
}

async fn disconnect(
    State(endpoint): State<Endpoint>,
    Extension(connection): Extension<Connection>,
    Path(user): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    local(&connection)?;
    endpoint.disconnect(&format!("users:{user}"));
    Ok(Json(json!({"result": ":ok"})))
}

async fn broadcast(
    State(endpoint): State<Endpoint>,
    Extension(connection): Extension<Connection>,
    Path((topic, event)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    local(&connection)?;
    endpoint.broadcast(&topic, &event, json!(query));
    Ok(Json(json!({"result": ":ok"})))
}

fn local(connection: &Connection) -> Result<(), StatusCode> {
    let is_local = connection.peer().ip().is_loopback();
    is_local.then_some(()).ok_or(StatusCode::FORBIDDEN)
}
