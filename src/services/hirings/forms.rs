//! Hirings, tasks and messages as Agrenting writes them.
//!
//! Source: docs/protocols/agrenting.md, "Forms".

use serde_json::{Map, Value, json};

use crate::{core::Record, services::values::text};

/// A task's status in Agrenting's words.
pub fn status(task: &Record) -> &'static str {
    match text(task, "status") {
        Some("created") | None => "pending",
        Some("completed") => "completed",
        Some("failed") => "failed",
        Some("stopped") => "cancelled",
        Some(_) => "in_progress",
    }
}

/// The statuses that one of Agrenting's words stands for; `None` if it is none of them.
pub fn statuses(word: &str) -> Option<&'static [&'static str]> {
    Some(match word {
        "pending" => &["created"],
        "in_progress" => &["running", "stopping", "awaiting_permission"],
        "completed" => &["completed"],
        "failed" => &["failed"],
        "cancelled" => &["stopped"],
        _ => return None,
    })
}

/// A task.
pub fn task(task: &Record) -> Value {
    let mut form = Form(Map::new());
    form.set("id", task.get("task_id"));
    form.0.insert("status".to_owned(), json!(status(task)));
    for name in [
        "client_agent_id",
        "provider_agent_id",
        "hiring_id",
        "session_id",
        "capability",
        "input",
    ] {
        form.set(name, task.get(name));
    }
    let output = task.get("output").filter(|output| !output.is_null());
    form.set("output", output.or_else(|| task.get("report")));
    form.set("error_reason", task.get("error"));
    for name in [
        "progress_percent",
        "progress_message",
        "created_at",
        "updated_at",
        "completed_at",
    ] {
        form.set(name, task.get(name));
    }
    Value::Object(form.0)
}

/// A hiring, and the agent if it is there.
pub fn hiring(hiring: &Record, agent: Option<&Record>) -> Value {
    let mut form = Form(Map::new());
    for (name, field) in [("id", "id"), ("hiring_id", "id"), ("status", "status")] {
        form.set(name, hiring.get(field));
    }
    let is_final = text(hiring, "status").is_some_and(is_final);
    form.0.insert("final".to_owned(), json!(is_final));
    form.set("agent_id", hiring.get("agent_id"));
    form.set("agent_did", agent.and_then(|agent| agent.get("did")));
    if let Some(agent) = agent {
        let mut short = Form(Map::new());
        for name in ["id", "did", "name", "capabilities", "base_price"] {
            short.set(name, agent.get(name));
        }
        form.0.insert("agent".to_owned(), Value::Object(short.0));
    }
    for name in [
        "client_agent_id",
        "session_id",
        "task_id",
        "price",
        "capability_requested",
        "task_description",
        "delivery_mode",
        "repo_url",
        "task_input",
        "task_output",
        "client_message",
        "failed_reason",
        "created_at",
        "updated_at",
        "started_at",
        "completed_at",
    ] {
        form.set(name, hiring.get(name));
    }
    Value::Object(form.0)
}

/// Whether a hiring of a status is over.
pub fn is_final(status: &str) -> bool {
    ["completed", "failed", "cancelled"].contains(&status)
}

/// A message in a task's session.
pub fn message(message: &Record) -> Value {
    let mut form = Form(Map::new());
    form.set("id", message.get("message_id"));
    form.set("task_id", message.get("task_id"));
    let sender = match text(message, "role") {
        Some("assistant") => "agent",
        Some("user") => "client",
        _ => "system",
    };
    form.0.insert("sender_type".to_owned(), json!(sender));
    let metadata = message.get("metadata").and_then(Value::as_object);
    let said = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    form.set("sender_agent_id", said("agent_id"));
    let usual = json!("text");
    form.set("message_type", said("message_type").or(Some(&usual)));
    form.set("content", message.get("content"));
    form.set("created_at", message.get("timestamp"));
    Value::Object(form.0)
}

/// An object without empty fields.
struct Form(Map<String, Value>);

impl Form {
    fn set(&mut self, name: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            self.0.insert(name.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_word_that_stands_for_it() {
        for own in [
            "created",
            "running",
            "stopping",
            "awaiting_permission",
            "completed",
            "failed",
            "stopped",
        ] {
            let task = Record::from_iter([("status".to_owned(), json!(own))]);
            let word = status(&task);
            assert!(statuses(word).is_some_and(|statuses| statuses.contains(&own)));
        }
        assert_eq!(statuses("running"), None);
    }

    #[test]
    fn a_task_that_only_has_a_report_tells_it() {
        let record = json!({"task_id": "t", "status": "completed", "report": "r", "output": null});
        let told = task(record.as_object().expect("an object"));
        assert_eq!(
            told,
            json!({"id": "t", "status": "completed", "output": "r"})
        );
    }
}
