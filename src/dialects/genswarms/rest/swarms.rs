//! `/api/swarms`: made, looked at, steered, removed.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Asked, Outcome,
    answers::{Failure, created, items, ok, under},
    missing,
};
use crate::{
    core::call::Method,
    error::{Error, Kind},
};

/// The engine's keys and the dashboard's.
pub(super) async fn list(asked: Asked) -> Outcome {
    let swarms = items(asked.find(&["swarms"], json!({})).await?);
    ok(json!({"count": swarms.len(), "swarms": swarms}))
}

/// Makes a swarm, and starts it.
pub(super) async fn make(asked: Asked) -> Outcome {
    let made = asked.create(&["swarms"], asked.data.clone()).await;
    let made = made.map_err(|error| match &asked.data["config_path"] {
        Value::String(_) if error.message().starts_with("config_path: ") => {
            let told = json!({"error": "Invalid config_path", "message": error.message()});
            Failure::saying(error, StatusCode::BAD_REQUEST, told)
        }
        _ => missing::or_not_offered(error),
    });
    created(made?)
}

/// The status map, with all that is known of agents, the edges, and where files are.
pub(super) async fn read(Path(name): Path<String>, asked: Asked) -> Outcome {
    let mut status = asked.one(&["swarms"], &name).await?;
    let agents = asked.find(&["swarms", &name, "agents"], json!({})).await?;
    let agents = items(agents);
    let seen = status["agents"].as_array_mut().into_iter().flatten();
    for shown in seen {
        let own = agents.iter().find(|agent| agent["name"] == shown["name"]);
        let own = own.unwrap_or(&Value::Null);
        let paths = own["skills"].as_array().into_iter().flatten();
        let paths: Vec<_> = paths.filter(|skill| skill.is_string()).collect();
        shown["backend_type"] = own["backend"].clone();
        shown["skills_paths"] = json!(paths);
        // There are none.
        shown["container_name"] = Value::Null;
        shown["container_status"] = Value::Null;
    }
    status["topology"] = asked
        .find(&["swarms", &name, "topology"], json!({}))
        .await?;
    let config = status["config_path"].clone();
    status["file_paths"] = json!({"config": config, "data_dir": null, "log": null});
    ok(status)
}

pub(super) async fn remove(Path(name): Path<String>, asked: Asked) -> Outcome {
    let (id, query) = (json!(name), asked.query.clone());
    let removed = asked.call(&["swarms"], Method::Remove, |call| {
        call.id = Some(id);
        call.query = query;
    });
    ok(removed.await?)
}

pub(super) async fn pause(Path(name): Path<String>, asked: Asked) -> Outcome {
    ok(asked.create(&["swarms", &name, "pause"], json!({})).await?)
}

pub(super) async fn resume(Path(name): Path<String>, asked: Asked) -> Outcome {
    ok(asked
        .create(&["swarms", &name, "resume"], json!({}))
        .await?)
}

pub(super) async fn restart(Path(name): Path<String>, asked: Asked) -> Outcome {
    let delete = said(&asked, "delete");
    let path = ["swarms", &name, "restart"];
    let restarted = asked.create(&path, under("delete", delete)).await;
    ok(restarted.map_err(|error| match error.kind() {
        Kind::NotFound => Error::not_found("Swarm not found or no config path"),
        _ => error,
    })?)
}

pub(super) async fn message(Path(name): Path<String>, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "message"];
    ok(asked.create(&path, asked.data.clone()).await?)
}

pub(super) async fn clean(asked: Asked) -> Outcome {
    let all = said(&asked, "all");
    ok(asked
        .create(&["swarms", "clean"], under("all", all))
        .await?)
}

/// What the query says, else the body.
fn said(asked: &Asked, name: &str) -> Value {
    let said = asked.query.get(name).cloned();
    said.unwrap_or_else(|| asked.data[name].clone())
}

pub(super) async fn topology(Path(name): Path<String>, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "topology"];
    ok(under("topology", asked.find(&path, json!({})).await?))
}

pub(super) async fn rewire(Path(name): Path<String>, asked: Asked) -> Outcome {
    let (path, data) = (["swarms", &name, "topology"], asked.data.clone());
    let rewired = asked.call(&path, Method::Patch, |call| call.data = data);
    ok(rewired.await?)
}
