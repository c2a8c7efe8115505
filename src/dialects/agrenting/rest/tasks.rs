//! `/tasks`: given to agents, followed, ended; what they stream and say.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{
    Outcome,
    asked::Asked,
    envelope::Reply,
    pages::{Order, page},
};
use crate::{
    core::Record,
    error::{Error, Result},
    services::hirings::forms,
};

/// The newest first.
pub(super) const NEWEST: Order = Order {
    field: "created_at",
    id: "task_id",
    is_descending: true,
};

/// What was said first comes first.
const SAID: Order = Order {
    field: "index",
    id: "message_id",
    is_descending: false,
};

/// Chunks that are read at a time.
const CHUNKS: u64 = 64;

/// Tasks of a hiring that are told as its attempts at most.
const ATTEMPTS: u64 = 100;

pub(super) async fn make(asked: Asked) -> Outcome {
    let provider = ["provider_agent_id", "provider_agent_did"]
        .iter()
        .find_map(|name| asked.data[name].as_str());
    let provider = provider.filter(|provider| !provider.is_empty() && !provider.contains('/'));
    let provider = provider.ok_or_else(|| {
        let text = "`provider_agent_id` must be the id or DID of an agent";
        Error::bad_request(text).with_data(json!({"field": "provider_agent_id"}))
    })?;
    let path = ["agents", provider, "tasks"];
    Ok(Reply::created(form(
        &asked.create(&path, asked.data.clone()).await?,
    )))
}

pub(super) async fn list(asked: Asked) -> Outcome {
    let mut query = json!({"provider_agent_id": {"$ne": null}});
    if let Some(word) = asked.parameter("status") {
        let statuses = forms::statuses(word).ok_or_else(|| {
            let text = "`status` must be one of pending, in_progress, completed, failed, cancelled";
            Error::bad_request(text).with_data(json!({"field": "status"}))
        })?;
        query["status"] = json!({ "$in": statuses });
    }
    if let Some(agent) = asked.parameter("agent_id") {
        query["$or"] = json!([{"provider_agent_id": agent}, {"client_agent_id": agent}]);
    }
    Ok(page(&asked, "tasks", query, NEWEST, forms::task).await?)
}

pub(super) async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    Ok(Reply::ok(forms::task(&asked.get("tasks", &id).await?)))
}

pub(super) async fn complete(Path(id): Path<String>, asked: Asked) -> Outcome {
    end(&id, "complete", &asked).await
}

pub(super) async fn fail(Path(id): Path<String>, asked: Asked) -> Outcome {
    if !asked.data["error_reason"].is_string() {
        let error = Error::bad_request("`error_reason` must be a text");
        return Err(error.with_data(json!({"field": "error_reason"})).into());
    }
    end(&id, "fail", &asked).await
}

pub(super) async fn progress(Path(id): Path<String>, asked: Asked) -> Outcome {
    end(&id, "progress", &asked).await
}

pub(super) async fn cancel(Path(id): Path<String>, asked: Asked) -> Outcome {
    end(&id, "cancel", &asked).await
}

async fn end(id: &str, word: &str, asked: &Asked) -> Outcome {
    let path = ["tasks", id, word];
    let task = asked.create(&path, asked.data.clone()).await?;
    Ok(Reply::ok(form(&task)))
}

pub(super) async fn timeline(Path(id): Path<String>, asked: Asked) -> Outcome {
    let timeline = asked.find(&["tasks", &id, "timeline"], json!({})).await?;
    Ok(Reply::ok(timeline))
}

/// The tasks of the task's hiring, oldest first; a task without one is its only attempt.
pub(super) async fn attempts(Path(id): Path<String>, asked: Asked) -> Outcome {
    let task = asked.get("tasks", &id).await?;
    let tasks = match task.get("hiring_id") {
        Some(hiring) => {
            let query =
                json!({"hiring_id": hiring, "$sort": {"created_at": 1}, "$limit": ATTEMPTS});
            asked.records(&["tasks"], query).await?
        }
        None => vec![task],
    };
    let attempts = tasks.iter().enumerate().map(|(index, task)| {
        let mut form = forms::task(task);
        form["attempt"] = json!(index + 1);
        form
    });
    Ok(Reply::ok(json!({"attempts": attempts.collect::<Vec<_>>()})))
}

