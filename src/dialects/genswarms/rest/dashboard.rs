//! What Genswarms' dashboard asks every few seconds: a swarm at a glance, and its agents' sessions.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Asked, Outcome,
    agents::told,
    answers::{Failure, items, ok},
};
use crate::{
    core::clock::Timestamp,
    error::{Error, Kind},
};

/// An error as the dashboard knows it.
pub(super) fn unseen(error: Error) -> Failure {
    match error.kind() {
        Kind::NotFound => {
            let told = json!({"error": "swarm_not_found"});
            Failure::saying(error, StatusCode::NOT_FOUND, told)
        }
        _ => error.into(),
    }
}

pub(super) async fn show(Path(name): Path<String>, asked: Asked) -> Outcome {
    let status = asked.one(&["swarms"], &name).await.map_err(unseen)?;
    let of_swarm = async |what| {
        let found = asked.find(&["swarms", &name, what], json!({})).await;
        found.map(items).map_err(unseen)
    };
    let (agents, topology) = (of_swarm("agents").await?, of_swarm("topology").await?);
    let now = asked.app.store.clock().now();
    let sessions: Vec<_> = agents.iter().map(|agent| session(&name, agent)).collect();
    let nodes: Vec<_> = agents.iter().map(node).collect();
    ok(json!({
        "swarm": name,
        "dashboard_title": name,
        "status": status["status"],
        "uptime_s": uptime(&status, now),
        "generated_at": now.to_string(),
        "data_source": "engine",
        "warnings": [],
        "summary": {
            "agents": agents.len(),
            "objects": 0,
            "sessions": sessions.len(),
            "pool": {"leased": 0, "size": 0},
        },
        "nodes": nodes,
        "edges": topology.iter().flat_map(edges).collect::<Vec<_>>(),
        "sessions": sessions,
        "extensions": {},
    }))
}

/// Whole seconds since a swarm was started; 0 while it is not up.
fn uptime(status: &Value, now: Timestamp) -> i64 {
    let is_up = ["starting", "running", "paused"].map(Value::from);
    let started = status["started_at"].as_str().and_then(Timestamp::parse);
    match started.filter(|_| is_up.contains(&status["status"])) {
        Some(started) => ((now.millis() - started.millis()) / 1_000).max(0),
        None => 0,
    }
}

fn node(agent: &Value) -> Value {
    json!({
        "name": agent["name"],
        "type": "agent",
        "state": agent["state"],
        "backend": agent["backend"],
    })
}

fn edges(of_one: &Value) -> Vec<Value> {
    let targets = of_one["targets"].as_array().into_iter().flatten();
    let edge = |to: &Value| json!({"from": of_one["from"], "to": to});
    targets.map(edge).collect()
}

fn session(swarm: &str, agent: &Value) -> Value {
    let name = agent["name"].as_str().unwrap_or_default();
    let state = if agent["state"] == "working" {
        "active"
    } else {
        "idle"
    };
    json!({
        "session_id": agent["session_id"],
        "label": format!("{swarm}/{name}"),
        "transport": "roost",
        "transport_ref": null,
        "user": null,
        "metadata": {},
        "last_activity": agent["last_activity"],
        "agent": name,
        "state": state,
    })
}

/// What was said in an agent's session: `history`, `logs` or `skills`.
pub(super) async fn of_session(
    Path((name, session, what)): Path<(String, String, String)>,
    asked: Asked,
) -> Outcome {
    let list = match what.as_str() {
        "history" => "turns",
        "logs" | "skills" => &what,
        _ => return Err(Failure::no_route()),
    };
    let path = ["swarms", &name, "agents"];
    let agents = asked.find(&path, json!({})).await.map_err(unseen)?;
    let agents = items(agents);
    let agent = agents.iter().find(|agent| agent["session_id"] == session);
    let Some(agent) = agent.and_then(|agent| agent["name"].as_str()) else {
        return ok(json!({"session_id": session, list: [], "source": "unavailable"}));
    };
    let told = told(&name, agent, &what, &asked).await?;
    ok(json!({"session_id": session, list: told, "source": "store"}))
}

/// Objects, of which there are none.
pub(super) async fn config(Path(name): Path<String>, asked: Asked) -> Outcome {
    asked.one(&["swarms"], &name).await.map_err(unseen)?;
    ok(json!({"swarm": name, "objects": [], "source": "engine"}))
}
