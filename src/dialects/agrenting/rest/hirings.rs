//! `/hirings`: looked at, talked about, cancelled, tried again.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{
    Outcome, agents,
    asked::{Asked, records},
    envelope::Reply,
    pages::{limit, number},
    tasks,
};
use crate::{
    core::Record,
    error::{Error, Result},
    services::hirings::forms,
};

/// Messages that are told with a hiring.
const TOLD: u64 = 100;

pub(super) async fn list(asked: Asked) -> Outcome {
    let (limit, page) = (limit(&asked)?, number(&asked, "page", 1)?);
    let skip = (page - 1).saturating_mul(limit);
    let sort = json!({"created_at": -1, "id": -1});
    let mut query = json!({"$limit": limit, "$skip": skip, "$sort": sort});
    if let Some(status) = asked.parameter("status") {
        query["status"] = json!(status);
    }
    let mut found = asked.find(&["hirings"], query).await?;
    let total = found["total"].take();
    let mut hirings = Vec::new();
    for hiring in records(found) {
        hirings.push(form(&hiring, &asked).await?);
    }
    let pages = total.as_u64().unwrap_or_default().div_ceil(limit);
    Ok(Reply::ok(json!({
        "hirings": hirings,
        "total": total,
        "page": page,
        "per_page": limit,
        "total_pages": pages,
    })))
}

/// The hiring with what was said and made, and what was asked and not answered.
pub(super) async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    let hiring = asked.get("hirings", &id).await?;
    let mut told = form(&hiring, &asked).await?;
    let said =
        json!({"session_id": hiring.get("session_id"), "$sort": {"index": -1}, "$limit": TOLD});
    let mut said = asked.records(&["messages"], said).await?;
    said.reverse();
    let messages: Vec<_> = said.iter().map(forms::message).collect();
    told["open_questions"] = open_questions(&messages);
    told["messages"] = Value::Array(messages);
    let task = hiring.get("task_id").and_then(Value::as_str);
    told["artifacts"] = tasks::artifacts_of(task.unwrap_or_default(), &asked).await?;
    Ok(Reply::ok(told))
}

/// What the agent asked since the client last said something.
fn open_questions(messages: &[Value]) -> Value {
    let since = messages
        .iter()
        .rposition(|message| message["sender_type"] == "client");
    let since = since.map_or(0, |place| place + 1);
    messages[since..]
        .iter()
        .filter(|message| message["message_type"] == "question")
        .cloned()
        .collect()
}

/// A hiring in its form, with its agent as far as it is there.
async fn form(hiring: &Record, asked: &Asked) -> Result<Value> {
    let id = hiring.get("agent_id").and_then(Value::as_str);
    let agent = agents::agent(asked, id.unwrap_or_default()).await;
    let agent = match agent {
        Ok(agent) => Some(agent),
        Err(error) if error.kind().status() < 500 => None,
        Err(error) => return Err(error),
    };
    Ok(forms::hiring(hiring, agent.as_ref()))
}

pub(super) async fn messages(Path(id): Path<String>, asked: Asked) -> Outcome {
    let hiring = asked.get("hirings", &id).await?;
    tasks::messages_of(hiring.get("session_id"), &asked).await
}

pub(super) async fn say(Path(id): Path<String>, asked: Asked) -> Outcome {
    tasks::say_at(&["hirings", &id, "messages"], &asked).await
}

pub(super) async fn artifacts(Path(id): Path<String>, asked: Asked) -> Outcome {
    let hiring = asked.get("hirings", &id).await?;
    let task = hiring.get("task_id").and_then(Value::as_str);
    let artifacts = tasks::artifacts_of(task.unwrap_or_default(), &asked);
    Ok(Reply::ok(artifacts.await?))
}

pub(super) async fn retry(Path(id): Path<String>, asked: Asked) -> Outcome {
    act(&id, "retry", &asked).await
}

pub(super) async fn cancel(Path(id): Path<String>, asked: Asked) -> Outcome {
    act(&id, "cancel", &asked).await
}

async fn act(id: &str, word: &str, asked: &Asked) -> Outcome {
    let path = ["hirings", id, word];
    match asked.create(&path, asked.data.clone()).await? {
        Value::Object(hiring) => Ok(Reply::ok(form(&hiring, asked).await?)),
        _ => Err(Error::general("A hiring is no object").into()),
    }
}
