//! The routes below a task that say how it goes: `complete`, `fail`, `cancel`, `progress`.

use serde_json::{Value, json};

use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::Result,
    services::{records::Records, registry::Service},
    store::{Store, lane::Work},
};

/// What is said of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `complete {report?, output?}`.
    Complete,
    /// `fail {error?, error_reason?}`; `error` becomes the report.
    Fail,
    /// `cancel {reason?}`.
    Cancel,
    /// No end yet: `progress {progress_percent?, progress_message?}`.
    Progress,
}

impl Ending {
    /// The task's status, and its fields by those of the call's data.
    const fn fields(self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        match self {
            Self::Complete => ("completed", &[("report", "report"), ("output", "output")]),
            Self::Fail => ("failed", &[("error", "report"), ("error_reason", "error")]),
            Self::Cancel => ("stopped", &[("reason", "error")]),
            Self::Progress => (
                "running",
                &[
                    ("progress_percent", "progress_percent"),
                    ("progress_message", "progress_message"),
                ],
            ),
        }
    }

    /// The change that a call's data asks for.
    fn changes(self, data: &Value) -> Value {
        let (status, fields) = self.fields();
        let mut changes = json!({"status": status});
        for (given, field) in fields {
            if let Some(value) = data.get(given).filter(|value| !value.is_null()) {
                changes[field] = value.clone();
            }
        }
        changes
    }
}

/// `tasks/:id/<word>`.
pub struct End {
    /// The tasks.
    pub tasks: Records,
    /// What is said.
    pub ending: Ending,
}

impl Service for End {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let tasks = self.tasks.clone();
        let id = call.parameter("id").to_owned();
        let by = call.caller.identity.clone();
        let is_end = self.ending != Ending::Progress;
        let mut changes = self.ending.changes(&call.data);
        Box::pin(async move {
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                if is_end {
                    changes["completed_at"] = json!(work.now.to_string());
                }
                tasks.patch(&id, changes, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
