//! `/api/tasks`: sessions, as MGX has them.

use std::sync::Arc;

use axum::{Router, extract::Path, routing::get};
use serde_json::json;

use super::{Asked, Outcome, at, created, nothing_else, ok};
use crate::App;

const SERVICE: &str = "assignments";
pub(super) const MISSING: &str = "Task not found";

pub(super) fn routes() -> Router<Arc<App>> {
    let routes = at([
        ("/api/tasks", get(list).post(make)),
        (
            "/api/tasks/{id}",
            get(read).patch(change).put(change).delete(remove),
        ),
    ]);
    nothing_else(routes, "/api/tasks/{id}")
}

async fn list(asked: Asked) -> Outcome {
    let query = asked.placed(asked.query.clone().into()).await?;
    ok(asked.find(&[SERVICE], query).await?)
}

async fn make(asked: Asked) -> Outcome {
    let data = asked.placed(asked.data.clone()).await?;
    created(asked.create(&[SERVICE], data).await?)
}

async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.own(SERVICE, &id, MISSING).await?)
}

async fn change(Path(id): Path<String>, asked: Asked) -> Outcome {
    let known = asked.own(SERVICE, &id, MISSING).await?;
    let id = known["id"].as_str().unwrap_or(&id);
    asked.change(SERVICE, id, asked.data.clone()).await
}

async fn remove(Path(id): Path<String>, asked: Asked) -> Outcome {
    let known = asked.own(SERVICE, &id, MISSING).await?;
    let id = known["id"].as_str().unwrap_or(&id);
    asked.remove("sessions", id).await?;
    ok(json!({"status": "deleted", "task_id": id}))
}
