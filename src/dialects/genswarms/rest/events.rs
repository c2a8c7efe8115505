//! Events that are kept, newest first; with `after=<event id>` those behind it, oldest first.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{
    Asked, Outcome,
    answers::{items, ok, under},
};
use crate::{core::Record, error::Result};

/// What events are looked up by.
const FILTERS: [&str; 8] = [
    "level",
    "category",
    "swarm",
    "agent",
    "event_type",
    "minutes",
    "limit",
    "after",
];

pub(super) async fn of_all(asked: Asked) -> Outcome {
    let query = wanted(&asked);
    let events = found(&["swarms", "events"], &query, &asked).await?;
    ok(json!({"count": events.len(), "events": events, "query": query}))
}

pub(super) async fn of_swarm(Path(name): Path<String>, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "events"];
    let events = found(&path, &wanted(&asked), &asked).await?;
    ok(json!({"count": events.len(), "events": events, "swarm": name}))
}

pub(super) async fn of_agent(Path((name, agent)): Path<(String, String)>, asked: Asked) -> Outcome {
    asked.one(&["swarms", &name, "agents"], &agent).await?;
    let mut query = wanted(&asked);
    query.insert("agent".to_owned(), json!(agent));
    let events = found(&["swarms", &name, "events"], &query, &asked).await?;
    ok(json!({"count": events.len(), "events": events, "swarm": name, "agent": agent}))
}

/// What was passed from agent to agent.
pub(super) async fn messages(Path(name): Path<String>, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "messages"];
    let query = Value::Object(asked.query.clone());
    ok(under("messages", asked.find(&path, query).await?))
}

/// What is asked for, as far as it is known.
fn wanted(asked: &Asked) -> Record {
    let mut query = asked.query.clone();
    query.retain(|name, _| FILTERS.contains(&name.as_str()));
    query
}

async fn found(path: &[&str], query: &Record, asked: &Asked) -> Result<Vec<Value>> {
    let mut query = query.clone();
    query.retain(|_, value| value != "");
    // The dashboard's word.
    if query.get("category").is_some_and(|word| word == "router") {
        query.insert("category".to_owned(), json!("routing"));
    }
    asked.find(path, Value::Object(query)).await.map(items)
}
