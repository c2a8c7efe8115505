//! What tests of workflows share.

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::support::{rest::Rest, until};

/// A step that asks something of the echo agent.
pub(super) fn task(name: &str, prompt: &str, after: &[&str]) -> Value {
    let config = json!({"prompt": prompt});
    json!({"name": name, "step_type": "task", "config": config, "depends_on_steps": after})
}

/// Makes a workflow of these steps; its id.
pub(super) async fn make(rest: &Rest, steps: &Value) -> String {
    let data = json!({"name": "w", "steps": steps, "max_retries": 0});
    let workflow = rest.create("workflows", &data).await;
    workflow["id"].as_str().expect("an id").to_owned()
}

/// Executes a workflow; the execution's id.
pub(super) async fn execute(rest: &Rest, workflow: &str) -> String {
    let answer = rest
        .create(&format!("workflows/{workflow}/execute"), &json!({}))
        .await;
    assert_eq!(answer["status"], "submitted");
    answer["execution_id"].as_str().expect("an id").to_owned()
}

/// An execution.
pub(super) async fn look(rest: &Rest, execution: &str) -> Value {
    rest.get(&format!("/executions/{execution}")).await
}

/// Waits until an execution is over; it.
pub(super) async fn over(rest: &Rest, execution: &str) -> Value {
    let mut found = Value::Null;
    until("an execution's end", async || {
        found = look(rest, execution).await;
        found["status"] != "pending" && found["status"] != "running"
    })
    .await;
    found
}

/// Waits until a step is in a status.
pub(super) async fn step(rest: &Rest, execution: &str, name: &str, status: &str) {
    until(&format!("{name} is {status}"), async || {
        let found = look(rest, execution).await;
        let mut steps = found["step_executions"].as_array().into_iter().flatten();
        steps.any(|step| step["step_name"] == name && step["status"] == status)
    })
    .await;
}

/// Cancels an execution; the status of the answer.
pub(super) async fn cancel(rest: &Rest, execution: &str) -> u16 {
    let path = format!("/executions/{execution}/cancel");
    rest.send(Verb::POST, &path, Some(&json!({}))).await.0
}

/// What was told of an execution, in order: `name step`.
pub(super) async fn told(rest: &Rest, execution: &str) -> Vec<String> {
    let found = look(rest, execution).await;
    let steps = found["step_executions"].as_array().expect("a list").clone();
    let page = rest
        .get("/events?source=signals&$sort[seq]=1&$limit=1000")
        .await;
    let events = page["data"].as_array().expect("a list").iter();
    let about = |event: &Value, topic: &str| {
        let topics = event["topics"].as_array().expect("topics");
        topics.contains(&json!(topic))
    };
    events
        .filter(|event| about(event, &format!("execution:{execution}")))
        .map(|event| {
            let of = |step: &&Value| {
                let id = step["step_id"].as_str().unwrap_or_default();
                about(event, &format!("step:{id}"))
            };
            let name = steps.iter().find(of).map(|step| step["step_name"].clone());
            let name = name.unwrap_or_default();
            let name = name.as_str().unwrap_or_default();
            format!("{} {name}", event["name"].as_str().unwrap_or_default())
                .trim()
                .to_owned()
        })
        .collect()
}
