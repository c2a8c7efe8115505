//! How executions begin and end: each a unit of work with its event.

use serde_json::{Map, Value, json};

use super::{
    Workflows,
    plan::Status,
    rows::{self, Execution, StepRun, seconds},
};
use crate::{
    error::{Error, Result},
    services::runs::there,
    store::lane::Work,
};

/// Bytes of all results that are told together; those of more are left out.
const RESULTS: usize = 1 << 20;

/// Why an execution ends before its steps are over.
#[derive(Clone, Debug)]
pub(super) enum Close {
    Cancelled,
    Late,
    /// Why it cannot go on.
    Broken(String),
}

impl Close {
    pub(super) const fn late() -> Self {
        Self::Late
    }

    pub(super) const fn broken(why: String) -> Self {
        Self::Broken(why)
    }
}

impl Workflows {
    /// Begins an execution, unless it has begun; it and how its steps are. `None` if it is over.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn start(
        &self,
        id: &str,
        work: &mut Work<'_>,
    ) -> Result<Option<(Execution, Vec<StepRun>)>> {
        let Some(mut execution) = there(rows::execution(work.tx, &json!(id)).await)? else {
            return Ok(None);
        };
        if !execution.is_open() {
            return Ok(None);
        }
        let runs = rows::runs(work.tx, id).await?;
        if execution.status() == "pending" {
            let now = work.now.to_string();
            execution
                .change(json!({"status": "running", "started_at": now}), work)
                .await?;
            let name = execution.name();
            let data = json!({
                "workflow_name": name,
                "input_variables": execution.0.get("input_variables"),
                "step_count": runs.len(),
            });
            let message = format!("Workflow '{name}' started execution");
            execution.tell("workflow_started", &data, message, work)?;
        }
        Ok(Some((execution, runs)))
    }

    /// Ends an execution whose steps are all over.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn finish(&self, id: &str, work: &mut Work<'_>) -> Result<()> {
        let Some(mut execution) = there(rows::execution(work.tx, &json!(id)).await)? else {
            return Ok(());
        };
        if execution.status() != "running" {
            return Ok(());
        }
        let steps = execution.steps()?;
        let runs = rows::runs(work.tx, id).await?;
        let failed = runs.iter().find(|run| run.status() == Status::Failed);
        let why = failed.map(|run| {
            let name = steps
                .get(run.position())
                .map_or("", |step| step.name.as_str());
            let why = run.text("error_message").unwrap_or("it failed");
            format!("Step '{name}' failed: {why}")
        });
        match why {
            Some(why) => fail(&mut execution, &runs, ("failed", "step_failed", &why), work).await,
            None => complete(&mut execution, &runs, work).await,
        }
    }

    /// Ends an execution and its steps before they are over; the execution as it is then, and whether this
    /// ended it.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn close(
        &self,
        id: &str,
        close: &Close,
        work: &mut Work<'_>,
    ) -> Result<(Execution, bool)> {
        let mut execution = rows::execution(work.tx, &json!(id)).await?;
        if !execution.is_open() {
            return Ok((execution, false));
        }
        let steps = execution.steps()?;
        let timeout = execution.definition()["timeout_seconds"].clone();
        let (status, why) = match close {
            Close::Cancelled => ("cancelled", CANCELLED.to_owned()),
            Close::Late => (
                "failed",
                format!("The workflow timed out after {timeout} s"),
            ),
            Close::Broken(why) => ("failed", why.clone()),
        };
        let mut runs = rows::runs(work.tx, id).await?;
        // Groups are told of when what is in them is.
        for run in runs.iter_mut().rev() {
            let Some(step) = steps.get(run.position()) else {
                return Err(Error::general("An execution's rows do not fit its steps"));
            };
            self.end_step(&execution, (step, run), (status, &why), work)
                .await?;
        }
        match close {
            Close::Cancelled => cancel(&mut execution, &runs, work).await?,
            Close::Late => fail(&mut execution, &runs, ("timeout", "timeout", &why), work).await?,
            Close::Broken(_) => {
                fail(&mut execution, &runs, ("failed", "internal", &why), work).await?;
            }
        }
        Ok((execution, true))
    }
}

/// What MGX says of a cancelled execution.
const CANCELLED: &str = "Workflow execution was cancelled";

async fn complete(execution: &mut Execution, runs: &[StepRun], work: &mut Work<'_>) -> Result<()> {
    let results = results(execution, runs)?;
    let changes = json!({
        "status": "completed",
        "results": results,
        "completed_at": work.now.to_string(),
    });
    execution.change(changes, work).await?;
    let mut data = summary(execution, runs, work);
    data["results"] = results;
    let goal = &execution.definition()["goal"];
    if !goal.is_null() {
        data["goal"] = goal.clone();
    }
    let message = format!("Workflow '{}' completed", execution.name());
    execution.tell("workflow_completed", &data, message, work)
}

async fn fail(
    execution: &mut Execution,
    runs: &[StepRun],
    (status, error_type, why): (&str, &str, &str),
    work: &mut Work<'_>,
) -> Result<()> {
    let changes = json!({
        "status": status,
        "results": results(execution, runs)?,
        "error_message": why,
        "completed_at": work.now.to_string(),
    });
    execution.change(changes, work).await?;
    let mut data = summary(execution, runs, work);
    data["error_message"] = json!(why);
    data["error_type"] = json!(error_type);
    let message = format!("Workflow '{}' failed: {why}", execution.name());
    execution.tell("workflow_failed", &data, message, work)
}

async fn cancel(execution: &mut Execution, runs: &[StepRun], work: &mut Work<'_>) -> Result<()> {
    let changes = json!({
        "status": "cancelled",
        "results": results(execution, runs)?,
        "completed_at": work.now.to_string(),
    });
    execution.change(changes, work).await?;
    execution.tell("workflow_cancelled", &json!({}), CANCELLED.to_owned(), work)
}

/// What steps gave, and how they are, by their names: `{step_outputs, step_statuses}`.
fn results(execution: &Execution, runs: &[StepRun]) -> Result<Value> {
    let steps = execution.steps()?;
    let (mut outputs, mut statuses) = (Map::new(), Map::new());
    let mut bytes = 0;
    for run in runs {
        let Some(step) = steps.get(run.position()) else {
            continue;
        };
        statuses.insert(step.name.clone(), json!(run.status().as_str()));
        let output = run.0.get("output_data").filter(|output| !output.is_null());
        if let Some(output) = output {
            bytes += output.to_string().len();
            let kept = if bytes > RESULTS {
                json!({"truncated": true})
            } else {
                output.clone()
            };
            outputs.insert(step.name.clone(), kept);
        }
    }
    Ok(json!({"step_outputs": outputs, "step_statuses": statuses}))
}

/// How many steps there are, and how they ended.
fn summary(execution: &Execution, runs: &[StepRun], work: &Work<'_>) -> Value {
    let count = |status: Status| runs.iter().filter(|run| run.status() == status).count();
    json!({
        "step_count": runs.len(),
        "completed_steps": count(Status::Completed),
        "failed_steps": count(Status::Failed),
        "skipped_steps": count(Status::Skipped),
        "duration": seconds(execution.started_at(), work.now),
    })
}
