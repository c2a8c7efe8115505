//! How steps end: the units of work, each with what is told of it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    Workflows,
    attempts::Next,
    definition::Step,
    plan::Status,
    rows::{self, Execution, StepRun},
    telling::Moment,
};
use crate::{
    error::Result,
    services::runs::{clean, there},
    store::lane::Work,
};

/// Bytes of what a step gave that are kept.
const OUTPUT: usize = 256 << 10;

impl Workflows {
    /// Skips steps that never begin, each with its reason.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn skip(
        &self,
        id: &str,
        steps: &[(Step, String)],
        work: &mut Work<'_>,
    ) -> Result<()> {
        let Some((execution, mut runs)) = all_running(id, work).await? else {
            return Ok(());
        };
        for (step, why) in steps {
            if let Some(run) = runs.get_mut(&step.id)
                && run.status() == Status::Pending
            {
                skipped(&execution, (step, run), why, work).await?;
            }
        }
        Ok(())
    }

    /// Ends a group in which all is over.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn end_group(
        &self,
        id: &str,
        group: &Step,
        (children, failed_one): (&[Step], Option<&str>),
        work: &mut Work<'_>,
    ) -> Result<Next> {
        let Some((execution, mut runs)) = all_running(id, work).await? else {
            return Ok(Next::Gone);
        };
        let Some(mut run) = runs.remove(&group.id) else {
            return Ok(Next::Gone);
        };
        if run.status() != Status::Running {
            return Ok(Next::Is(run.status(), run.0.get("output_data").cloned()));
        }
        if let Some(name) = failed_one {
            let why = format!("Step '{name}' failed");
            return failed(&execution, (group, &mut run), &why, work).await;
        }
        let mut outputs = serde_json::Map::new();
        let mut bytes = 0;
        for step in children {
            let Some(own) = runs.get(&step.id) else {
                continue;
            };
            let output = own.0.get("output_data").map(|data| data["output"].clone());
            let output = output.unwrap_or_default();
            bytes += output.to_string().len();
            let kept = if bytes > OUTPUT {
                json!({"truncated": true})
            } else {
                output
            };
            outputs.insert(step.name.clone(), kept);
        }
        let output = json!({ "output": outputs });
        completed(&execution, (group, &mut run), output, work).await
    }

    /// Fails a step that cannot be gone on with, whether or not it has begun.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn give_up(
        &self,
        id: &str,
        step: &Step,
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let Some((execution, mut run)) = running(id, step, work).await? else {
            return Ok(());
        };
        if run.status() == Status::Pending {
            let began = json!({"status": "running", "started_at": work.now.to_string()});
            run.change(began, work).await?;
            execution.tell_start((step, &run), work).await?;
        }
        self.end_step(&execution, (step, &mut run), ("failed", why), work)
            .await
    }

    /// Ends a group, and all in it that is not over: it took too long.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn end_whole(
        &self,
        id: &str,
        steps: &[Step],
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let Some((execution, mut runs)) = all_running(id, work).await? else {
            return Ok(());
        };
        // Groups are told of when what is in them is.
        for step in steps.iter().rev() {
            if let Some(run) = runs.get_mut(&step.id) {
                self.end_step(&execution, (step, run), ("failed", why), work)
                    .await?;
            }
        }
        Ok(())
    }

    /// Ends a step that is not over: one that runs fails or is cancelled, and what it runs stops; another is
    /// skipped.
    pub(super) async fn end_step(
        &self,
        execution: &Execution,
        (step, run): (&Step, &mut StepRun),
        (status, why): (&'static str, &str),
        work: &mut Work<'_>,
    ) -> Result<()> {
        match run.status() {
            Status::Pending => skipped(execution, (step, run), why, work).await.map(drop),
            Status::Running => {
                if let Some(task) = run.text("task_id").map(str::to_owned) {
                    let task_status = if status == "cancelled" {
                        "stopped"
                    } else {
                        "failed"
                    };
                    self.runs.end_own(&task, task_status, why, work).await?;
                }
                ended(execution, (step, run), (status, why), work)
                    .await
                    .map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// A running execution, and how one of its steps is; `None` if it runs no more.
pub(super) async fn running(
    id: &str,
    step: &Step,
    work: &mut Work<'_>,
) -> Result<Option<(Execution, StepRun)>> {
    let execution = there(rows::execution(work.tx, &json!(id)).await)?;
    let Some(execution) = execution.filter(|execution| execution.status() == "running") else {
        return Ok(None);
    };
    let run = rows::run(work.tx, id, &step.id).await?;
    Ok(run.map(|run| (execution, run)))
}

/// A running execution, and how its steps are, by their ids: read once for all that a unit does.
async fn all_running(
    id: &str,
    work: &mut Work<'_>,
) -> Result<Option<(Execution, HashMap<String, StepRun>)>> {
    let execution = there(rows::execution(work.tx, &json!(id)).await)?;
    let Some(execution) = execution.filter(|execution| execution.status() == "running") else {
        return Ok(None);
    };
    let runs = rows::runs(work.tx, id).await?.into_iter();
    let named = runs.filter_map(|run| Some((run.text("step_id")?.to_owned(), run)));
    Ok(Some((execution, named.collect())))
}

pub(super) async fn completed(
    execution: &Execution,
    (step, run): (&Step, &mut StepRun),
    mut output: Value,
    work: &mut Work<'_>,
) -> Result<Next> {
    if let (Some(output), Some(task)) = (output.as_object_mut(), run.text("task_id")) {
        output.insert("task_id".to_owned(), json!(task));
        output.insert("session_id".to_owned(), json!(run.text("session_id")));
    }
    let changes = json!({
        "status": "completed",
        "output_data": output,
        "completed_at": work.now.to_string(),
    });
    run.change(changes, work).await?;
    let data = json!({"output_data": output, "duration": run.duration(work.now)});
    let message = format!("Step '{}' completed", step.name);
    execution.tell_step((step, run), "step_completed", &data, message, work)?;
    let over = Moment::Over("step_completed", None);
    execution.tell_agent((step, run), over, work).await?;
    Ok(Next::Is(Status::Completed, Some(output)))
}

pub(super) async fn failed(
    execution: &Execution,
    of: (&Step, &mut StepRun),
    why: &str,
    work: &mut Work<'_>,
) -> Result<Next> {
    ended(execution, of, ("failed", why), work).await
}

/// A step that ran is no success.
pub(super) async fn ended(
    execution: &Execution,
    (step, run): (&Step, &mut StepRun),
    (status, why): (&'static str, &str),
    work: &mut Work<'_>,
) -> Result<Next> {
    let why = &clean(why);
    let changes = json!({
        "status": status,
        "error_message": why,
        "completed_at": work.now.to_string(),
    });
    run.change(changes, work).await?;
    let data = json!({"error_message": why, "duration": run.duration(work.now)});
    let message = format!("Step '{}' {status}: {why}", step.name);
    execution.tell_step((step, run), "step_failed", &data, message, work)?;
    let error = (status != "cancelled").then_some(why.as_str());
    let over = Moment::Over("step_failed", error);
    execution.tell_agent((step, run), over, work).await?;
    Ok(Next::Is(run.status(), None))
}

pub(super) async fn skipped(
    execution: &Execution,
    (step, run): (&Step, &mut StepRun),
    why: &str,
    work: &mut Work<'_>,
) -> Result<Next> {
    let (why, had_begun) = (&clean(why), run.status() == Status::Running);
    let changes = json!({
        "status": "skipped",
        "error_message": why,
        "completed_at": work.now.to_string(),
    });
    run.change(changes, work).await?;
    let message = format!("Step '{}' was skipped: {why}", step.name);
    execution.tell_step(
        (step, run),
        "step_skipped",
        &json!({"reason": why}),
        message,
        work,
    )?;
    if had_begun {
        let over = Moment::Over("step_skipped", None);
        execution.tell_agent((step, run), over, work).await?;
    }
    Ok(Next::Is(Status::Skipped, None))
}

/// What a step gave: as much of a text as is kept.
pub(super) fn output(text: &str) -> Value {
    if text.len() <= OUTPUT {
        return json!({ "output": text });
    }
    let end = text.floor_char_boundary(OUTPUT);
    json!({"output": &text[..end], "truncated": true})
}
