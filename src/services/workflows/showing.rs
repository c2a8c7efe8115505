//! What is answered of workflows and executions, in MGX's forms.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{
    definition::Step,
    plan::Status,
    rows::{self, Execution, StepRun, seconds},
};
use crate::{
    core::{Record, clock::Timestamp},
    error::Result,
    services::values::text,
    store::transaction::Reader,
};

/// Characters of what a step was told or gave that a timeline shows.
const SUMMARY: usize = 200;

/// A workflow with its steps.
pub(super) async fn workflow(record: Record, db: &mut dyn Reader) -> Result<Value> {
    let steps = rows::steps(db, text(&record, "id").unwrap_or_default()).await?;
    Ok(with_steps(record, steps))
}

/// Workflows with their steps, in their order.
pub(super) async fn workflows(records: Vec<Record>, db: &mut dyn Reader) -> Result<Vec<Value>> {
    let ids: Vec<_> = records.iter().filter_map(|row| text(row, "id")).collect();
    let mut all: HashMap<String, Vec<Record>> = HashMap::new();
    for step in rows::steps_of(db, &ids).await? {
        let of = text(&step, "workflow_id").unwrap_or_default().to_owned();
        all.entry(of).or_default().push(step);
    }
    let own = |record: Record| {
        let steps = all.remove(text(&record, "id").unwrap_or_default());
        with_steps(record, steps.unwrap_or_default())
    };
    Ok(records.into_iter().map(own).collect())
}

/// A workflow with its steps; those of groups stand in their group's `steps`.
fn with_steps(mut record: Record, steps: Vec<Record>) -> Value {
    let count = steps.len();
    let steps = nested(steps);
    record.shift_remove("created_by");
    record.insert("steps".to_owned(), Value::Array(steps));
    record.insert("step_count".to_owned(), json!(count));
    record.insert("project".to_owned(), Value::Null);
    Value::Object(record)
}

/// Steps, those of groups in their group.
fn nested(steps: Vec<Record>) -> Vec<Value> {
    let mut top = Vec::new();
    // A group stands before what is in it.
    for mut step in steps.into_iter().rev() {
        step.shift_remove("position");
        let id = step.get("id").cloned().unwrap_or_default();
        let (inside, others): (Vec<_>, Vec<_>) = top
            .into_iter()
            .partition(|other: &Value| other["parent_step_id"] == id);
        top = others;
        let kind = step.get("step_type").and_then(Value::as_str);
        if matches!(kind, Some("parallel" | "sequential")) {
            step.insert("steps".to_owned(), Value::Array(inside));
        }
        top.insert(0, Value::Object(step));
    }
    top
}

/// An execution without its steps.
pub(super) fn execution(execution: &Execution, now: Timestamp) -> Map<String, Value> {
    let mut shown = execution.0.clone();
    for hidden in ["definition", "variables", "created_by"] {
        shown.shift_remove(hidden);
    }
    shown.insert("workflow_name".to_owned(), json!(execution.name()));
    shown.insert("duration".to_owned(), duration(&execution.0, now));
    shown.insert("project_id".to_owned(), Value::Null);
    shown
}

/// An execution with its steps.
pub(super) fn whole(of: &Execution, runs: &[StepRun], now: Timestamp) -> Result<Value> {
    let steps = of.steps()?;
    let runs = runs.iter().filter_map(|run| {
        let step = steps.get(run.position())?;
        let mut shown = run.0.clone();
        for hidden in ["position", "execution_id", "agent_instance_id"] {
            shown.shift_remove(hidden);
        }
        shown.extend(named(step));
        shown.insert("duration".to_owned(), duration(&run.0, now));
        Some(Value::Object(shown))
    });
    let runs = runs.collect();
    let mut shown = execution(of, now);
    shown.insert("step_executions".to_owned(), Value::Array(runs));
    Ok(Value::Object(shown))
}

