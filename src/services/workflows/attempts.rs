//! The units of work of steps: they begin, are tried again, and come to an end, each told as it is stored.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Workflows,
    context::Context,
    definition::{Kind, Step},
    expression::Expression,
    plan::Status,
    rows::{self, Execution, StepRun},
};
use crate::{
    error::Result,
    services::runs::{Begun, Outcome},
    store::lane::Work,
};

/// Bytes of what a step gave that are kept.
const OUTPUT: usize = 256 << 10;

/// What an execution's end of a step that could be begun again is called.
const INTERRUPTED: &str = "interrupted by a restart";

/// What a step is to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// It runs a prompt.
    Prompt(String),
    /// It is done at once, and gives this.
    Give(Value),
    /// It is skipped; why.
    Skip(String),
    /// It cannot be done; why.
    Refuse(String),
    /// It is over once what is in it is.
    Hold,
}

/// What became of a step.
pub(super) enum Next {
    /// Its execution is over.
    Gone,
    /// A run is to be set off and waited for.
    Run(Begun),
    /// It is over, or holds others.
    Is(Status, Option<Value>),
}

impl Ask {
    /// What a step is to do where this is known.
    pub(super) fn of(step: &Step, context: &Context) -> Self {
        // Any step may have a condition.
        if let Some(condition) = &step.condition_expression {
            let holds = Expression::parse(condition)
                .and_then(|condition| condition.holds(&|path| context.value(path)));
            match holds {
                Ok(true) => {}
                Ok(false) => return Self::Skip(format!("Condition '{condition}' does not hold")),
                Err(why) => return Self::Refuse(format!("Condition '{condition}': {why}")),
            }
        }
        if step.step_type.is_group() {
            return Self::Hold;
        }
        if step.step_type == Kind::Condition && !step.asks() {
            return Self::Give(json!({"output": true, "result": true}));
        }
        match context.fill(step.prompt()) {
            Ok(prompt) => Self::Prompt(prompt),
            Err(why) => Self::Refuse(why),
        }
    }
}

