//! A daemon where agents are hired.

use roost::core::{call::Method, identity::Identity};
use serde_json::{Value, json};

use super::{
    callers::{ann_and_bob, call, made, with_key},
    daemon::Daemon,
    databases::Fresh,
};

/// A daemon with two users, and an agent of nobody's: who it is, and its id.
pub async fn market(database: &Fresh) -> (Daemon, [Identity; 2], Identity, String) {
    let daemon = Daemon::start(database).await;
    let people = ann_and_bob(&daemon).await;
    let agent = json!({"name": "Writer", "did": "did:example:writer", "base_price": "25"});
    let agent = made(&daemon, &Identity::Owner, "agents/register", agent).await;
    let itself = with_key(&daemon, &agent["api_key"])
        .await
        .expect("a good key");
    let id = agent["agent"]["id"].as_str().expect("an id").to_owned();
    (daemon, people, itself, id)
}

pub fn poem() -> Value {
    json!({"agent_did": "did:example:writer", "task_description": "A poem", "task_input": {"about": "rain"}})
}

pub async fn get(daemon: &Daemon, by: &Identity, path: &str) -> Value {
    let got = call(daemon, by, Method::Get, path, Value::Null).await;
    got.expect("a record")
}

pub async fn find(daemon: &Daemon, by: &Identity, path: &str) -> Value {
    let found = call(daemon, by, Method::Find, path, Value::Null).await;
    found.expect("records")
}

/// What was told, by name and to whom, oldest first.
pub async fn told(daemon: &Daemon) -> Vec<(String, Vec<String>)> {
    let events = find(daemon, &Identity::Owner, "events").await;
    let mut told: Vec<_> = events["data"]
        .as_array()
        .expect("events")
        .iter()
        .filter(|event| event["source"] == "inbox")
        .map(|event| {
            let topics = event["topics"].as_array().expect("topics").iter();
            let to = topics.filter_map(Value::as_str).filter_map(|topic| {
                let (kind, _) = topic.split_once(':')?;
                ["agent", "user"].contains(&kind).then(|| kind.to_owned())
            });
            let name = event["name"].as_str().expect("a name").to_owned();
            (
                event["seq"].as_str().expect("a stamp").to_owned(),
                name,
                to.collect(),
            )
        })
        .collect();
    told.sort_by_key(|(seq, ..): &(String, _, Vec<String>)| {
        let (_, seq) = seq.rsplit_once('-').expect("a stamp");
        seq.parse::<u64>().expect("a number")
    });
    told.into_iter().map(|(_, name, to)| (name, to)).collect()
}

pub fn names(told: &[(String, Vec<String>)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}
