//! The log's events in MGX's words.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::super::runs::{Happening, happened, is_denied};
use crate::{
    core::{event::Event, stamp::LogId},
    services::{agent_events, rules::MOVED, runs::plans, signals},
};

/// The wire's event: eleven keys, always all of them; a twelfth where stamps were asked for.
#[derive(Serialize)]
struct Payload<'a> {
    event_type: &'a str,
    timestamp: String,
    workspace_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    task_id: Option<&'a str>,
    run_id: Option<&'a str>,
    workflow_id: Option<&'a str>,
    workflow_execution_id: Option<&'a str>,
    workflow_step_id: Option<&'a str>,
    data: &'a RawValue,
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<String>,
}

/// A part of an event that MGX has a word for.
struct Word<'a> {
    event_type: &'a str,
    data: Cow<'a, RawValue>,
    /// If it is not the event's.
    message: Option<String>,
}

impl<'a> Word<'a> {
    fn new(event_type: &'a str, data: &Value, message: Option<&str>) -> Self {
        Self {
            event_type,
            data: Cow::Owned(to_raw_value(data).unwrap_or_default()),
            message: message.map(str::to_owned),
        }
    }
}

/// The frames of an event as a listener sees it, none if MGX has no words for it. The last of them has the
/// stamp: who comes back with it has had them all.
pub(super) fn frames(event: &Event, view: &RawValue, stamps: Option<&LogId>) -> Vec<String> {
    let words = words(event, view);
    let last = words.len().saturating_sub(1);
    let frame = |(index, word): (usize, Word<'_>)| {
        let payload = Payload {
            event_type: word.event_type,
            timestamp: event.at.to_string(),
            workspace_id: event.topic("workspace"),
            agent_id: event.topic("agent"),
            task_id: event.topic("session"),
            run_id: event.topic("task"),
            workflow_id: event.topic("workflow"),
            workflow_execution_id: event.topic("execution"),
            workflow_step_id: event.topic("step"),
            data: &word.data,
            message: word.message.as_deref().or(event.message.as_deref()),
            seq: stamps
                .filter(|_| index == last)
                .map(|log| log.stamp(event.seq)),
        };
        serde_json::to_string(&payload).ok()
    };
    words.into_iter().enumerate().filter_map(frame).collect()
}

/// Whether MGX may have words for an event.
pub(super) fn known(event: &Event) -> bool {
    let messages = event.source == "messages" && event.name == "created";
    let swarms = event.source == "swarms" && event.name == "agent_status";
    let agents = event.source == agent_events::SOURCE && of_agent(&event.name).is_some();
    let moved = || event.topic(MOVED).is_some() || event.name == "removed";
    let tasks = event.source == "tasks" && moved();
    messages || swarms || agents || tasks || event.source == signals::SOURCE
}

/// The type of what an agent elsewhere told of its execution.
fn of_agent(name: &str) -> Option<&'static str> {
    let known = match name {
        "execution_started" => "workflow_started",
        "execution_completed" => "workflow_completed",
        "execution_failed" => "workflow_failed",
        "execution_paused" => "approval_required",
        "execution_resumed" => "approved",
        "node_executed" => "step_completed",
        "goal_progress" => "progress",
        "state_changed" => "agent_context_updated",
        _ => return None,
    };
    Some(known)
}

fn words<'a>(event: &'a Event, view: &'a RawValue) -> Vec<Word<'a>> {
    match (event.source.as_ref(), event.name.as_ref()) {
        ("messages", "created") => {
            let data = RawValue::from_string(format!(r#"{{"message":{}}}"#, view.get()));
            vec![Word {
                event_type: "agent_message",
                data: Cow::Owned(data.unwrap_or_default()),
                message: None,
            }]
        }
        (agent_events::SOURCE, name) => {
            let told: Value = serde_json::from_str(view.get()).unwrap_or_default();
            let word = |event_type| Word::new(event_type, &told["data"], None);
            of_agent(name).map(word).into_iter().collect()
        }
        (signals::SOURCE, name) => vec![Word {
            event_type: name,
            data: Cow::Borrowed(view),
            message: None,
        }],
        ("swarms", "agent_status") => {
            let told: Value = serde_json::from_str(view.get()).unwrap_or_default();
            let data = json!({"status": agent_status(&told["state"]), "agent": told["agent"]});
            vec![Word::new("agent_status_changed", &data, None)]
        }
        ("tasks", _) => {
            let task: Value = serde_json::from_str(view.get()).unwrap_or_default();
            let happened = happened(event, &task).iter();
            happened
                .flat_map(|happening| run(*happening, &task))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// A swarm agent's state in MGX's words.
fn agent_status(state: &Value) -> &'static str {
    match state.as_str().unwrap_or_default() {
        "initializing" => "initializing",
        "idle" => "idle",
        "working" => "busy",
        "error" => "error",
        _ => "offline",
    }
}

/// What happens to a run.
fn run(happening: Happening, task: &Value) -> Vec<Word<'static>> {
    let (error, said) = (&task["error"], &task["progress_message"]);
    let one = |event_type, data: Value, message| vec![Word::new(event_type, &data, Some(message))];
    match happening {
        Happening::Started => one("analysis_start", json!({}), "Starting task analysis"),
        Happening::Paused => [
            ("plan_ready", "The plan is ready"),
            ("approval_required", "The plan waits for approval"),
        ]
        .map(|(event_type, message)| Word::new(event_type, &plan(task), Some(message)))
        .into(),
        Happening::Resumed if !is_denied(task) => {
            one("approved", decision(task), "The plan is approved")
        }
        Happening::Resumed | Happening::Rejected => {
            one("rejected", decision(task), "The plan is rejected")
        }
        Happening::Progress => {
            let message = said.as_str().unwrap_or("The task goes on");
            one("progress", progress(task), message)
        }
        Happening::Completed => {
            let mut results = [&task["output"], &task["report"]].into_iter();
            let result = results.find(|result| !result.is_null());
            one(
                "completion",
                json!({ "result": result }),
                "The task is completed",
            )
        }
        Happening::Failed => {
            let message = error.as_str().unwrap_or("The task has failed");
            one("failure", json!({ "error": error }), message)
        }
        Happening::Cancelled => one(
            "cancelled",
            json!({ "error": error }),
            "The task was cancelled",
        ),
    }
}

fn progress(task: &Value) -> Value {
    json!({
        "step": null,
        "total_steps": null,
        "current_phase": task["progress_message"],
        "progress_percent": task["progress_percent"],
    })
}

/// What is to be approved: a plan, or what an agent asks for.
fn plan(task: &Value) -> Value {
    let request = &task["permission_request"];
    match plans::waiting(request) {
        Some(plan) => json!({ "plan": plan }),
        None => {
            let plan = json!({"steps": [], "estimated_time": null, "resources": []});
            json!({ "plan": plan, "request": request })
        }
    }
}

fn decision(task: &Value) -> Value {
    json!({ "feedback": task["permission_request"].get("feedback") })
}