pub(super) async fn messages(Path(id): Path<String>, asked: Asked) -> Outcome {
    let task = asked.get("tasks", &id).await?;
    let of = json!({"session_id": task.get("session_id"), "task_id": task.get("task_id")});
    Ok(page(&asked, "messages", of, SAID, forms::message).await?)
}

/// The messages of a session.
pub(super) async fn messages_of(session: Option<&Value>, asked: &Asked) -> Outcome {
    let of = json!({ "session_id": session });
    Ok(page(asked, "messages", of, SAID, forms::message).await?)
}

pub(super) async fn say(Path(id): Path<String>, asked: Asked) -> Outcome {
    say_at(&["tasks", &id, "messages"], &asked).await
}

/// Says something at a path.
pub(super) async fn say_at(path: &[&str], asked: &Asked) -> Outcome {
    let message = asked.create(path, asked.data.clone()).await?;
    let mut form = match &message {
        Value::Object(message) => forms::message(message),
        _ => Value::Null,
    };
    form["message_id"] = form["id"].clone();
    form["sent_at"] = form["created_at"].clone();
    Ok(Reply::created(form))
}

/// Emits a chunk: `{content, kind?, metadata?}`.
pub(super) async fn emit(Path(id): Path<String>, asked: Asked) -> Outcome {
    let path = ["tasks", &id, "chunks"];
    let chunk = asked.create(&path, asked.data.clone()).await?;
    Ok(Reply::created(chunk))
}

/// Chunks after a place: `?after=&limit=`.
pub(super) async fn chunks(Path(id): Path<String>, asked: Asked) -> Outcome {
    let mut query = json!({});
    for (given, own) in [("after", "after"), ("limit", "$limit")] {
        if let Some(value) = asked.parameter(given) {
            query[own] = json!(value);
        }
    }
    let found = asked.find(&["tasks", &id, "chunks"], query).await?;
    let seq = found["seq"].clone();
    let mut reply = json!({"task_id": id, "seq": seq, "chunks": found["data"]});
    let task = Record::from_iter([("status".to_owned(), found["status"].clone())]);
    reply["status"] = json!(forms::status(&task));
    Ok(Reply::ok(reply))
}

pub(super) async fn artifacts(Path(id): Path<String>, asked: Asked) -> Outcome {
    Ok(Reply::ok(artifacts_of(&id, &asked).await?))
}

/// What a task made: its chunks of that kind.
pub(super) async fn artifacts_of(task: &str, asked: &Asked) -> Result<Value> {
    let (mut all, mut bytes, mut after) = (Vec::new(), 0, json!(0));
    loop {
        let query = json!({"kind": "artifact", "after": after, "$limit": CHUNKS});
        let mut found = asked.find(&["tasks", task, "chunks"], query).await?;
        let Value::Array(chunks) = found["data"].take() else {
            return Ok(Value::Array(all));
        };
        let Some(last) = chunks.last() else {
            return Ok(Value::Array(all));
        };
        after = last["seq"].clone();
        let size = |chunk: &Value| chunk["content"].as_str().map_or(0, str::len);
        bytes += chunks.iter().map(size).sum::<usize>();
        all.extend(chunks);
        if all.len() >= ARTIFACTS || bytes >= ARTIFACT_BYTES {
            return Ok(Value::Array(all));
        }
    }
}

/// Artifacts that are told at once, and their bytes, about; more are read as chunks.
const ARTIFACTS: usize = 1_000;
const ARTIFACT_BYTES: usize = 1 << 20;

fn form(task: &Value) -> Value {
    task.as_object().map_or(Value::Null, forms::task)
}
