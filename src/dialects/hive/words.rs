//! The log's events in Hive's words.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    super::runs::{Happening, happened, is_denied},
    filter::Filter,
};
use crate::{
    core::{event::Event, stamp::LogId},
    services::{agent_events, rules::MOVED, signals, swarms},
};

/// A frame; `seq` where stamps were asked for.
#[derive(Serialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<String>,
}

/// An agent's event, but for those that came as such.
#[derive(Serialize)]
struct AgentEvent<'a> {
    #[serde(rename = "type")]
    event_type: &'static str,
    stream_id: &'a str,
    execution_id: Option<&'a str>,
    data: &'a Value,
    timestamp: String,
    correlation_id: Option<&'a str>,
}

/// What an event says: a type and its data.
type Word = (&'static str, Value);

/// The stream that an event belongs to: the one that is named, else the swarm, else the workflow, else the
/// session, else the agent or workspace; `None` if it is about none of them.
pub(super) fn stream(event: &Event) -> Option<&str> {
    let kinds = [
        "stream",
        "swarm",
        "workflow",
        "session",
        "agent",
        "workspace",
    ];
    kinds.iter().find_map(|kind| event.topic(kind))
}

/// The execution that an event belongs to: a workflow's, else a task.
pub(super) fn execution(event: &Event) -> Option<&str> {
    event.topic("execution").or_else(|| event.topic("task"))
}

/// The types that an event may be told as: those of its frames are among them.
pub(super) fn types(event: &Event) -> &'static [&'static str] {
    const STATES: &[&str] = &["stream_started", "stream_stopped", "state_changed"];
    match (event.source.as_ref(), event.name.as_ref()) {
        (agent_events::SOURCE, name) => {
            let of = agent_events::TYPES.chunks(1);
            of.into_iter().find(|own| own[0] == name).unwrap_or(&[])
        }
        ("tasks", "removed") => &["execution_failed"],
        ("tasks", _) if event.topic(MOVED).is_some() => &[
            "execution_started",
            "execution_paused",
            "execution_resumed",
            "goal_progress",
            "goal_achieved",
            "execution_completed",
            "execution_failed",
        ],
        ("messages", "created") => &["custom"],
        (swarms::SOURCE, "swarm_started") => &["stream_started"],
        (swarms::SOURCE, "swarm_stopped") => &["stream_stopped"],
        (swarms::SOURCE, "agent_status") => STATES,
        (signals::SOURCE, name) => match name {
            "workflow_started" => &["execution_started"],
            "workflow_completed" => &["goal_achieved", "execution_completed"],
            "workflow_failed" | "workflow_cancelled" => &["execution_failed"],
            "step_completed" | "step_failed" => &["node_executed"],
            "step_started" | "step_skipped" => &[],
            "agent_status_changed" => STATES,
            "agent_context_updated" => &["state_changed"],
            _ => &["custom"],
        },
        _ => &[],
    }
}

/// The frames of an event as a listener sees it, as far as a filter wants them. The last has the stamp: who
/// comes back with it has had them all.
pub(super) fn frames(
    event: &Event,
    view: &RawValue,
    filter: &Filter,
    stamps: Option<&LogId>,
) -> Vec<String> {
    let mut events: Vec<_> = said(event, view)
        .into_iter()
        .filter(|(event_type, _)| filter.wants(event_type))
        .map(|(_, event)| event)
        .collect();
    let last = events.pop();
    let seq = stamps.map(|log| log.stamp(event.seq));
    let before = events.iter().map(|event| (event, None));
    before
        .chain(last.iter().map(|event| (event, seq.clone())))
        .filter_map(|(event, seq)| {
            let kind = "event";
            serde_json::to_string(&Frame { kind, event, seq }).ok()
        })
        .collect()
}

/// The agent's events that an event is, with their types.
fn said<'a>(event: &'a Event, view: &'a RawValue) -> Vec<(&'static str, Cow<'a, RawValue>)> {
    if event.source == agent_events::SOURCE {
        let event_type = types(event).first();
        return event_type
            .map(|own| (*own, Cow::Borrowed(view)))
            .into_iter()
            .collect();
    }
    let Some(stream) = stream(event) else {
        return Vec::new();
    };
    let execution = execution(event);
    let timestamp = event.at.to_string();
    let told: Value = serde_json::from_str(view.get()).unwrap_or_default();
    let say = |(event_type, mut data): Word| {
        data["stream_id"] = json!(stream);
        data["execution_id"] = json!(execution);
        let said = AgentEvent {
            event_type,
            stream_id: stream,
            execution_id: execution,
            data: &data,
            timestamp: timestamp.clone(),
            correlation_id: event.correlation_id.as_deref(),
        };
        Some((event_type, Cow::Owned(to_raw_value(&said).ok()?)))
    };
    words(event, told).into_iter().filter_map(say).collect()
}

