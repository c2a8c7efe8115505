//! `/api/workspaces`.

use std::sync::Arc;

use axum::{Router, extract::Path, routing::get};

use super::{Asked, Outcome, at, created, nothing_else, ok};
use crate::App;

pub(super) fn routes() -> Router<Arc<App>> {
    let routes = at([
        ("/api/workspaces", get(list).post(make)),
        ("/api/workspaces/{id}", get(read)),
    ]);
    nothing_else(routes, "/api/workspaces/{id}")
}

async fn list(asked: Asked) -> Outcome {
    // There is one at least.
    asked.workspace().await?;
    let query = asked.query.clone().into();
    ok(asked.find(&["workspaces"], query).await?)
}

async fn make(asked: Asked) -> Outcome {
    created(asked.create(&["workspaces"], asked.data.clone()).await?)
}

async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(asked.one(&["workspaces"], &id).await?)
}
