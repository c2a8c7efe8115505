//! What an agent asks people, and what they decide.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Runs, at, clean, plans, there};
use crate::{
    core::{identity::Identity, turn::Turn},
    error::{Error, Result},
    runner::Decision,
    services::values::text,
    store::{Store, lane::Work},
};

/// Whether an agent may use a tool.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) id: String,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) tool_use: Option<String>,
}

/// A question that somebody decides on.
pub(super) struct Asked {
    task: String,
    message: String,
    /// Whether the run asks for nothing else.
    is_only: bool,
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
            "content_preview": clean(&format!("Permission required: {}", question.tool)),
            "content": content,
        });
        self.messages.create(asked, work).await?;
        if let Some(plan) = plans::asked(&question.input) {
            plans::keep(task, &plan, work).await?;
        }
        let request = json!({
            "request_id": question.id,
            "tool_name": question.tool,
            "tool_input": question.input,
            "requested_at": now,
        });
        let waits = json!({"status": "awaiting_permission", "permission_request": request});
        let asking = ["running", "awaiting_permission"];
        self.change_task(task, &asking, waits, work).await?;
        let waits = json!({"status": "awaiting_permission"});
        self.sessions.patch(session, waits, work).await?;
        let what = ("sessions", "permission:request");
        self.publish([session, task], what, &told, work).await
    }

    /// Publishes what happened in a session and its task to those who hear of them.
    pub(super) async fn publish(
        &self,
        of: [&str; 2],
        (source, name): (&'static str, &'static str),
        payload: &Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let scope = self.scope(of, work.tx).await?;
        let scope = scope.ok_or_else(|| Error::not_found("The session is not there any more"))?;
        work.publish(scope.draft(source, name, payload)?);
        Ok(())
    }

    /// Tells everybody what was decided, then the run, which goes on.
    pub(super) async fn decide(
        self: Arc<Self>,
        session: String,
        decision: Decision,
        data: Value,
        by: Identity,
        (turn, store): (Turn, Store),
    ) -> Result<Value> {
        let runs = Arc::clone(&self);
        let made = decision.clone();
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let session = runs.sessions.read(work.tx, &session, &work.by).await?;
            let id = super::owned(&session, "session_id");
            let asked = runs.asked(&id, &made, &data);
            if let Some(asked) = &asked {
                runs.tell(&id, asked, &made, &data, work).await?;
            }
            Ok(asked.map(|_| id))
        };
        let session = store.write(&turn, unit).await?;
        if let Some(session) = session {
            self.send(&session, decision);
        }
        Ok(json!({"success": true}))
    }

    /// Tells a run what was decided: only once that is stored, and once.
    pub(super) fn send(&self, session: &str, decision: Decision) {
        let mut active = self.lock();
        if let Some(run) = active.get_mut(session)
            && run.questions.remove(&decision.id).is_some()
            && let Some(decisions) = &run.decisions
        {
            // The run may have ended just now.
            drop(decisions.send(decision));
        }
    }

    /// The question that a decision is about, if anybody still asks it.
    pub(super) fn asked(&self, session: &str, decision: &Decision, data: &Value) -> Option<Asked> {
        let active = self.lock();
        let run = active.get(session)?;
        let task = data["taskId"].as_str();
        task.is_none_or(|task| run.task.starts_with(task))
            .then_some(())?;
        Some(Asked {
            task: run.task.clone(),
            message: run.questions.get(&decision.id)?.clone(),
            is_only: run.questions.len() == 1,
        })
    }

    /// Notes a decision in the question, the task and the session; a run whose plan is refused has failed.
    pub(super) async fn tell(
        &self,
        session: &str,
        asked: &Asked,
        decision: &Decision,
        data: &Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let status = if decision.allow { "approved" } else { "denied" };
        self.mark(&asked.message, status, data, work).await?;
        let task = self.tasks.read(work.tx, &asked.task, &Identity::System);
        let Some(task) = there(task.await)?.filter(|_| asked.is_only) else {
            return Ok(());
        };
        let request = plans::answered(&task, status, decision.reason.as_deref());
        let plan = (status, decision.reason.as_deref());
        plans::decided(&asked.task, plan, work).await?;
        let waits = ["awaiting_permission"];
        if !decision.allow && decision.id == Self::plan_of(&asked.task) {
            let why = plans::refused(decision.reason.as_deref());
            let failed = json!({"status": "failed", "error": why, "permission_request": request});
            return self.change_task(&asked.task, &waits, failed, work).await;
        }
        let goes_on = json!({"status": "running", "permission_request": request});
        self.change_task(&asked.task, &waits, goes_on, work).await?;
        let goes_on = json!({"status": "running"});
        self.sessions.patch(session, goes_on, work).await.map(drop)
    }

    /// Notes in a question's message what became of it, if the message is there and still is one.
    pub(super) async fn mark(
        &self,
        message: &str,
        status: &str,
        data: &Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let asked = self
            .messages
            .read(work.tx, message, &Identity::System)
            .await;
        let Some(asked) = there(asked)? else {
            return Ok(());
        };
        let mut content = at(&asked, "content").clone();
        let Some(said) = content.as_object_mut() else {
            return Ok(());
        };
        said.insert("status".to_owned(), json!(status));
        said.insert("decided_at".to_owned(), json!(work.now.to_string()));
        let by = data["decidedBy"].as_str().or_else(|| work.by.user_id());
        said.insert("decided_by".to_owned(), json!(by));
        for name in ["scope", "reason"] {
            if let Some(value) = data.as_object().and_then(|data| text(data, name)) {
                said.insert(name.to_owned(), json!(value));
            }
        }
        let changes = json!({"content": content});
        self.messages.patch(message, changes, work).await.map(drop)
    }
}
