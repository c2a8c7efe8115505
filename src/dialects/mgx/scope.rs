//! What each of MGX's streams carries: the path says it, and for agents the query.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::core::event::Event;

/// What a stream carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Everything.
    All,
    /// What is about one thing: the kind of the log's topic, and how heartbeats name it, if they do.
    One {
        kind: &'static str,
        id: String,
        named: Option<&'static str>,
    },
    /// What is about agents.
    Agents {
        workspace: Option<String>,
        /// None for all of them.
        agents: Vec<String>,
    },
    /// What is about workflows.
    Workflows,
}

impl Scope {
    /// What the stream at a path below `/ws/` carries, `None` if there is none there.
    pub(super) fn parse(path: &str, query: &HashMap<String, String>) -> Option<Self> {
        let one = |kind, id: &str, named| {
            (!id.is_empty()).then(|| Self::One {
                kind,
                id: id.to_owned(),
                named,
            })
        };
        let parts: Vec<_> = path.split('/').collect();
        match parts[..] {
            ["stream"] => Some(Self::All),
            ["tasks", id] => one("session", id, None),
            ["runs", id] => one("task", id, None),
            ["agents", "stream"] => Some(Self::agents(query)),
            ["agents", id] => one("agent", id, Some("agent_id")),
            ["workflows", "stream"] => Some(Self::Workflows),
            ["workflows", "executions" | "steps"] => None,
            ["workflows", id] => one("workflow", id, Some("workflow_id")),
            ["workflows", "executions", id] => one("execution", id, Some("workflow_execution_id")),
            ["workflows", "steps", id] => one("step", id, Some("workflow_step_id")),
            _ => None,
        }
    }

    fn agents(query: &HashMap<String, String>) -> Self {
        let there = |id: &&str| !id.is_empty();
        let agents = query.get("agent_id").map_or("", String::as_str);
        let agents = agents.split(',').map(str::trim).filter(there);
        let workspace = query.get("workspace_id").map(|id| id.trim());
        Self::Agents {
            workspace: workspace.filter(there).map(str::to_owned),
            agents: agents.map(str::to_owned).collect(),
        }
    }

    /// Whether it carries an event.
    pub(super) fn carries(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::One { kind, id, .. } => event.topics_of(kind).any(|topic| topic == id),
            Self::Workflows => ["workflow", "execution", "step"]
                .iter()
                .any(|kind| event.topic(kind).is_some()),
            Self::Agents { workspace, agents } => {
                let about = || event.topics_of("agent");
                let there = workspace.as_deref();
                about().next().is_some()
                    && (agents.is_empty() || about().any(|id| agents.iter().any(|own| own == id)))
                    && there.is_none_or(|id| event.topic("workspace") == Some(id))
            }
        }
    }

    /// What heartbeats say of it.
    pub(super) fn heartbeat(&self, timestamp: f64) -> Value {
        let mut said = Map::new();
        said.insert("type".to_owned(), json!("heartbeat"));
        said.insert("timestamp".to_owned(), json!(timestamp));
        match self {
            Self::One {
                id,
                named: Some(named),
                ..
            } => {
                said.insert((*named).to_owned(), json!(id));
            }
            Self::Workflows => {
                said.insert("stream".to_owned(), json!("workflows"));
            }
            Self::Agents { workspace, agents } => {
                let of = |kind: &str, id: &String| format!("{kind}:{id}");
                let mut channels: Vec<_> = agents.iter().map(|id| of("agent", id)).collect();
                channels.extend(workspace.iter().map(|id| of("workspace", id)));
                if channels.is_empty() {
                    channels.push("agents".to_owned());
                }
                said.insert("channels".to_owned(), json!(channels));
            }
            Self::All | Self::One { .. } => {}
        }
        Value::Object(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, query: &[(&str, &str)]) -> Option<Scope> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Scope::parse(path, &query.iter().map(pair).collect())
    }

    #[test]
    fn paths_without_a_stream_are_none() {
        for path in [
            "",
            "nope",
            "tasks",
            "tasks/",
            "tasks/a/b",
            "runs/",
            "agents",
            "agents/",
            "workflows",
            "workflows/",
            "workflows/executions",
            "workflows/executions/",
            "workflows/steps",
            "workflows/steps/a/b",
        ] {
            assert_eq!(parse(path, &[]), None, "{path}");
        }
    }

    #[test]
    fn a_static_path_is_no_id() {
        assert_eq!(parse("workflows/stream", &[]), Some(Scope::Workflows));
        let all = Scope::Agents {
            workspace: None,
            agents: Vec::new(),
        };
        assert_eq!(parse("agents/stream", &[("agent_id", " , ")]), Some(all));
        let some = Scope::Agents {
            workspace: Some("w".to_owned()),
            agents: vec!["a1".to_owned(), "a2".to_owned()],
        };
        let query = [("agent_id", "a1, a2,"), ("workspace_id", "w")];
        assert_eq!(parse("agents/stream", &query), Some(some));
    }
}
