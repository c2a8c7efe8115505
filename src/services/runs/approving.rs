//! Plans are approved or rejected, and wait over a restart.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    Runs, at,
    begin::{Asked, Course, Started, Waiting},
    owned, plans, there,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        clock::Timestamp,
        identity::Identity,
        turn::Turn,
    },
    error::{Error, Result},
    runner::Decision,
    services::{
        Service,
        reading::{Fields, Problems},
        values::{as_record, text},
    },
    store::{Store, lane::Work, transaction::Reader},
};

/// Characters of what may be said to a plan.
const FEEDBACK: usize = 10_000;

/// Questions among which a run's plan is.
const LOOK: u64 = 100;

/// `tasks/:id/approve`: `create {approved, feedback?}` decides on what a task waits for, and answers the
/// task. What waits is a plan, or what its agent asks for. A rejected plan fails its task.
pub struct Approve(pub Arc<Runs>);

impl Service for Approve {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let object = as_record(call.data.clone());
            let mut problems = Problems::default();
            let mut fields = Fields::new(&object, Vec::new(), &mut problems);
            let approved = fields.flag("approved");
            let feedback = fields.text("feedback", FEEDBACK);
            if fields.given("approved").is_none() {
                fields.wrong("approved", "missing", "Field required");
            }
            problems.refuse()?;
            let approved = approved.unwrap_or_default();
            let (task, by) = (call.parameter("id"), call.caller.identity.clone());
            let (runs, at) = (Arc::clone(&self.0), (call.turn.clone(), store.clone()));
            let approving = runs.approve(task.to_owned(), (approved, feedback), by, at);
            self.0.detach(approving).await
        })
    }
}

impl Runs {
    /// Decides on what a task waits for; the task, as it is then.
    async fn approve(
        self: Arc<Self>,
        task: String,
        (allow, reason): (bool, Option<String>),
        by: Identity,
        (turn, store): (Turn, Store),
    ) -> Result<Value> {
        let runs = Arc::clone(&self);
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            let task = runs.tasks.read(work.tx, &task, &work.by).await?;
            let status = text(&task, "status").unwrap_or_default();
            if status != "awaiting_permission" {
                let text = format!("The task does not wait for approval (status: {status})");
                return Err(Error::conflict(text));
            }
            let id = owned(&task, "task_id");
            let decided = runs.settle(&task, (allow, reason), work).await?;
            let task = runs.tasks.read(work.tx, &id, &work.by).await?;
            Ok((task, decided))
        };
        let (task, decided) = store.write(&turn, unit).await?;
        if let Some((session, decision)) = decided {
            self.send(&session, decision);
        }
        let [task] = {
            let mut shown = [task];
            crate::services::values::leave_out_nulls(&mut shown);
            shown
        };
        Ok(Value::Object(task))
    }

    /// Notes a decision; what the run is to be told of it, if one asks.
    async fn settle(
        &self,
        task: &Record,
        (allow, reason): (bool, Option<String>),
        work: &mut Work<'_>,
    ) -> Result<Option<(String, Decision)>> {
        let (id, session) = (owned(task, "task_id"), owned(task, "session_id"));
        let request = at(task, "permission_request");
        let refused = !allow && plans::waiting(request).is_some();
        let failed = json!({"status": "failed", "error": plans::refused(reason.as_deref())});
        let decision = Decision {
            id: request["request_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            allow,
            reason,
        };
        let data = json!({"taskId": id, "reason": decision.reason});
        if let Some(asked) = self.asked(&session, &decision, &data) {
            self.tell(&session, &asked, &decision, &data, work).await?;
            if refused {
                // Its agent asked, and would think again.
                self.change_task(&id, &[], failed, work).await?;
            }
            return Ok(Some((session, decision)));
        }
        // Nobody here works on it: who does reads it.
        let word = if allow { "approved" } else { "denied" };
        let reason = decision.reason.as_deref();
        plans::decided(&id, (word, reason), work).await?;
        let mut changes = as_record(json!({"status": "running"}));
        if !allow {
            changes = as_record(failed);
        }
        let request = plans::answered(task, word, reason);
        changes.insert("permission_request".to_owned(), request);
        self.tasks.patch(&id, Value::Object(changes), work).await?;
        Ok(None)
    }

    /// A run whose plan waited for a decision when the daemon ended: it waits on. `None` for any other.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(super) async fn await_again(
        self: &Arc<Self>,
        run: &Record,
        db: &mut dyn Reader,
    ) -> Result<Option<Started>> {
        let by = &Identity::System;
        let id = owned(run, "task_id");
        let Some(task) = there(self.tasks.read(db, &id, by).await)?.filter(plans::waits) else {
            return Ok(None);
        };
        let session = there(self.sessions.read(db, &owned(run, "session_id"), by).await)?;
        let (Some(session), Some(kept)) = (session, plans::of(&id, db).await?) else {
            return Ok(None);
        };
        let Some(question) = self.question(&task, db).await? else {
            return Ok(None);
        };
        let moment = |record: &Record, name: &str| Timestamp::parse(text(record, name)?);
        let times = (moment(&kept, "requested_at"), moment(run, "started_at"));
        let (Some(since), Some(began)) = times else {
            return Ok(None);
        };
        let (decisions, decided) = mpsc::unbounded_channel();
        let waiting = Waiting {
            plan: at(&kept, "plan").clone(),
            since,
            decided,
        };
        let asked = Asked {
            text: owned(&task, "full_prompt"),
            permission_mode: None,
            streams: true,
            stream_id: text(&task, "stream_id").map(str::to_owned),
            // The task has it.
            goal: None,
            by: Identity::System,
            task: Some(id.clone()),
            author: text(&task, "created_by").map(str::to_owned),
            plans: true,
        };
        let course = Course::Decide(waiting);
        let started = self.enter(&session, asked, id.clone(), (began, course));
        if let Some(active) = self.lock().get_mut(&started.prompt.session) {
            active.decisions = Some(decisions);
            active.questions.insert(Self::plan_of(&id), question);
        }
        Ok(Some(started))
    }

    /// The message that asks for a decision on a task's plan.
    async fn question(&self, task: &Record, db: &mut dyn Reader) -> Result<Option<String>> {
        let query = json!({
            "session_id": at(task, "session_id"),
            "task_id": at(task, "task_id"),
            "type": "permission_request",
            "$sort": {"index": -1},
            "$limit": LOOK,
        });
        let asked = at(task, "permission_request")["request_id"].clone();
        let questions = self
            .messages
            .matching(&as_record(query), &Identity::System, db)
            .await?;
        let own = questions
            .iter()
            .find(|question| at(question, "content")["request_id"] == asked);
        Ok(own.map(|question| owned(question, "message_id")))
    }
}