impl Workflows {
    /// Begins a step, or sees what became of what it ran last: it is over, or tried again. `late` says that
    /// it took too long.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        id: &str,
        step: &Step,
        (ask, late): (&Ask, Option<&str>),
        work: &mut Work<'_>,
    ) -> Result<Next> {
        let Some((execution, mut run)) = running(id, step, work).await? else {
            return Ok(Next::Gone);
        };
        match run.status() {
            Status::Pending => self.begin(&execution, (step, &mut run), ask, work).await,
            Status::Running => {
                self.judge(&execution, (step, &mut run), (ask, late), work)
                    .await
            }
            over => Ok(Next::Is(over, run.0.get("output_data").cloned())),
        }
    }

    async fn begin(
        self: &Arc<Self>,
        execution: &Execution,
        (step, run): (&Step, &mut StepRun),
        ask: &Ask,
        work: &mut Work<'_>,
    ) -> Result<Next> {
        let now = work.now.to_string();
        let begun = match ask {
            Ask::Prompt(prompt) => Some(self.ask(execution, (step, run), prompt, work).await?),
            _ => None,
        };
        run.change(json!({"status": "running", "started_at": now}), work)
            .await?;
        execution.tell_start((step, run), work)?;
        match begun {
            Some(begun) => Ok(Next::Run(begun)),
            None => settle(execution, (step, run), ask, work).await,
        }
    }

    /// Begins a run of a step's prompt.
    async fn ask(
        self: &Arc<Self>,
        execution: &Execution,
        (step, run): (&Step, &mut StepRun),
        prompt: &str,
        work: &mut Work<'_>,
    ) -> Result<Begun> {
        let title = format!("{}/{}", execution.name(), step.name);
        let author = execution.0.get("created_by").and_then(Value::as_str);
        let session = run.text("session_id");
        let begun = self
            .runs
            .begin_own(session, &title, (prompt, author), work)
            .await?;
        let changes = json!({
            "session_id": begun.session,
            "task_id": begun.task,
            "input_data": {"prompt": prompt},
        });
        run.change(changes, work).await?;
        Ok(begun)
    }

    /// Looks what became of a step's run.
    async fn judge(
        self: &Arc<Self>,
        execution: &Execution,
        (step, run): (&Step, &mut StepRun),
        (ask, late): (&Ask, Option<&str>),
        work: &mut Work<'_>,
    ) -> Result<Next> {
        let (Ask::Prompt(prompt), Some(task)) = (ask, run.text("task_id").map(str::to_owned))
        else {
            return settle(execution, (step, run), ask, work).await;
        };
        let why = match self.runs.outcome(&task, work.tx).await? {
            Outcome::Said(text) => {
                let output = output(text);
                return completed(execution, (step, run), output, work).await;
            }
            Outcome::Failed(why) => why,
            Outcome::Open => {
                let why = late.unwrap_or(INTERRUPTED);
                self.runs.end_own(&task, "failed", why, work).await?;
                why.to_owned()
            }
        };
        let most = step
            .max_retries
            .or_else(|| execution.definition()["max_retries"].as_u64());
        if run.retries() >= most.unwrap_or_default() {
            return failed(execution, (step, run), &why, work).await;
        }
        run.change(json!({"retry_count": run.retries() + 1}), work)
            .await?;
        let begun = self.ask(execution, (step, run), prompt, work).await?;
        execution.tell_agent((step, run), ("busy", "busy"), "retrying", Some(&why), work)?;
        Ok(Next::Run(begun))
    }

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
        for (step, why) in steps {
            if let Some((execution, mut run)) = running(id, step, work).await?
                && run.status() == Status::Pending
            {
                skipped(&execution, (step, &mut run), why, work).await?;
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
        let Some((execution, mut run)) = running(id, group, work).await? else {
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
            let Some(own) = rows::run(work.tx, id, &step.id).await? else {
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

    /// Ends a step, or a group with all in it, that is not over: it failed.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn fail(
        &self,
        id: &str,
        steps: &[Step],
        why: &str,
        work: &mut Work<'_>,
    ) -> Result<()> {
        // Groups are told of when what is in them is.
        for step in steps.iter().rev() {
            let Some((execution, mut run)) = running(id, step, work).await? else {
                return Ok(());
            };
            self.end_step(&execution, (step, &mut run), ("failed", why), work)
                .await?;
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
async fn running(
    id: &str,
    step: &Step,
    work: &mut Work<'_>,
) -> Result<Option<(Execution, StepRun)>> {
    let execution = crate::services::runs::there(rows::execution(work.tx, &json!(id)).await)?;
    let Some(execution) = execution.filter(|execution| execution.status() == "running") else {
        return Ok(None);
    };
    let run = rows::run(work.tx, id, &step.id).await?;
    Ok(run.map(|run| (execution, run)))
}

/// Does what is done at once.
async fn settle(
    execution: &Execution,
    of: (&Step, &mut StepRun),
    ask: &Ask,
    work: &mut Work<'_>,
) -> Result<Next> {
    match ask {
        Ask::Give(output) => completed(execution, of, output.clone(), work).await,
        Ask::Skip(why) => skipped(execution, of, why, work).await,
        Ask::Refuse(why) => failed(execution, of, why, work).await,
        Ask::Hold => Ok(Next::Is(Status::Running, None)),
        Ask::Prompt(_) => failed(execution, of, INTERRUPTED, work).await,
    }
}

async fn completed(
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
    execution.tell_agent((step, run), ("busy", "idle"), "step_completed", None, work)?;
    Ok(Next::Is(Status::Completed, Some(output)))
}

async fn failed(
    execution: &Execution,
    of: (&Step, &mut StepRun),
    why: &str,
    work: &mut Work<'_>,
) -> Result<Next> {
    ended(execution, of, ("failed", why), work).await
}

/// A step that ran is no success.
async fn ended(
    execution: &Execution,
    (step, run): (&Step, &mut StepRun),
    (status, why): (&'static str, &str),
    work: &mut Work<'_>,
) -> Result<Next> {
    let changes = json!({
        "status": status,
        "error_message": why,
        "completed_at": work.now.to_string(),
    });
    run.change(changes, work).await?;
    let data = json!({"error_message": why, "duration": run.duration(work.now)});
    let message = format!("Step '{}' {status}: {why}", step.name);
    execution.tell_step((step, run), "step_failed", &data, message, work)?;
    let (agent, error) = match status {
        "cancelled" => ("idle", None),
        _ => ("error", Some(why)),
    };
    execution.tell_agent((step, run), ("busy", agent), "step_failed", error, work)?;
    Ok(Next::Is(run.status(), None))
}

async fn skipped(
    execution: &Execution,
    (step, run): (&Step, &mut StepRun),
    why: &str,
    work: &mut Work<'_>,
) -> Result<Next> {
    let had_begun = run.status() == Status::Running;
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
        execution.tell_agent((step, run), ("busy", "idle"), "step_skipped", None, work)?;
    }
    Ok(Next::Is(Status::Skipped, None))
}

/// What a step gave: as much of a text as is kept.
fn output(text: String) -> Value {
    if text.len() <= OUTPUT {
        return json!({ "output": text });
    }
    let end = text.floor_char_boundary(OUTPUT);
    json!({"output": &text[..end], "truncated": true})
}
