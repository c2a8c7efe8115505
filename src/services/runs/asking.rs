//! What an agent asks people, and what they decide.

use serde_json::{Value, json};

use super::{Runs, owned};
use crate::{
    core::Record,
    error::Result,
    runner::Decision,
    services::{rules::Scope, visibility},
    store::lane::Work,
};

/// Whether an agent may use a tool.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) tool_use: Option<String>,
}

impl Runs {
    /// Puts a question to those who hear of a session and its task.
    pub(super) async fn put(
        &self,
        question: &Question,
        message: &str,
        [session, task]: [&str; 2],
        work: &mut Work<'_>,
    ) -> Result<()> {
        let now = work.now.to_string();
        let mut content = json!({
            "request_id": question.id,
            "task_id": task,
            "tool_name": question.tool,
            "tool_input": question.input,
            "status": "pending",
        });
        let mut told = json!({
            "requestId": question.id,
            "sessionId": session,
            "taskId": task,
            "toolName": question.tool,
            "toolInput": question.input,
            "timestamp": now,
        });
        if let Some(tool_use) = &question.tool_use {
            content["tool_use_id"] = json!(tool_use);
            told["toolUseID"] = json!(tool_use);
        }
        let asked = json!({
            "message_id": message,
            "session_id": session,
            "task_id": task,
            "type": "permission_request",
            "role": "system",
            "content_preview": format!("Permission required: {}", question.tool),
            "content": content,
        });
        self.messages.create(asked, work).await?;
        let request = json!({
            "request_id": question.id,
            "tool_name": question.tool,
            "tool_input": question.input,
            "requested_at": now,
        });
        let waits = json!({"status": "awaiting_permission", "permission_request": request});
        self.tasks.patch(task, waits, work).await?;
        let waits = json!({"status": "awaiting_permission"});
        self.sessions.patch(session, waits, work).await?;
        let what = ("sessions", "permission:request");
        publish([session, task], what, &told, work).await
    }

    /// Tells a run what was decided, and everybody that it goes on.
    pub(super) async fn decide(
        &self,
        session: &Record,
        decision: Decision,
        data: &Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let id = owned(session, "session_id");
        let taken = self.lock().get_mut(&id).and_then(|run| {
            let fits = data["taskId"].as_str().is_none_or(|task| task == run.task);
            let message = run.questions.remove(&decision.id).filter(|_| fits)?;
            Some((run.task.clone(), message, run.decisions.clone()))
        });
        let Some((task, message, decisions)) = taken else {
            return Ok(());
        };
        let asked = self.messages.read(work.tx, &message, &work.by).await?;
        let mut content = asked["content"].clone();
        content["status"] = json!(if decision.allow { "approved" } else { "denied" });
        content["decided_at"] = json!(work.now.to_string());
        let by = data["decidedBy"].as_str().map(str::to_owned);
        content["decided_by"] = json!(by.or_else(|| work.by.user_id().map(str::to_owned)));
        for name in ["scope", "reason"] {
            if let Some(value) = data.get(name).filter(|value| value.is_string()) {
                content[name] = value.clone();
            }
        }
        self.messages
            .patch(&message, json!({"content": content}), work)
            .await?;
        let goes_on = json!({"status": "running", "permission_request": null});
        self.tasks.patch(&task, goes_on, work).await?;
        self.sessions
            .patch(&id, json!({"status": "running"}), work)
            .await?;
        if let Some(decisions) = decisions {
            // The run may have ended just now.
            drop(decisions.send(decision));
        }
        Ok(())
    }
}

/// Publishes what happened in a session and its task to those who hear of them.
pub(super) async fn publish(
    [session, task]: [&str; 2],
    (source, name): (&'static str, &'static str),
    payload: &Value,
    work: &mut Work<'_>,
) -> Result<()> {
    let mut record = Record::new();
    record.insert("session_id".to_owned(), json!(session));
    let scope = Scope::everyone([("session", Some(session)), ("task", Some(task))]);
    let scopes = visibility::follow_boards(work.tx, &[record], vec![Some(scope)]).await?;
    for scope in scopes.into_iter().flatten() {
        work.publish(scope.draft(source, name, payload)?);
    }
    Ok(())
}
