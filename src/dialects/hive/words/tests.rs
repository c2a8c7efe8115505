//! Events that no record tells, in Hive's words.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::core::{
    clock::Timestamp,
    scope::{Audience, Topic},
    stamp::Seq,
};

fn told(name: &'static str, topics: &[(&str, &str)], data: &Value) -> Vec<Value> {
    let topics = topics.iter().map(|(kind, id)| Topic::new(kind, id));
    let draft = signals::draft(name, Audience::Everyone, topics, data, None).expect("JSON");
    let view = Arc::clone(&draft.views[0].data);
    let event = Event {
        seq: Seq(7),
        id: Uuid::nil(),
        at: Timestamp::parse("2026-01-01T00:00:00Z").expect("a time"),
        draft,
    };
    let types = types(&event);
    let frames = frames(&event, &view, &Filter::default(), None);
    let read =
        |frame: &String| serde_json::from_str::<Value>(frame).expect("JSON")["event"].clone();
    let events: Vec<_> = frames.iter().map(read).collect();
    let named = |event: &Value| types.iter().any(|own| event["type"] == *own);
    assert!(events.iter().all(named), "{name} is none of {types:?}");
    events
}

#[test]
fn a_workflow_is_a_stream_and_its_steps_are_nodes_each_told_once() {
    let own = [("workflow", "w"), ("execution", "x")];
    let step = [
        own[0],
        own[1],
        ("step", "n"),
        ("session", "s"),
        ("task", "t"),
    ];
    let ids = |event: &Value| (event["stream_id"].clone(), event["execution_id"].clone());
    let input = json!({"input_variables": {"a": 1}, "step_count": 2});
    let started = &told("workflow_started", &own, &input)[0];
    assert_eq!(started["data"]["input_data"], json!({"a": 1}));
    assert_eq!(started["data"]["step_count"], 2);
    let done = json!({"output_data": {"output": "Hi", "task_id": "t"}, "duration": 0.5});
    let failed = json!({"error_message": "no", "duration": 0.5});
    let mut types = Vec::new();
    for (name, topics, data) in [
        ("workflow_started", &own[..], json!({})),
        ("step_started", &step, json!({})),
        ("step_completed", &step, done.clone()),
        ("step_started", &step, json!({})),
        ("step_failed", &step, failed.clone()),
        ("step_skipped", &step, json!({"reason": "no"})),
        ("workflow_failed", &own, json!({"error_message": "no"})),
    ] {
        for event in told(name, topics, &data) {
            assert_eq!(ids(&event), (json!("w"), json!("x")), "{name}");
            assert_eq!(event["data"]["execution_id"], "x");
            types.push(event["type"].as_str().unwrap_or_default().to_owned());
        }
    }
    let node = "node_executed";
    assert_eq!(types, ["execution_started", node, node, "execution_failed"]);
    let node = |name, data: &Value| told(name, &step, data)[0]["data"].clone();
    let ids = json!({"node_id": "n", "stream_id": "w", "execution_id": "x"});
    let with = |told: &Value, more: Value| {
        let parts = [told, &ids, &more].map(|part| part.as_object().cloned().unwrap_or_default());
        Value::Object(parts.into_iter().flatten().collect())
    };
    let output = json!({"status": "completed", "output": {"output": "Hi", "task_id": "t"}});
    assert_eq!(node("step_completed", &done), with(&done, output));
    let error = json!({"status": "failed", "error": "no"});
    assert_eq!(node("step_failed", &failed), with(&failed, error));
}

#[test]
fn what_ends_an_execution_says_how() {
    let own = [("workflow", "w"), ("execution", "x")];
    let data = |name, data: Value| told(name, &own, &data)[0]["data"].clone();
    let results =
        json!({"step_outputs": {"plan": {"output": "Hi"}}, "step_statuses": {"plan": "completed"}});
    let told = json!({"results": results, "step_count": 1});
    assert_eq!(data("workflow_completed", told)["output"], results);
    assert_eq!(data("workflow_cancelled", json!({}))["error"], "cancelled");
    let told = json!({"error_message": "Step 'plan' failed: no", "error_type": "step_failed"});
    assert_eq!(
        data("workflow_failed", told)["error"],
        "Step 'plan' failed: no"
    );
}

#[test]
fn agents_are_there_or_not_or_otherwise() {
    let about = [("agent", "a"), ("workspace", "w")];
    for (status, expected) in [
        ("initializing", "stream_started"),
        ("busy", "state_changed"),
        ("offline", "stream_stopped"),
    ] {
        let data = json!({"status": status, "previous_status": "idle", "error": null});
        let event = &told("agent_status_changed", &about, &data)[0];
        let said = (
            &event["type"],
            &event["stream_id"],
            &event["data"]["new_value"],
        );
        assert_eq!(said, (&json!(expected), &json!("a"), &json!(status)));
        assert_eq!(event["data"]["old_value"], "idle");
    }
    let changed = &told(
        "agent_context_updated",
        &about,
        &json!({"key": "k", "new_value": 1}),
    )[0];
    let data = json!({"key": "k", "new_value": 1, "old_value": null, "stream_id": "a", "execution_id": null});
    assert_eq!(
        (&changed["type"], &changed["data"]),
        (&json!("state_changed"), &data)
    );
    let more = &told("git_branch_created", &about, &json!({"branch": "b"}))[0];
    assert_eq!(
        (&more["type"], &more["data"]["name"]),
        (&json!("custom"), &json!("git_branch_created"))
    );
}
