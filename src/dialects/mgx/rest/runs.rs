//! `/api/runs`: tasks of sessions, as MGX has them.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{Asked, Failure, Outcome, at, created, nothing_else, ok, tasks};
use crate::{App, error::Error};

const SERVICE: &str = "assignment-runs";
const MISSING: &str = "Run not found";

/// The services that end a task, by the status that a run is to have.
const ENDS: [(&str, &str); 4] = [
    ("completed", "complete"),
    ("failed", "fail"),
    ("timeout", "fail"),
    ("cancelled", "cancel"),
];

/// Statuses of runs that are not over.
const OPEN: [&str; 2] = ["pending", "running"];

pub(super) fn routes() -> Router<Arc<App>> {
    let routes = at([
        ("/api/runs", get(list).post(begin)),
        (
            "/api/runs/{id}",
            get(read).patch(change).put(change).delete(remove),
        ),
        ("/api/runs/{id}/approve", post(approve)),
        ("/api/runs/{id}/logs", get(logs)),
    ]);
    nothing_else(routes, "/api/runs/{id}")
}

/// A run in MGX's words: what it is a run of is its task.
fn named(mut run: Value) -> Value {
    if let Some(run) = run.as_object_mut() {
        let fields = std::mem::take(run);
        let renamed = fields.into_iter().map(|(name, value)| match &*name {
            "assignment_id" => ("task_id".to_owned(), value),
            _ => (name, value),
        });
        run.extend(renamed);
    }
    run
}

/// A run in the workspace that is meant, and its id.
async fn own(asked: &Asked, id: &str) -> Result<(Value, String), Failure> {
    let run = asked.own(SERVICE, id, MISSING).await?;
    let id = run["id"].as_str().unwrap_or(id).to_owned();
    Ok((run, id))
}

async fn list(asked: Asked) -> Outcome {
    let mut query = asked.placed(asked.query.clone().into()).await?;
    query["assignment_id"] = query["task_id"].take();
    let mut page = asked.find(&[SERVICE], query).await?;
    if let Some(items) = page["items"].as_array_mut() {
        for run in items {
            *run = named(run.take());
        }
    }
    ok(page)
}

async fn begin(asked: Asked) -> Outcome {
    let mut data = asked.data.clone();
    let task = data["task_id"].take();
    if let Some(id) = task.as_str() {
        asked.own("assignments", id, tasks::MISSING).await?;
    }
    data["assignment_id"] = task;
    let begun = asked.create(&[SERVICE], data).await.map_err(|error| {
        let problems = error.errors().and_then(Value::as_array).cloned();
        let Some(problems) = problems else {
            return error;
        };
        // What was sent is named as it was sent.
        let named = |mut problem: Value| {
            if problem["loc"][0] == "assignment_id" {
                problem["loc"][0] = json!("task_id");
            }
            problem
        };
        let problems: Vec<_> = problems.into_iter().map(named).collect();
        error.with_errors(Value::Array(problems))
    });
    created(named(begun?))
}

async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    ok(named(own(&asked, &id).await?.0))
}

/// Ends a run as `?status=` or the body says.
async fn change(Path(id): Path<String>, asked: Asked) -> Outcome {
    let (run, id) = own(&asked, &id).await?;
    let status = asked.parameter("status");
    let status = status.or_else(|| asked.data["status"].as_str());
    let Some(status) = status else {
        let problem =
            json!({"type": "missing", "loc": ["query", "status"], "msg": "Field required"});
        let error = Error::unprocessable("status: Field required");
        return Err(error.with_errors(json!([problem])).into());
    };
    let current = run["status"].as_str().unwrap_or_default();
    if current == status {
        return ok(named(run));
    }
    let end = ENDS.iter().find(|(name, _)| *name == status);
    let Some((_, end)) = end else {
        return Err(match OPEN.contains(&status) {
            true => Error::conflict(format!("A run that is {current} cannot become {status}")),
            false => Error::bad_request(format!("Invalid status: {status}")),
        }
        .into());
    };
    if !OPEN.contains(&current) {
        let text = format!("The run is {current} already");
        return Err(Error::conflict(text).into());
    }
    let error = asked.data["error_message"].as_str();
    let why = error.unwrap_or("It took too long");
    let data = match status {
        "completed" => json!({"output": asked.data["results"]}),
        "failed" => json!({"error_reason": error}),
        "timeout" => json!({"error_reason": why}),
        _ => json!({"reason": error}),
    };
    asked.create(&["tasks", &id, end], data).await?;
    ok(named(own(&asked, &id).await?.0))
}

async fn remove(Path(id): Path<String>, asked: Asked) -> Outcome {
    let (_, id) = own(&asked, &id).await?;
    asked.remove("tasks", &id).await?;
    ok(json!({"status": "deleted", "run_id": id}))
}

async fn approve(Path(id): Path<String>, asked: Asked) -> Outcome {
    let (_, id) = own(&asked, &id).await?;
    let data = asked.data.clone();
    asked.create(&["tasks", &id, "approve"], data).await?;
    ok(named(own(&asked, &id).await?.0))
}

/// What was said in a run, in order.
async fn logs(Path(id): Path<String>, asked: Asked) -> Outcome {
    let (run, id) = own(&asked, &id).await?;
    let number = |name: &str, usual: u64| {
        let given = asked.parameter(name).and_then(|given| given.parse().ok());
        given.unwrap_or(usual)
    };
    let (skip, limit) = (number("skip", 0), number("limit", 100).clamp(1, 1_000));
    let query = json!({
        "session_id": run["assignment_id"],
        "task_id": id,
        "$sort": {"index": 1},
        "$skip": skip,
        "$limit": limit,
    });
    let found = asked.find(&["messages"], query).await?;
    let line = |message: &Value| {
        json!({
            "timestamp": message["timestamp"],
            "level": "info",
            "role": message["role"],
            "type": message["type"],
            "message": message["content_preview"],
            "content": message["content"],
        })
    };
    let items: Vec<_> = found["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(line)
        .collect();
    ok(json!({
        "run_id": id,
        "items": items,
        "total": found["total"],
        "skip": skip,
        "limit": limit,
    }))
}
