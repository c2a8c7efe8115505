//! What tests of swarms share.

use reqwest::Method as Verb;
use serde_json::{Value, json};

use crate::support::{rest::Rest, until};

/// Makes a swarm of these agents and edges.
pub(super) async fn make(rest: &Rest, name: &str, agents: &Value, topology: &Value) {
    let config = json!({"name": name, "agents": agents, "topology": topology});
    let answer = rest.create("swarms", &json!({"config": config})).await;
    assert_eq!(answer, json!({"status": "created", "swarm_name": name}));
}

/// An agent that says back what it is told.
pub(super) fn echo(name: &str) -> Value {
    json!({"name": name, "backend": "echo"})
}

/// POST below a swarm; the answer.
pub(super) async fn tell(rest: &Rest, path: &str, body: &Value) -> Value {
    rest.create(&format!("swarms/{path}"), body).await
}

/// POST that is refused: its status and reason.
pub(super) async fn refused(rest: &Rest, path: &str, body: &Value) -> (u16, String) {
    let (status, answer) = rest.send(Verb::POST, &format!("/{path}"), Some(body)).await;
    let reason = answer["data"]["reason"].as_str().unwrap_or_default();
    (status, reason.to_owned())
}

/// GET below a swarm.
pub(super) async fn look(rest: &Rest, path: &str) -> Value {
    rest.get(&format!("/swarms/{path}")).await
}

/// Waits until an agent is in a state and nothing waits for it.
pub(super) async fn rests(rest: &Rest, swarm: &str, agent: &str, state: &str) {
    until(&format!("{agent} in state {state}"), async || {
        let agent = look(rest, &format!("{swarm}/agents/{agent}")).await;
        agent["state"] == state && agent["inbox_size"] == 0
    })
    .await;
}

/// Waits until a task is over; its record.
pub(super) async fn over(rest: &Rest, task: &Value) -> Value {
    let path = format!("/tasks/{}", task["task_id"].as_str().expect("an id"));
    let mut record = Value::Null;
    until("a task's end", async || {
        record = rest.get(&path).await;
        ["completed", "failed", "stopped"]
            .map(Value::from)
            .contains(&record["status"])
    })
    .await;
    record
}

/// The pushes so far, in order: `[name, data]`.
pub(super) async fn pushes(rest: &Rest, name: &str) -> Vec<Value> {
    let path = "/events?source=swarms&$sort[seq]=1&$limit=1000";
    let page = rest.get(&format!("{path}&swarm={name}")).await;
    let data = page["data"].as_array().expect("a list");
    data.iter()
        .map(|event| json!([event["name"], event["data"]]))
        .collect()
}
