//! What Genswarms has and Roost has not: objects, containers, snapshots, a folder of skills; and what nobody has
//! heard of.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    routing::{get, patch, post},
};
use serde_json::json;

use super::{
    Asked, Outcome,
    answers::{Failure, ok},
};
use crate::{
    App,
    error::{Error, Kind},
};

const OBJECTS: &str =
    "Objects are not offered: their handlers are Elixir modules; make an agent instead";
const SNAPSHOT: &str =
    "Snapshots are not offered: they are Elixir; GET the swarm and its topology instead";
const OVERLAY: &str = "Changes at runtime are part of the swarm and cannot be cleared; stop it and \
                       create it anew from its definition";

/// What is there, and empty or refused.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/swarms/{name}/objects",
            get(objects).post(async |_: Asked| absent(OBJECTS)),
        )
        .route(
            "/swarms/{name}/objects/{object}",
            get(object).delete(async |_: Asked| absent(OBJECTS)),
        )
        .route(
            "/swarms/{name}/objects/{object}/config",
            patch(async |_: Asked| absent(OBJECTS)),
        )
        .route(
            "/swarms/{name}/overlay",
            get(overlay).delete(async |_: Asked| absent(OVERLAY)),
        )
        .route(
            "/swarms/{name}/snapshot",
            post(async |_: Asked| absent(SNAPSHOT)),
        )
}

fn absent(why: &'static str) -> Outcome {
    Err(Error::new(Kind::NotImplemented, why).into())
}

async fn objects(Path(name): Path<String>, asked: Asked) -> Outcome {
    asked.one(&["swarms"], &name).await?;
    ok(json!({"objects": []}))
}

async fn object(Path((name, _)): Path<(String, String)>, asked: Asked) -> Outcome {
    asked.one(&["swarms"], &name).await?;
    Err(Error::not_found("Object not found").into())
}

async fn overlay(Path(name): Path<String>, asked: Asked) -> Outcome {
    asked.one(&["swarms"], &name).await?;
    ok(json!({"swarm": name, "events": []}))
}

/// No files are read: agents' skills are in their definitions.
pub(super) async fn skills(_: Asked) -> Outcome {
    std::future::ready(ok(json!({"skills": [], "base_path": ".", "count": 0}))).await
}

pub(super) async fn skill(_: Path<String>, _: Asked) -> Outcome {
    std::future::ready(Err(Error::not_found("Skill not found").into())).await
}

pub(super) async fn route() -> Failure {
    std::future::ready(Failure::no_route()).await
}

/// An error in a definition; 501, if the definition asks for what is not offered.
pub(super) fn or_not_offered(error: Error) -> Failure {
    let reason = error.data().and_then(|data| data["reason"].as_str());
    match reason {
        Some(":not_offered") => Error::new(Kind::NotImplemented, error.message().to_owned()).into(),
        _ => error.into(),
    }
}
