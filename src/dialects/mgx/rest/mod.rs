//! `/api/workspaces`, `/api/tasks`, `/api/runs`, `/api/workflows` and `/api/agents`: MGX's REST.
//!
//! Each route makes calls on services and puts what they answer into MGX's forms. Every path is served with a
//! slash at its end and without. Source: docs/protocols/mgx.md, "REST".

mod agents;
mod answers;
mod runs;
mod tasks;
mod workflows;
mod workspaces;

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodRouter, any},
};

use self::answers::{Asked, Failure, Outcome, created, ok};
use crate::{
    App,
    core::{Record, call::Method},
    error::Error,
};

/// The routes.
pub(in crate::dialects) fn routes(app: &Arc<App>) -> Router {
    let parts = [
        workspaces::routes(),
        tasks::routes(),
        runs::routes(),
        workflows::routes(),
        agents::routes(),
    ];
    parts
        .into_iter()
        .fold(Router::new(), Router::merge)
        .method_not_allowed_fallback(not_allowed)
        .with_state(Arc::clone(app))
}

/// Adds routes at paths, with a slash at their ends and without.
fn at<const N: usize>(routes: [(&str, MethodRouter<Arc<App>>); N]) -> Router<Arc<App>> {
    let add = |router: Router<Arc<App>>, (path, methods): (&str, MethodRouter<Arc<App>>)| {
        router
            .route(path, methods.clone())
            .route(&format!("{path}/"), methods)
    };
    routes.into_iter().fold(Router::new(), add)
}

/// What is below a path and no route.
fn nothing_else(router: Router<Arc<App>>, path: &str) -> Router<Arc<App>> {
    router.route(&format!("{path}/{{*rest}}"), any(not_found))
}

async fn not_found() -> Failure {
    std::future::ready(Error::not_found("Not Found").into()).await
}

async fn not_allowed() -> Failure {
    std::future::ready(Error::method_not_allowed("Method Not Allowed").into()).await
}

impl Asked {
    /// Data with the workspace that is meant.
    async fn placed(&self, mut data: serde_json::Value) -> Result<serde_json::Value, Failure> {
        let workspace = self.workspace().await?;
        data["workspace_id"] = serde_json::json!(workspace.get("id"));
        Ok(data)
    }

    /// Changes something.
    async fn change(&self, service: &str, id: &str, data: serde_json::Value) -> Outcome {
        let (path, id) = ([service], serde_json::json!(id));
        let changed = self.call(&path, Method::Patch, |call| {
            call.id = Some(id);
            call.data = data;
        });
        ok(changed.await?)
    }

    /// Removes something.
    async fn remove(&self, service: &str, id: &str) -> Result<serde_json::Value, Failure> {
        let (path, id) = ([service], serde_json::json!(id));
        let removed = self.call(&path, Method::Remove, |call| call.id = Some(id));
        Ok(removed.await?)
    }

    /// The workspace that headers or parameters name; the default one, if none does.
    async fn workspace(&self) -> Result<Record, Failure> {
        let mut meant = Record::new();
        for (header, name) in [
            ("x-workspace-id", "workspace_id"),
            ("x-workspace-slug", "workspace_slug"),
        ] {
            let said = self.header(header).filter(|said| !said.is_empty());
            if let Some(said) = said.or_else(|| self.parameter(name)) {
                meant.insert(name.to_owned(), said.into());
            }
        }
        let found = self.find(&["workspaces", "current"], meant.into()).await?;
        match found {
            serde_json::Value::Object(workspace) => Ok(workspace),
            _ => Err(Error::not_found("Workspace not found").into()),
        }
    }

    /// Something of a service that is in the workspace that is meant.
    async fn own(
        &self,
        service: &str,
        id: &str,
        missing: &'static str,
    ) -> Result<serde_json::Value, Failure> {
        let workspace = self.workspace().await?;
        let found = self.one(&[service], id).await?;
        if Some(&found["workspace_id"]) == workspace.get("id") {
            return Ok(found);
        }
        Err(Error::not_found(missing).into())
    }
}
