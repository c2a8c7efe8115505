//! The units of work in which steps begin, and are tried again.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Workflows,
    context::Context,
    definition::{Kind, Step},
    expression::Expression,
    plan::Status,
    rows::{Execution, StepRun},
    settling::{completed, failed, output, running, skipped},
    telling::Moment,
};
use crate::{
    error::Result,
    services::{
        assignments,
        runs::{Begun, Outcome},
    },
    store::lane::Work,
};

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
        let start = work.published();
        let begun = match ask {
            Ask::Prompt(prompt) => Some(self.ask(execution, (step, run), prompt, work).await?),
            _ => None,
        };
        run.change(json!({"status": "running", "started_at": now}), work)
            .await?;
        let middle = work.published();
        execution.tell_start((step, run), work).await?;
        // What it runs is told after it.
        work.put_first(start, middle);
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
        let workspace = execution.text("workspace_id");
        assignments::place(&begun.session, workspace, work).await?;
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
        // What ran counts, whatever the step would be asked by now.
        let Some(task) = run.text("task_id").map(str::to_owned) else {
            return settle(execution, (step, run), ask, work).await;
        };
        let why = match self.runs.outcome(&task, work.tx).await? {
            Outcome::Said(text) => {
                let output = output(&text);
                return completed(execution, (step, run), output, work).await;
            }
            Outcome::Failed(why) => why,
            // Nobody wants it to begin again.
            Outcome::Stopped(why) => return failed(execution, (step, run), &why, work).await,
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
        let prompt = match ask {
            Ask::Prompt(prompt) => prompt.clone(),
            _ => asked(run),
        };
        let begun = self.ask(execution, (step, run), &prompt, work).await?;
        let again = Moment::Again(&why);
        execution.tell_agent((step, run), again, work).await?;
        Ok(Next::Run(begun))
    }
}

/// What a step asked the last time.
fn asked(run: &StepRun) -> String {
    let input = run.0.get("input_data").map(|input| &input["prompt"]);
    let prompt = input.and_then(Value::as_str).unwrap_or_default();
    prompt.to_owned()
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
