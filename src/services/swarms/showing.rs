//! Swarms and agents, as those who ask are shown them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Swarms,
    definition::Definition,
    routing::Topology,
    rows::{self, Member, Swarm},
};
use crate::{
    core::{Record, identity::Identity},
    error::Result,
    services::values::text,
    store::transaction::Reader,
};

impl Swarms {
    /// `{name, status, started_at, agent_count, object_count, agents, objects, board_id}`.
    pub(super) async fn summary(&self, swarm: &Swarm, db: &mut dyn Reader) -> Result<Value> {
        let count = rows::count(db, swarm.name()).await?;
        Ok(json!({
            "name": swarm.name(),
            "status": swarm.status(),
            "started_at": swarm.0.get("started_at"),
            "agent_count": count,
            "object_count": 0,
            "agents": count,
            "objects": 0,
            "board_id": swarm.board(),
        }))
    }

    /// The status map, and `board_id`.
    pub(super) async fn status(&self, swarm: &Swarm, db: &mut dyn Reader) -> Result<Value> {
        let members = rows::members(db, swarm.name()).await?;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for member in &members {
            *counts.entry(member.state()).or_default() += 1;
        }
        let agents: Vec<_> = members
            .iter()
            .map(|member| {
                json!({
                    "name": member.name(),
                    "pid": pid(member),
                    "state": member.state(),
                })
            })
            .collect();
        Ok(json!({
            "name": swarm.name(),
            "status": swarm.status(),
            "started_at": swarm.0.get("started_at"),
            "config_path": swarm.0.get("config_path"),
            "agents": agents,
            "objects": [],
            "agent_counts": counts,
            "config": {
                "agent_count": members.len(),
                "object_count": 0,
                "topology_edges": swarm.topology()?.edges().count(),
            },
            "board_id": swarm.board(),
        }))
    }

    /// An agent's status, as somebody sees it.
    pub(super) async fn agent(
        &self,
        swarm: &Swarm,
        member: &Member,
        by: &Identity,
        db: &mut dyn Reader,
    ) -> Result<Value> {
        let spec = member.spec()?;
        let of_session = json!({"session_id": member.session()});
        let of_session = of_session.as_object().cloned().unwrap_or_default();
        let key = (swarm.name().to_owned(), member.name().to_owned());
        let process = self
            .live()
            .get(&key)
            .and_then(super::worker::Worker::process);
        Ok(json!({
            "name": member.name(),
            "swarm_name": swarm.name(),
            "state": member.state(),
            "backend": spec.backend,
            "inbox_size": rows::waiting(db, swarm.name(), member.name()).await?,
            "message_count": self.messages.count(&of_session, by, db).await?,
            "skills": spec.skills,
            "started_at": member.0.get("started_at"),
            "last_activity": member.0.get("last_activity"),
            "model": spec.model,
            "endpoint": spec.endpoint,
            "presets": spec.presets,
            "config": spec.config,
            "group": spec.group,
            "session_id": member.session(),
            "process_id": process,
        }))
    }

    /// What an agent was told and said, newest first: `{type: task|incoming|outgoing, content, from?, to?,
    /// message_type?, timestamp}`.
    pub(super) async fn history(
        &self,
        member: &Member,
        by: &Identity,
        limit: u64,
        db: &mut dyn Reader,
    ) -> Result<Vec<Value>> {
        let mut history = Vec::new();
        for message in self.spoken(member, by, limit, db).await? {
            let at = |name: &str| message.get(name).unwrap_or(&Value::Null);
            let (metadata, timestamp) = (at("metadata"), at("timestamp"));
            if text(&message, "role") == Some("user") {
                let kind = if metadata["kind"] == "task" {
                    "task"
                } else {
                    "incoming"
                };
                history.push(json!({
                    "type": kind,
                    "content": at("content"),
                    "from": metadata["from"],
                    "timestamp": timestamp,
                }));
                continue;
            }
            let sent = metadata["messages"].as_array().into_iter().flatten();
            history.extend(sent.rev().map(|sent| {
                json!({
                    "type": "outgoing",
                    "content": sent["content"],
                    "to": sent["to"],
                    "message_type": sent["type"],
                    "timestamp": timestamp,
                })
            }));
        }
        history.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(history)
    }

    /// What was said in an agent's session, newest first: `{session_id, timestamp, role, content}`.
    pub(super) async fn logs(
        &self,
        member: &Member,
        by: &Identity,
        limit: u64,
        db: &mut dyn Reader,
    ) -> Result<Vec<Value>> {
        let messages = self.spoken(member, by, limit, db).await?;
        let shown = messages.iter().map(|message| {
            let at = |name: &str| message.get(name).unwrap_or(&Value::Null);
            json!({
                "session_id": at("session_id"),
                "timestamp": at("timestamp"),
                "role": at("role"),
                "content": at("content"),
            })
        });
        Ok(shown.collect())
    }

    /// The newest messages of an agent's session, as far as somebody sees them.
    async fn spoken(
        &self,
        member: &Member,
        by: &Identity,
        limit: u64,
        db: &mut dyn Reader,
    ) -> Result<Vec<Record>> {
        let query = json!({
            "session_id": member.session(),
            "$sort": {"index": -1},
            "$limit": limit,
        });
        let query = query.as_object().cloned().unwrap_or_default();
        self.messages.matching(&query, by, db).await
    }
}

/// What stands for a process where Erlang has one; it is the agent's place, and means nothing more.
fn pid(member: &Member) -> String {
    let place = member.0.get("position").and_then(Value::as_u64);
    format!("#PID<0.{}.0>", place.unwrap_or_default() + 1)
}

/// An agent's skills: `[{name, content, path}]`. Files are not read: a definition may name any.
pub(super) fn skills(member: &Member) -> Result<Vec<Value>> {
    let spec = member.spec()?;
    let shown = |skill: &Value| match skill.as_str() {
        Some(path) => {
            let name = std::path::Path::new(path).file_stem();
            let name = name.map(|name| name.to_string_lossy());
            json!({"name": name, "content": null, "path": path})
        }
        None => json!({"name": skill["name"], "content": skill["content"], "path": null}),
    };
    Ok(spec.skills.iter().map(shown).collect())
}

/// What a definition says, as `validate` answers it.
pub(super) fn outline(definition: &Definition) -> Value {
    let agents: Vec<_> = definition
        .agents
        .iter()
        .map(|spec| {
            json!({
                "name": spec.name,
                "backend": spec.backend,
                "skills": spec.skills,
                "model": spec.model,
            })
        })
        .collect();
    json!({
        "name": definition.name,
        "agent_count": definition.agents.len(),
        "object_count": 0,
        "topology_edges": definition.topology.edges().count(),
        "agents": agents,
        "objects": [],
        "topology": edges(&definition.topology),
    })
}

fn edges(topology: &Topology) -> Vec<Value> {
    let edges = topology.edges();
    edges
        .map(|(from, to)| json!({"from": from, "to": to}))
        .collect()
}
