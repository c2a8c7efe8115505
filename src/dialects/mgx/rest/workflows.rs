//! `/api/workflows`: made, looked at, executed; and their executions.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use serde_json::json;

use super::{Asked, Outcome, at, created, nothing_else, ok};
use crate::App;

const MISSING: &str = "Workflow not found";
const NO_EXECUTION: &str = "Workflow execution not found";

pub(super) fn routes() -> Router<Arc<App>> {
    let routes = at([
        ("/api/workflows", get(list).post(make)),
        ("/api/workflows/validate", post(validate)),
        (
            "/api/workflows/{id}",
            get(read).patch(change).put(change).delete(remove),
        ),
        ("/api/workflows/{id}/execute", post(execute)),
        ("/api/workflows/{id}/executions", get(executions)),
        ("/api/workflows/executions/{id}", get(execution)),
        ("/api/workflows/executions/{id}/status", get(status)),
        ("/api/workflows/executions/{id}/timeline", get(timeline)),
        ("/api/workflows/executions/{id}/cancel", post(cancel)),
    ]);
    nothing_else(routes, "/api/workflows/{id}")
}

async fn list(asked: Asked) -> Outcome {
    let query = asked.placed(asked.query.clone().into()).await?;
    ok(asked.find(&["workflows"], query).await?)
}

async fn make(asked: Asked) -> Outcome {
    let data = asked.placed(asked.data.clone()).await?;
    created(asked.create(&["workflows"], data).await?)
}

async fn validate(asked: Asked) -> Outcome {
    let path = ["workflows", "validate"];
    ok(asked.create(&path, asked.data.clone()).await?)
}

async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.own("workflows", &id, MISSING).await?)
}

async fn change(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own("workflows", &id, MISSING).await?;
    asked.change("workflows", &id, asked.data.clone()).await
}

async fn remove(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own("workflows", &id, MISSING).await?;
    ok(asked.remove("workflows", &id).await?)
}

async fn execute(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own("workflows", &id, MISSING).await?;
    let path = ["workflows", &id, "execute"];
    ok(asked.create(&path, asked.data.clone()).await?)
}

async fn executions(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own("workflows", &id, MISSING).await?;
    let query = asked.query.clone().into();
    ok(asked.find(&["workflows", &id, "executions"], query).await?)
}

async fn execution(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.own("executions", &id, NO_EXECUTION).await?)
}

async fn status(Path(id): Path<String>, asked: Asked) -> Outcome {
    seen(&id, "status", &asked).await
}

async fn timeline(Path(id): Path<String>, asked: Asked) -> Outcome {
    seen(&id, "timeline", &asked).await
}

async fn seen(id: &str, what: &str, asked: &Asked) -> Outcome {
    asked.own("executions", id, NO_EXECUTION).await?;
    ok(asked.find(&["executions", id, what], json!({})).await?)
}

async fn cancel(Path(id): Path<String>, asked: Asked) -> Outcome {
    asked.own("executions", &id, NO_EXECUTION).await?;
    let path = ["executions", &id, "cancel"];
    ok(asked.create(&path, json!({})).await?)
}