fn words(event: &Event, told: Value) -> Vec<Word> {
    match (event.source.as_ref(), event.name.as_ref()) {
        ("tasks", _) => {
            let happened = happened(event, &told).iter();
            let said = |happening: &Happening| {
                let reached = (*happening == Happening::Completed)
                    .then(|| reached(&told["input"]["goal"]))
                    .flatten();
                reached.into_iter().chain([run(*happening, &told)])
            };
            happened.flat_map(said).collect()
        }
        ("messages", _) => vec![("custom", json!({"name": "message", "message": told}))],
        (swarms::SOURCE, "swarm_started") => vec![("stream_started", object(told))],
        (swarms::SOURCE, "swarm_stopped") => vec![("stream_stopped", object(told))],
        (swarms::SOURCE, _) => {
            vec![status(&told["state"], &Value::Null, &told["agent"])]
        }
        (signals::SOURCE, name) => {
            let reached = reached(&told["goal"]).filter(|_| name == "workflow_completed");
            let word = signal(name, told, event);
            reached.into_iter().chain(word).collect()
        }
        _ => Vec::new(),
    }
}

/// That a goal is reached, if one was set.
fn reached(goal: &Value) -> Option<Word> {
    let data = json!({"goal": goal, "final_status": "achieved"});
    (!goal.is_null()).then_some(("goal_achieved", data))
}

/// What happens to a run.
fn run(happening: Happening, task: &Value) -> Word {
    let node = &task["task_id"];
    let reason = || {
        let asked = &task["permission_request"];
        let said = ["reason", "description", "tool_name"].map(|name| &asked[name]);
        first(said, &json!("It waits for approval"))
    };
    let feedback = || task["permission_request"]["feedback"].clone();
    match happening {
        Happening::Started => {
            let prompt = first([&task["full_prompt"], &task["description"]], &json!(""));
            let input = match &task["input"] {
                Value::Object(input) => Value::Object(input.clone()),
                _ => json!({ "prompt": prompt }),
            };
            (
                "execution_started",
                json!({"input_data": input, "input": input}),
            )
        }
        Happening::Paused => {
            let request = &task["permission_request"];
            let data = json!({"node_id": node, "reason": reason(), "request": request});
            ("execution_paused", data)
        }
        Happening::Resumed | Happening::Rejected => {
            let is_rejected = happening == Happening::Rejected || is_denied(task);
            let decision = if is_rejected { "rejected" } else { "approved" };
            let data = json!({"node_id": node, "decision": decision, "feedback": feedback()});
            ("execution_resumed", data)
        }
        Happening::Progress => {
            let percent = task["progress_percent"].as_f64().unwrap_or(0.0);
            let status = json!({"message": task["progress_message"]});
            let progress = (percent / 100.0).clamp(0.0, 1.0);
            (
                "goal_progress",
                json!({"progress": progress, "criteria_status": status}),
            )
        }
        Happening::Completed => {
            let output = first([&task["output"], &task["report"]], &Value::Null);
            ("execution_completed", json!({ "output": output }))
        }
        Happening::Failed => {
            let error = first([&task["error"]], &json!("The task has failed"));
            ("execution_failed", json!({ "error": error }))
        }
        Happening::Cancelled => ("execution_failed", json!({"error": "cancelled"})),
    }
}

/// What no record says of itself; what it tells stays beside what Hive asks for.
fn signal(name: &str, told: Value, event: &Event) -> Option<Word> {
    let mut data = object(told);
    let event_type = match name {
        "workflow_started" => {
            let input = first([&data["input_variables"]], &json!({}));
            (data["input_data"], data["input"]) = (input.clone(), input);
            "execution_started"
        }
        "workflow_completed" => {
            data["output"] = data["results"].clone();
            "execution_completed"
        }
        "workflow_failed" => {
            data["error"] = first([&data["error_message"]], &json!("The workflow has failed"));
            "execution_failed"
        }
        "workflow_cancelled" => {
            data["error"] = json!("cancelled");
            "execution_failed"
        }
        "step_completed" | "step_failed" => return Some(node(name, data, event)),
        "step_started" | "step_skipped" => return None,
        "agent_status_changed" => {
            let agent = json!(event.topic("agent"));
            return Some(status(&data["status"], &data["previous_status"], &agent));
        }
        "agent_context_updated" => {
            for name in ["key", "old_value", "new_value"] {
                data[name] = data[name].take();
            }
            "state_changed"
        }
        _ => {
            data["name"] = json!(name);
            "custom"
        }
    };
    Some((event_type, data))
}

/// A step that is over: what it gave, or what went wrong.
fn node(name: &str, mut data: Value, event: &Event) -> Word {
    data["node_id"] = json!(event.topic("step"));
    if name == "step_completed" {
        data["status"] = json!("completed");
        data["output"] = data["output_data"].clone();
    } else {
        data["status"] = json!("failed");
        data["error"] = first([&data["error_message"]], &json!("The step has failed"));
    }
    ("node_executed", data)
}

/// An agent's status: that it is there, or is not there any more, or another.
fn status(status: &Value, old: &Value, agent: &Value) -> Word {
    let event_type = match status.as_str().unwrap_or_default() {
        "initializing" => "stream_started",
        "stopped" | "offline" | "terminated" => "stream_stopped",
        _ => "state_changed",
    };
    let data = json!({
        "key": "status",
        "old_value": old,
        "new_value": status,
        "scope": "agent",
        "agent": agent,
        "status": status,
    });
    (event_type, data)
}

/// The first that is something.
fn first<const N: usize>(values: [&Value; N], usual: &Value) -> Value {
    let found = values.into_iter().find(|value| !value.is_null());
    found.unwrap_or(usual).clone()
}

/// Data is an object.
fn object(told: Value) -> Value {
    match told {
        Value::Object(_) => told,
        Value::Null => json!({}),
        other => json!({ "value": other }),
    }
}
