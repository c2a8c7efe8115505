//! `/api/agents`: what agents there may be, those that are there, and their messages.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use serde_json::json;

use super::{Asked, Outcome, at, created, nothing_else, ok};
use crate::App;

const MISSING: &str = "Agent not found";
const INSTANCES: &str = "agent-instances";
const DEFINITIONS: &str = "agent-definitions";

pub(super) fn routes() -> Router<Arc<App>> {
    let routes = at([
        ("/api/agents", get(list).post(make)),
        ("/api/agents/definitions", get(definitions).post(define)),
        ("/api/agents/definitions/{id}", get(definition)),
        (
            "/api/agents/{id}",
            get(read).patch(change).put(change).delete(remove),
        ),
        ("/api/agents/{id}/activate", post(activate)),
        ("/api/agents/{id}/deactivate", post(deactivate)),
        ("/api/agents/{id}/shutdown", post(shutdown)),
        ("/api/agents/{id}/messages", get(messages).post(say)),
    ]);
    nothing_else(routes, "/api/agents/{id}")
}

async fn definitions(asked: Asked) -> Outcome {
    let query = asked.query.clone().into();
    ok(asked.find(&[DEFINITIONS], query).await?)
}

async fn define(asked: Asked) -> Outcome {
    created(asked.create(&[DEFINITIONS], asked.data.clone()).await?)
}

async fn definition(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.one(&[DEFINITIONS], &id).await?)
}

async fn list(asked: Asked) -> Outcome {
    let query = asked.placed(asked.query.clone().into()).await?;
    ok(asked.find(&[INSTANCES], query).await?)
}

async fn make(asked: Asked) -> Outcome {
    let data = asked.placed(asked.data.clone()).await?;
    created(asked.create(&[INSTANCES], data).await?)
}

async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.own(INSTANCES, &id, MISSING).await?)
}

async fn change(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own(INSTANCES, &id, MISSING).await?;
    asked.change(INSTANCES, &id, asked.data.clone()).await
}

async fn remove(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own(INSTANCES, &id, MISSING).await?;
    ok(asked.remove(INSTANCES, &id).await?)
}

async fn activate(Path(id): Path<String>, asked: Asked) -> Outcome {
    step(&id, "activate", &asked).await
}

async fn deactivate(Path(id): Path<String>, asked: Asked) -> Outcome {
    step(&id, "deactivate", &asked).await
}

async fn shutdown(Path(id): Path<String>, asked: Asked) -> Outcome {
    step(&id, "shutdown", &asked).await
}

async fn step(id: &str, what: &str, asked: &Asked) -> Outcome {
    asked.own(INSTANCES, id, MISSING).await?;
    ok(asked.create(&[INSTANCES, id, what], json!({})).await?)
}

async fn messages(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own(INSTANCES, &id, MISSING).await?;
    let query = asked.query.clone().into();
    ok(asked.find(&[INSTANCES, &id, "messages"], query).await?)
}

async fn say(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own(INSTANCES, &id, MISSING).await?;
    let path = [INSTANCES, &id, "messages"];
    created(asked.create(&path, asked.data.clone()).await?)
}
