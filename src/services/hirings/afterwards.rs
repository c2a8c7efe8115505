//! `hirings/:id/cancel` and `hirings/:id/retry`: what the client's side does about a hiring.

use serde_json::{Value, json};

use super::{HIRINGS, TASKS, following::change, talk};
use crate::{
    core::{
        BoxFuture, Record,
        access::sees_all,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    services::{
        agents,
        registry::Service,
        values::{optional, text},
    },
    store::{Store, lane::Work},
};

/// Characters of a reason at most.
const LONGEST: usize = 5_000;

/// `hirings/:id/<word>`, `create {reason?}`: the hiring is answered.
#[derive(Clone, Copy)]
pub enum Afterwards {
    /// `cancel`: ends the hiring's task, and so the hiring.
    Cancel,
    /// `retry`: gives the agent another task of a hiring that failed or was cancelled.
    Retry,
}

impl Service for Afterwards {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (what, id) = (*self, call.parameter("id").to_owned());
        let by = call.caller.identity.clone();
        Box::pin(async move {
            let reason = optional(&call.data, "reason", LONGEST)?;
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let hiring = HIRINGS.read(work.tx, &id, &work.by).await?;
                let hiring = match what {
                    Self::Cancel => cancel(&hiring, reason, work).await?,
                    Self::Retry => retry(hiring, reason, work).await?,
                };
                Ok(Value::Object(hiring))
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}

async fn cancel(hiring: &Record, reason: Option<String>, work: &mut Work<'_>) -> Result<Record> {
    let field = |name| text(hiring, name).unwrap_or_default();
    let end = json!({"status": "stopped", "error": reason});
    TASKS.patch(field("task_id"), end, work).await?;
    HIRINGS.read(work.tx, field("id"), &work.by).await
}

async fn retry(hiring: Record, reason: Option<String>, work: &mut Work<'_>) -> Result<Record> {
    let client = text(&hiring, "client_agent_id").unwrap_or_default();
    if !(sees_all(&work.by) || agents::may_be_client(client, work).await?) {
        return Err(Error::forbidden(
            "The hiring is not yours: whoever hired tries again",
        ));
    }
    let status = text(&hiring, "status").unwrap_or_default();
    if !["failed", "cancelled"].contains(&status) {
        let text = format!(
            "A hiring that is {status} is not tried again; one that failed or was cancelled is"
        );
        let reason = json!({"reason": "hiring_open"});
        return Err(Error::conflict(text).with_data(reason));
    }
    let provider = text(&hiring, "agent_id").unwrap_or_default();
    let agent = agents::named(provider, work.tx).await?;
    let gone = || {
        let reason = json!({"reason": "agent_unavailable"});
        Error::unavailable("The agent is gone").with_data(reason)
    };
    agents::takes_work(&agent.ok_or_else(gone)?)?;
    let last = text(&hiring, "task_id").unwrap_or_default();
    let last = TASKS.read(work.tx, last, &work.by).await?;
    let id = work.clock.random_id();
    let again = json!({"status": "queued", "task_id": id, "failed_reason": null,
        "task_output": null, "started_at": null, "completed_at": null});
    let (hiring, patched) = change(hiring, &again, work).await?;
    work.publish(patched);
    let mut task = json!({"task_id": id, "hiring_id": hiring["id"]});
    for name in [
        "session_id",
        "provider_agent_id",
        "client_agent_id",
        "capability",
        "input",
        "description",
        "full_prompt",
    ] {
        task[name] = last.get(name).cloned().unwrap_or_default();
    }
    let task = TASKS.create(task, work).await?;
    if let (Some(reason), Value::Object(task)) = (reason, &task) {
        let metadata = json!({"message_type": "retry", "agent_id": hiring["client_agent_id"]});
        talk::store(task, "user", &reason, metadata, work).await?;
    }
    Ok(hiring)
}
