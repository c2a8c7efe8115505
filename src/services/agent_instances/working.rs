//! Instances at work: what becomes of one when steps of workflows that name it begin and end.

use serde_json::{Value, json};

use super::{
    rows::Instance,
    status::{Status, Step},
    telling::About,
};
use crate::{
    core::scope::Topic,
    error::Result,
    services::runs::{clean, there},
    store::{lane::Work, transaction::Reader},
};

/// Who is named as an agent.
pub(in crate::services) enum Named {
    /// An instance of the workspace.
    Here(Instance),
    /// One of another workspace.
    Elsewhere,
    /// No instance.
    Nobody,
}

/// Who is named by an id in a workspace.
///
/// # Errors
/// If the database fails.
pub(in crate::services) async fn named(
    id: &str,
    workspace: &str,
    db: &mut dyn Reader,
) -> Result<Named> {
    let found = there(Instance::get(&json!(id), db).await)?;
    Ok(match found {
        Some(instance) if instance.workspace() == workspace => Named::Here(instance),
        Some(_) => Named::Elsewhere,
        None => Named::Nobody,
    })
}

impl Instance {
    /// It is busy from now on, activated first if need be: a step began at it. The topics are the step's.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn begin_work(
        &mut self,
        topics: Vec<Topic>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let about = About::of(topics);
        if !matches!(self.status(), Status::Active | Status::Busy) {
            self.obey(Step::Activate, &about, work).await?;
        }
        if self.status() != Status::Busy {
            self.go(Status::Busy, None, &about, work).await?;
        }
        Ok(())
    }

    /// A step at it is over, whose row says so already: it is active again, or in trouble, unless others run at
    /// it or somebody moved it meanwhile.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn end_work(
        &mut self,
        error: Option<&str>,
        topics: Vec<Topic>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        if self.status() != Status::Busy || self.steps(work.tx).await? > 0 {
            if let Some(error) = error {
                let noted = json!({"last_error": clean(error)});
                self.change(noted, work).await?;
            }
            return Ok(());
        }
        let to = match error {
            Some(_) => Status::Error,
            None => Status::Active,
        };
        self.go(to, error, &About::of(topics), work).await
    }

    /// Tells what a step does at it.
    ///
    /// # Errors
    /// If the data cannot be written as JSON.
    pub(in crate::services) fn tell_work(
        &self,
        data: &Value,
        topics: Vec<Topic>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        self.tell_activity(data, &About::of(topics), work)
    }

    /// Does what was asked, and tells so; nothing where it is so already.
    ///
    /// # Errors
    /// `Conflict`, or if the database fails.
    pub(super) async fn obey(
        &mut self,
        step: Step,
        about: &About,
        work: &mut Work<'_>,
    ) -> Result<()> {
        if self.walk(step, about, work).await? {
            self.tell_activity(&json!({"action": step.done()}), about, work)?;
        }
        Ok(())
    }

    /// As [`obey`](Self::obey), telling of its statuses only; whether there were any.
    pub(super) async fn walk(
        &mut self,
        step: Step,
        about: &About,
        work: &mut Work<'_>,
    ) -> Result<bool> {
        let path = step.path(self.status())?;
        for to in path {
            self.go(*to, None, about, work).await?;
        }
        Ok(!path.is_empty())
    }
}
