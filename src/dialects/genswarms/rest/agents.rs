//! `/api/swarms/:name/agents`: added, given tasks, scaled, removed; what they were told and said.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Asked, Outcome,
    answers::{Failure, created, ok, under},
    missing,
};
use crate::{core::call::Method, error::Error};

type OfAgent = Path<(String, String)>;

pub(super) async fn list(Path(name): Path<String>, asked: Asked) -> Outcome {
    let agents = asked.find(&["swarms", &name, "agents"], json!({})).await?;
    ok(json!({"swarm": name, "agents": agents}))
}

pub(super) async fn read(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    ok(asked.one(&["swarms", &name, "agents"], &agent).await?)
}

pub(super) async fn add(Path(name): Path<String>, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "agents"];
    let added = asked.create(&path, asked.data.clone()).await;
    created(added.map_err(missing::or_not_offered)?)
}

pub(super) async fn remove(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    let (path, id) = (["swarms", &name, "agents"], json!(agent));
    let removed = asked.call(&path, Method::Remove, |call| call.id = Some(id));
    ok(removed.await?)
}

/// Gives an agent a task; why it takes none is a word, such as `inbox_full`.
pub(super) async fn task(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "agents", &agent, "task"];
    let sent = asked.create(&path, asked.data.clone()).await;
    ok(sent.map_err(|error| match refusal(&error) {
        Some(word) => {
            let told = json!({"error": word, "message": error.message()});
            Failure::saying(error, StatusCode::BAD_REQUEST, told)
        }
        None => error.into(),
    })?)
}

/// The word for why a task is not taken.
fn refusal(error: &Error) -> Option<String> {
    let reason = error.data()?["reason"].as_str()?;
    let word = reason.strip_prefix(':')?;
    let known = ["agent_error", "agent_stopped", "inbox_full"];
    known.contains(&word).then(|| word.to_owned())
}

pub(super) async fn restart(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "agents", &agent, "restart"];
    ok(asked.create(&path, json!({})).await?)
}

pub(super) async fn scale(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    let path = ["swarms", &name, "agents", &agent, "scale"];
    ok(asked.create(&path, asked.data.clone()).await?)
}

pub(super) async fn history(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    ok(under(
        "history",
        told(&name, &agent, "history", &asked).await?,
    ))
}

pub(super) async fn logs(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    ok(under("logs", told(&name, &agent, "logs", &asked).await?))
}

pub(super) async fn skills(Path((name, agent)): OfAgent, asked: Asked) -> Outcome {
    ok(under(
        "skills",
        told(&name, &agent, "skills", &asked).await?,
    ))
}

/// What is told of an agent: its `history`, `logs` or `skills`.
pub(super) async fn told(
    name: &str,
    agent: &str,
    what: &str,
    asked: &Asked,
) -> Result<Value, Failure> {
    let path = ["swarms", name, "agents", agent, what];
    let query = Value::Object(asked.query.clone());
    Ok(asked.find(&path, query).await?)
}

/// Gives an agent a skill.
pub(super) async fn learn(
    Path((name, agent, skill)): Path<(String, String, String)>,
    asked: Asked,
) -> Outcome {
    let path = ["swarms", &name, "agents", &agent, "skills"];
    let data = json!({"name": skill, "content": asked.data["content"]});
    ok(asked.create(&path, data).await?)
}
