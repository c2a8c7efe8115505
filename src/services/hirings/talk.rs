//! `hirings/:id/messages` and `tasks/:id/messages`: what the two sides say to each other. It is said in
//! the task's session, where everybody hears it who sees the session.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{
    HIRINGS, TASKS,
    following::{Parties, tell},
    forms,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{
        messages,
        records::Records,
        registry::Service,
        values::{required, text},
    },
    store::{Store, lane::Work},
};

/// Characters of a message at most.
const LONGEST: usize = 5_000;

/// Characters of a message that lists show.
const PREVIEW: usize = 200;

/// Characters of the word that says what kind of message it is.
const LONGEST_TYPE: usize = 64;

pub(super) static MESSAGES: LazyLock<Records> = LazyLock::new(messages::service);

/// What is talked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A task.
    Task,
    /// A hiring, and so its latest task.
    Hiring,
}

/// `create {content | message, message_type?}`.
pub struct Talk(pub About);

impl Service for Talk {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (about, id) = (self.0, call.parameter("id").to_owned());
        let by = call.caller.identity.clone();
        let data = &call.data;
        Box::pin(async move {
            let name = match data.get("content") {
                Some(_) => "content",
                None => "message",
            };
            let said = required(data, name, LONGEST)?;
            let kind = match data.get("message_type") {
                None | Some(Value::Null) => "text".to_owned(),
                Some(_) => required(data, "message_type", LONGEST_TYPE)?,
            };
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let task = match about {
                    About::Task => id,
                    About::Hiring => {
                        let hiring = HIRINGS.read(work.tx, &id, &work.by).await?;
                        text(&hiring, "task_id").unwrap_or_default().to_owned()
                    }
                };
                say(&task, &said, &kind, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}

/// Says something about a task; the other side is told.
async fn say(task: &str, said: &str, kind: &str, work: &mut Work<'_>) -> Result<Value> {
    let task = TASKS.read(work.tx, task, &work.by).await?;
    let parties = Parties::of(&task, work.tx).await?;
    let parties = parties
        .ok_or_else(|| Error::bad_request("No agent works on this task that could hear it"))?;
    let is_provider = work.by.agent_id() == Some(&parties.provider);
    let role = if is_provider { "assistant" } else { "user" };
    let metadata = json!({"message_type": kind, "agent_id": work.by.agent_id()});
    let message = store(&task, role, said, metadata, work).await?;
    let to = if is_provider {
        parties.client()
    } else {
        parties.provider()
    };
    if let Value::Object(message) = &message {
        let mut data = forms::message(message);
        if let Some(hiring) = task.get("hiring_id") {
            data["hiring_id"] = hiring.clone();
        }
        work.publish(tell("message.received", &to, &task, &data)?);
    }
    Ok(message)
}

/// Makes a message of a task in its session.
pub(super) async fn store(
    task: &Record,
    role: &str,
    said: &str,
    metadata: Value,
    work: &mut Work<'_>,
) -> Result<Value> {
    let message = json!({
        "session_id": task.get("session_id"),
        "task_id": task.get("task_id"),
        "role": role,
        "content": said,
        "content_preview": said.chars().take(PREVIEW).collect::<String>(),
        "metadata": metadata,
    });
    MESSAGES.create(message, work).await
}

/// Says in its session what a task came to.
pub(super) async fn say_output(task: &Record, work: &mut Work<'_>) -> Result<()> {
    let form = forms::task(task);
    let said = match form.get("output") {
        None => return Ok(()),
        Some(Value::String(text)) => text.replace('\0', "\u{fffd}"),
        Some(output) => output.to_string(),
    };
    if said.is_empty() {
        return Ok(());
    }
    let metadata = json!({"message_type": "output", "agent_id": form["provider_agent_id"]});
    store(task, "assistant", &said, metadata, work)
        .await
        .map(drop)
}