fn named(step: &Step) -> Map<String, Value> {
    let named = json!({
        "step_name": step.name,
        "step_type": step.step_type,
        "step_order": step.step_order,
        "agent_instance_id": step.agent_instance_id,
    });
    crate::services::values::as_record(named)
}

/// How far an execution is.
pub(super) fn status(of: &Execution, runs: &[StepRun], now: Timestamp) -> Result<Value> {
    let steps = of.steps()?;
    let current = runs.iter().filter(|run| run.status() == Status::Running);
    let current = current.filter_map(|run| Some(steps.get(run.position())?.name.as_str()));
    let current: Vec<_> = current.collect();
    let mut shown = json!({
        "execution_id": of.id(),
        "workflow_id": of.text("workflow_id"),
        "status": of.status(),
        "started_at": of.0.get("started_at"),
        "completed_at": of.0.get("completed_at"),
        "duration": duration(&of.0, now),
        "error_message": of.0.get("error_message"),
        "current_steps": current,
    });
    count(&mut shown, runs);
    Ok(shown)
}

/// What happened to an execution's steps, in the order in which they began.
pub(super) fn timeline(of: &Execution, runs: &[StepRun], now: Timestamp) -> Result<Value> {
    let steps = of.steps()?;
    let mut entries: Vec<_> = runs
        .iter()
        .filter_map(|run| {
            let step = steps.get(run.position())?;
            let at = |name: &str| run.0.get(name).cloned().unwrap_or_default();
            let mut entry = named(step);
            let more = json!({
                "step_id": step.id,
                "status": run.status().as_str(),
                "started_at": at("started_at"),
                "completed_at": at("completed_at"),
                "duration_seconds": duration(&run.0, now),
                "retry_count": run.retries(),
                "error_message": at("error_message"),
                "input_summary": summary(&at("input_data")),
                "output_summary": summary(&at("output_data")),
            });
            entry.extend(crate::services::values::as_record(more));
            Some(Value::Object(entry))
        })
        .collect();
    let began = |entry: &Value| entry["started_at"].as_str().map(str::to_owned);
    entries.sort_by_key(|entry| (began(entry).is_none(), began(entry)));
    let mut shown = json!({
        "execution_id": of.id(),
        "workflow_id": of.text("workflow_id"),
        "status": of.status(),
        "started_at": of.0.get("started_at"),
        "completed_at": of.0.get("completed_at"),
        "total_duration_seconds": duration(&of.0, now),
        "error_message": of.0.get("error_message"),
        "step_timeline": entries,
    });
    count(&mut shown, runs);
    Ok(shown)
}

fn count(shown: &mut Value, runs: &[StepRun]) {
    let count = |status: Status| runs.iter().filter(|run| run.status() == status).count();
    shown["step_count"] = json!(runs.len());
    for (name, status) in [
        ("completed_step_count", Status::Completed),
        ("failed_step_count", Status::Failed),
        ("skipped_step_count", Status::Skipped),
    ] {
        shown[name] = json!(count(status));
    }
}

/// An object whose long texts are cut.
fn summary(data: &Value) -> Value {
    let Some(object) = data.as_object() else {
        return Value::Null;
    };
    let cut = |value: &Value| match value {
        Value::String(text) => json!(text.chars().take(SUMMARY).collect::<String>()),
        Value::Object(_) | Value::Array(_) => {
            let text = value.to_string();
            if text.len() > SUMMARY {
                return json!(text.chars().take(SUMMARY).collect::<String>());
            }
            value.clone()
        }
        value => value.clone(),
    };
    let shown = object
        .iter()
        .map(|(name, value)| (name.clone(), cut(value)));
    Value::Object(shown.collect())
}

/// Seconds from beginning to end, or until now; null for what has not begun.
fn duration(record: &Record, now: Timestamp) -> Value {
    let at = |name: &str| record.get(name)?.as_str().and_then(Timestamp::parse);
    at("started_at").map_or(Value::Null, |began| {
        json!(seconds(Some(began), at("completed_at").unwrap_or(now)))
    })
}
