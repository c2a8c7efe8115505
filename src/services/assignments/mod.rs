//! Assignments: sessions as pieces of work that are run again and again, each run with a plan that people
//! approve.
//!
//! Every session is an assignment, whoever made it: what was never said of it has its usual value, and it is
//! in the workspace `default`. Every task of a session is a run of it. So nothing is kept twice: the name is
//! the session's title, and the run's story the task's.
//!
//! # Services
//! Pages are `{items, total, skip, limit}` with `?skip=0&limit=10`, the newest first. What cannot be read is
//! `Unprocessable`, with `errors: [{type, loc, msg}]`. Who may see a session sees its assignment.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `assignments` | `find ?workspace_id&status` | a page |
//! | | `get(id)` | `{id, workspace_id, project_id, name, description, config, status, workspace, project, max_rounds, max_revision_rounds, memory_size, run_branch_prefix, commit_template, total_runs, successful_runs, failed_runs, success_rate, last_run_at, last_run_duration, last_error, created_at, updated_at}` |
//! | | `create {name, description?, project_id?, config?, max_rounds?, …, workspace_id?}` | the same: a session is made |
//! | | `patch(id, …)` | the same |
//! | `assignment-runs` | `find ?assignment_id&status&workspace_id` | a page |
//! | | `get(id)` | `{id, workspace_id, project_id, assignment_id, run_number, status, workspace, project, plan, approval, results, started_at, completed_at, duration, error_message, …, created_at, updated_at}` |
//! | | `create {assignment_id, auto_approve?, stream_id?}` | the same: the description is asked of the session's agent |
//!
//! A run makes a plan first and waits for `tasks/:id/approve` ([`super::runs`]), unless the assignment's
//! `config.auto_approve` or the call's `auto_approve` is true. Removing is removing the session or the task.

mod rows;
mod runs;
mod settings;

use std::sync::Arc;

use entities::sessions;
use sea_orm::{Order, sea_query::SelectStatement};
use serde_json::{Value, json};

use self::{
    rows::{Status, fits, shown},
    settings::Settings,
};
use super::{
    Service, Services,
    reading::page,
    records::Records,
    runs::Runs,
    values::{as_record, text},
    workspaces,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work},
};

/// Registers the services.
pub fn register(services: &mut Services, [sessions, tasks]: [&Records; 2], runs: &Arc<Runs>) {
    let sessions = sessions.clone();
    let of_runs = runs::Assigned {
        sessions: sessions.clone(),
        tasks: tasks.clone(),
        runs: Arc::clone(runs),
    };
    services.add("assignment-runs", of_runs);
    services.add("assignments", Assignments { sessions });
}

struct Assignments {
    sessions: Records,
}

impl Service for Assignments {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Get, Method::Create, Method::Patch]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match call.method {
                Method::Find => list(call, store).await,
                Method::Get => {
                    let (mut db, by) = (store.reader(), &call.caller.identity);
                    let id = call.id.as_ref().and_then(Value::as_str).unwrap_or_default();
                    let session = self.sessions.read(&mut db, id, by).await;
                    shown(session.map_err(missing)?, &mut db).await
                }
                _ => self.write(call, store).await,
            };
            answer.map(Answer::from)
        })
    }
}

impl Assignments {
    async fn write(&self, call: &Call, store: &Store) -> Result<Value> {
        let (by, data) = (call.caller.identity.clone(), call.data.clone());
        let id = call.id.as_ref().and_then(Value::as_str).map(str::to_owned);
        let sessions = self.sessions.clone();
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let session = match &id {
                None => create(&sessions, &data, work).await?,
                Some(id) => patch(&sessions, id, &data, work).await?,
            };
            shown(as_record(session), work.tx).await
        };
        store.write(&call.turn, unit).await
    }
}

/// Makes a session, and says what it is for.
async fn create(sessions: &Records, data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let settings = Settings::read(data, None)?;
    let workspace = workspaces::of(data, work).await?;
    let session = json!({
        "title": settings.name,
        "description": settings.description,
        "created_by": work.by.user_id(),
    });
    let session = sessions.create(session, work).await?;
    let id = session["session_id"].as_str().unwrap_or_default();
    rows::put(id, &settings, &workspace, work).await?;
    Ok(session)
}

/// Says something else of what a session is for.
async fn patch(sessions: &Records, id: &str, data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let session = sessions.read(work.tx, id, &work.by).await;
    let session = session.map_err(missing)?;
    let id = text(&session, "session_id").unwrap_or_default();
    let row = rows::of(&[id], work.tx).await?.pop();
    let settings = Settings::read(data, Some((&session, row.as_ref())))?;
    let place = row.as_ref().map_or(
        Value::Null,
        |row| json!({"workspace_id": row.get("workspace_id")}),
    );
    let workspace = workspaces::of(&place, work).await?;
    rows::put(id, &settings, &workspace, work).await?;
    let mut changes = Record::new();
    for (name, field, value) in [
        ("name", "title", json!(settings.name)),
        ("description", "description", json!(settings.description)),
    ] {
        if data.get(name).is_some() {
            changes.insert(field.to_owned(), value);
        }
    }
    // Nobody need hear of what only an assignment has.
    if changes.is_empty() {
        return Ok(Value::Object(session));
    }
    sessions.patch(id, Value::Object(changes), work).await
}

async fn list(call: &Call, store: &Store) -> Result<Value> {
    let (skip, limit) = page(&call.query)?;
    let (mut db, by) = (store.reader(), &call.caller.identity);
    let mut fits = fits(&call.query, by, &mut db).await?;
    if let Some(status) = Status::asked(&call.query)? {
        fits = fits.add(status.of_last_run());
    }
    let newest = |select: &mut SelectStatement| {
        select
            .order_by(sessions::Column::CreatedAt, Order::Desc)
            .order_by(sessions::Column::SessionId, Order::Desc);
    };
    let (found, total) = rows::SESSIONS
        .page(fits, newest, (skip, limit), &mut db)
        .await?;
    let items = rows::all_shown(found, &mut db).await?;
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

/// What is said of a session that is not there.
fn missing(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => Error::not_found("Task not found"),
        _ => error,
    }
}

/// Says in which workspace a session is, unless that was said before.
///
/// # Errors
/// If the database fails.
pub(super) async fn place(session: &str, workspace: &str, work: &mut Work<'_>) -> Result<()> {
    if rows::of(&[session], work.tx).await?.is_empty() {
        let workspace = as_record(json!({"id": workspace}));
        rows::put(session, &Settings::default(), &workspace, work).await?;
    }
    Ok(())
}
