//! The services: see the table in the module above.

use std::sync::Arc;

use entities::{workflow_executions, workflows};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, IntoIden, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    Workflows,
    definition::Definition,
    ending::Close,
    rows::{self, Execution, LISTED, WORKFLOWS},
    showing, storing,
};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Kind, Result},
    services::{Service, Services, reading::page, runs::insist, values::text},
    store::{Store, lane::Work},
};

/// Registers the services.
pub fn register(services: &mut Services, workflows: &Arc<Workflows>) {
    for (path, what) in [
        ("workflows", Path::All),
        ("workflows/validate", Path::Validate),
        ("workflows/:id/execute", Path::Execute),
        ("workflows/:id/executions", Path::Executions),
        ("executions", Path::One),
        ("executions/:id/status", Path::Status),
        ("executions/:id/timeline", Path::Timeline),
        ("executions/:id/cancel", Path::Cancel),
    ] {
        let workflows = Arc::clone(workflows);
        services.add(path, Route { workflows, what });
    }
}

/// The paths, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    All,
    Validate,
    Execute,
    Executions,
    One,
    Status,
    Timeline,
    Cancel,
}

/// A service.
struct Route {
    workflows: Arc<Workflows>,
    what: Path,
}

impl Service for Route {
    fn methods(&self) -> Vec<Method> {
        use Method::{Create, Find, Get, Patch, Remove};
        match self.what {
            Path::All => vec![Find, Get, Create, Patch, Remove],
            Path::Executions | Path::Status | Path::Timeline => vec![Find],
            Path::One => vec![Get],
            Path::Validate | Path::Execute | Path::Cancel => vec![Create],
        }
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match (self.what, &call.method) {
                (Path::All, Method::Find) => list(call, store).await,
                (Path::All, Method::Get) => one(call, store).await,
                (Path::All, _) => write(call, store).await,
                (Path::Validate, _) => validate(call),
                (Path::Execute, _) => self.execute(call, store).await,
                (Path::Executions, _) => executions(call, store).await,
                (Path::Cancel, _) => self.cancel(call, store).await,
                _ => self.look(call, store).await,
            };
            answer.map(Answer::from)
        })
    }
}

impl Route {
    async fn execute(&self, call: &Call, store: &Store) -> Result<Value> {
        let workflows = Arc::clone(&self.workflows);
        let how = (
            call.caller.identity.clone(),
            call.turn.clone(),
            store.clone(),
        );
        let id = json!(call.parameter("id"));
        let executing = workflows.execute(id, call.data.clone(), how);
        // What is stored is begun, whether or not the caller waits for the answer.
        let done = self.workflows.tracker.spawn(executing).await;
        done.map_err(|_| Error::general("The workflow could not be executed"))?
    }

    async fn cancel(&self, call: &Call, store: &Store) -> Result<Value> {
        let (workflows, by) = (Arc::clone(&self.workflows), call.caller.identity.clone());
        let (id, turn, store) = (
            call.parameter("id").to_owned(),
            call.turn.clone(),
            store.clone(),
        );
        let cancelling = async move {
            let ending = Arc::clone(&workflows);
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                ending.close(&id, &Close::Cancelled, work).await
            };
            let written = store.write(&turn, unit.clone()).await;
            // What could not be confirmed is tried again, whether or not the caller does.
            if written
                .as_ref()
                .is_err_and(|error| error.kind() == Kind::Unavailable)
            {
                let again = Arc::clone(&workflows);
                workflows.tracker.spawn(async move {
                    if let Ok((execution, _)) = insist(&again.stopping, &store, unit).await {
                        again.stop(execution.id());
                    }
                });
            }
            let (execution, _) = written?;
            workflows.stop(execution.id());
            Ok(execution)
        };
        // What is stored stops what runs, whether or not the caller waits for the answer.
        let done = self.workflows.tracker.spawn(cancelling).await;
        let execution: Execution =
            done.map_err(|_| Error::general("The execution could not be cancelled"))??;
        // Who comes second is answered the same.
        if execution.status() != "cancelled" {
            let text = format!("The execution is {} already", execution.status());
            return Err(Error::conflict(text));
        }
        Ok(json!({
            "status": "cancelled",
            "execution_id": execution.id(),
            "workflow_id": execution.text("workflow_id"),
            "message": "Workflow execution was cancelled",
        }))
    }

    async fn look(&self, call: &Call, store: &Store) -> Result<Value> {
        let (mut db, now) = (store.reader(), store.clock().now());
        let id = match &call.id {
            Some(id) => id.clone(),
            None => json!(call.parameter("id")),
        };
        let execution = rows::execution(&mut db, &id).await?;
        let runs = rows::runs(&mut db, execution.id()).await?;
        match self.what {
            Path::Status => showing::status(&execution, &runs, now),
            Path::Timeline => showing::timeline(&execution, &runs, now),
            _ => showing::whole(&execution, &runs, now),
        }
    }
}

/// What is wrong with a definition, if anything.
fn validate(call: &Call) -> Result<Value> {
    call.turn.pass();
    let (_, problems) = Definition::examine(&call.data)?;
    let is_valid = problems.is_empty();
    Ok(json!({"is_valid": is_valid, "errors": problems.list(), "warnings": []}))
}

async fn one(call: &Call, store: &Store) -> Result<Value> {
    let mut db = store.reader();
    let row = rows::workflow(&mut db, call.id.as_ref().unwrap_or(&Value::Null)).await?;
    showing::workflow(row, &mut db).await
}

async fn write(call: &Call, store: &Store) -> Result<Value> {
    let (by, method) = (call.caller.identity.clone(), call.method.clone());
    let (id, data) = (call.id.clone().unwrap_or_default(), call.data.clone());
    let unit = async move |work: &mut Work<'_>| {
        work.by = by;
        match method {
            Method::Create => storing::create(&data, work).await,
            Method::Patch => storing::patch(&id, &data, work).await,
            _ => storing::remove(&id, work).await,
        }
    };
    store.write(&call.turn, unit).await
}

/// Workflows: of a workspace, of a project, active or not.
async fn list(call: &Call, store: &Store) -> Result<Value> {
    let (skip, limit) = page(&call.query)?;
    let mut fits = Condition::all();
    for (name, column) in [
        ("workspace_id", workflows::Column::WorkspaceId),
        ("project_id", workflows::Column::ProjectId),
    ] {
        if let Some(value) = text(&call.query, name).filter(|text| !text.contains('\0')) {
            fits = fits.add(Expr::col(column).eq(value));
        }
    }
    let active = call.query.get("is_active").filter(|value| !value.is_null());
    if let Some(active) = active {
        let is_true = [json!(true), json!("true"), json!("1")].contains(active);
        fits = fits.add(Expr::col(workflows::Column::IsActive).eq(is_true));
    }
    let mut db = store.reader();
    let newest = |select: &mut SelectStatement| {
        newest(select, workflows::Column::CreatedAt, workflows::Column::Id);
    };
    let (found, total) = WORKFLOWS.page(fits, newest, (skip, limit), &mut db).await?;
    let items = showing::workflows(found, &mut db).await?;
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

/// A workflow's executions.
async fn executions(call: &Call, store: &Store) -> Result<Value> {
    use workflow_executions::Column::{ExecutionNumber, Id, Status, WorkflowId};
    let (skip, limit) = page(&call.query)?;
    let (mut db, now) = (store.reader(), store.clock().now());
    let workflow = rows::workflow(&mut db, &json!(call.parameter("id"))).await?;
    let own = text(&workflow, "id").unwrap_or_default();
    let name = workflow.get("name").cloned().unwrap_or_default();
    let mut fits = Condition::all().add(Expr::col(WorkflowId).eq(own));
    if let Some(status) = text(&call.query, "status").filter(|status| !status.is_empty()) {
        let known = [
            "pending",
            "running",
            "completed",
            "failed",
            "cancelled",
            "timeout",
        ];
        if !known.contains(&status) {
            return Err(Error::bad_request(format!("Invalid status: {status}")));
        }
        fits = fits.add(Expr::col(Status).eq(status));
    }
    let newest = |select: &mut SelectStatement| newest(select, ExecutionNumber, Id);
    let (found, total) = LISTED.page(fits, newest, (skip, limit), &mut db).await?;
    let items: Vec<_> = found
        .into_iter()
        .map(|row| {
            let mut shown = showing::execution(&Execution(row), now);
            shown.insert("workflow_name".to_owned(), name.clone());
            shown
        })
        .collect();
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

fn newest(select: &mut SelectStatement, by: impl IntoIden, id: impl IntoIden) {
    select
        .order_by(by.into_iden(), Order::Desc)
        .order_by(id.into_iden(), Order::Desc);
}
