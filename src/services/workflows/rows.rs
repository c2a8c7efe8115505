//! Workflows and their executions, as the database has them.

use std::sync::LazyLock;

use entities::{step_executions, workflow_executions, workflow_steps, workflows};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{definition::Step, plan::Status, variables::Variable};
use crate::{
    core::{
        Record,
        clock::Timestamp,
        scope::{Audience, Topic},
    },
    error::{Error, Result},
    services::values::{as_record, text},
    store::{lane::Work, table::Table, transaction::Reader},
};

pub(super) static WORKFLOWS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<workflows::Entity>("id"));
pub(super) static STEPS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<workflow_steps::Entity>("id"));
pub(super) static EXECUTIONS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<workflow_executions::Entity>("id"));
/// Executions as lists show them: without what they are made of, which may be large.
pub(super) static LISTED: LazyLock<Table> = LazyLock::new(|| {
    let whole = Table::of::<workflow_executions::Entity>("id");
    whole.reading(|column| !matches!(column, "definition" | "variables"))
});
/// Nothing but their ids.
static IDS: LazyLock<Table> = LazyLock::new(|| {
    Table::of::<workflow_executions::Entity>("id").reading(|column| column == "id")
});
pub(super) static RUNS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<step_executions::Entity>("id"));

/// An execution.
#[derive(Clone, Debug)]
pub(super) struct Execution(pub(super) Record);

/// How one of an execution's steps went.
#[derive(Clone, Debug)]
pub(super) struct StepRun(pub(super) Record);

impl Execution {
    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.0, name).unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    pub(super) fn status(&self) -> &str {
        self.text("status")
    }

    /// Whether it is still to come to an end.
    pub(super) fn is_open(&self) -> bool {
        OPEN.contains(&self.status())
    }

    /// What the workflow was when the execution was asked for: `{name, timeout_seconds, max_retries, steps}`.
    pub(super) fn definition(&self) -> &Value {
        self.0.get("definition").unwrap_or(&Value::Null)
    }

    pub(super) fn name(&self) -> &str {
        self.definition()["name"].as_str().unwrap_or_default()
    }

    /// # Errors
    /// If the row cannot be read.
    pub(super) fn steps(&self) -> Result<Vec<Step>> {
        parse(&self.definition()["steps"])
    }

    pub(super) fn variables(&self) -> Map<String, Value> {
        let variables = self.0.get("variables").and_then(Value::as_object);
        variables.cloned().unwrap_or_default()
    }

    pub(super) fn started_at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.text("started_at"))
    }

    /// What its events are about: its workflow, itself and where they are, and more.
    pub(super) fn topics(&self, more: &[(&str, Option<&str>)]) -> Vec<Topic> {
        let own = [
            ("workflow", text(&self.0, "workflow_id")),
            ("execution", text(&self.0, "id")),
            ("workspace", text(&self.0, "workspace_id")),
            ("stream", text(&self.0, "stream_id")),
        ];
        let all = own.iter().chain(more);
        all.filter_map(|(kind, id)| id.map(|id| Topic::new(kind, id)))
            .collect()
    }

    /// Everybody who is let in.
    pub(super) const fn audience() -> Audience {
        Audience::Everyone
    }

    /// Changes its row.
    pub(super) async fn change(&mut self, changes: Value, work: &mut Work<'_>) -> Result<()> {
        let mut changes = as_record(changes);
        changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
        let id = json!(self.id());
        EXECUTIONS.change(work.tx, &id, &changes).await?;
        self.0.extend(changes);
        Ok(())
    }
}

impl StepRun {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text(&self.0, name)
    }

    pub(super) fn position(&self) -> usize {
        let position = self.0.get("position").and_then(Value::as_u64);
        position
            .and_then(|at| usize::try_from(at).ok())
            .unwrap_or_default()
    }

    pub(super) fn status(&self) -> Status {
        self.text("status")
            .and_then(Status::parse)
            .unwrap_or(Status::Pending)
    }

    pub(super) fn retries(&self) -> u64 {
        self.0
            .get("retry_count")
            .and_then(Value::as_u64)
            .unwrap_or_default()
    }

    /// Seconds from its beginning to a moment.
    pub(super) fn duration(&self, now: Timestamp) -> f64 {
        seconds(self.text("started_at").and_then(Timestamp::parse), now)
    }

    /// Changes its row.
    pub(super) async fn change(&mut self, changes: Value, work: &mut Work<'_>) -> Result<()> {
        let changes = as_record(changes);
        let id = json!(self.text("id"));
        RUNS.change(work.tx, &id, &changes).await?;
        self.0.extend(changes);
        Ok(())
    }
}

/// Statuses in which an execution is still to come to an end.
pub(super) const OPEN: [&str; 2] = ["pending", "running"];

/// Seconds between two moments, with milliseconds; 0 if it did not begin.
#[expect(
    clippy::cast_precision_loss,
    reason = "there are not so many milliseconds"
)]
pub(super) fn seconds(began: Option<Timestamp>, now: Timestamp) -> f64 {
    let millis = began.map_or(0, |began| Ord::max(now.millis() - began.millis(), 0));
    millis as f64 / 1_000.0
}

/// A stored value.
///
/// # Errors
/// If it cannot be read.
pub(super) fn parse<T: DeserializeOwned>(value: &Value) -> Result<T> {
    let unreadable = |error| Error::general("A workflow's row cannot be read").caused_by(error);
    T::deserialize(value).map_err(unreadable)
}

/// A workflow.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn workflow(db: &mut dyn Reader, id: &Value) -> Result<Record> {
    let found = WORKFLOWS.get(db, id, Condition::all()).await;
    found.map_err(|error| missing(error, "Workflow not found"))
}

/// A workflow's variables.
///
/// # Errors
/// If the row cannot be read.
pub(super) fn variables(workflow: &Record) -> Result<Vec<Variable>> {
    parse(workflow.get("variables").unwrap_or(&Value::Null))
}

/// A workflow's steps, in their order.
pub(super) async fn steps(db: &mut dyn Reader, workflow: &str) -> Result<Vec<Record>> {
    steps_of(db, &[workflow]).await
}

/// The steps of workflows, each one's in their order.
pub(super) async fn steps_of(db: &mut dyn Reader, workflows: &[&str]) -> Result<Vec<Record>> {
    use workflow_steps::Column::{Position, WorkflowId};
    let these = Expr::col(WorkflowId).is_in(workflows.iter().copied());
    let mut select = STEPS.select(these.into());
    select.order_by(Position, Order::Asc);
    db.select(&select, STEPS.columns()).await
}

/// An execution.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn execution(db: &mut dyn Reader, id: &Value) -> Result<Execution> {
    let found = EXECUTIONS.get(db, id, Condition::all()).await;
    found
        .map(Execution)
        .map_err(|error| missing(error, "Workflow execution not found"))
}

fn missing(error: Error, text: &'static str) -> Error {
    match error.kind() {
        crate::error::Kind::NotFound => Error::not_found(text),
        _ => error,
    }
}

/// The ids of executions that are still to come to an end, the oldest first.
pub(super) async fn open(db: &mut dyn Reader) -> Result<Vec<Record>> {
    let mut select = IDS.select(open_ones(None));
    select.order_by(workflow_executions::Column::CreatedAt, Order::Asc);
    db.select(&select, IDS.columns()).await
}

/// Which executions are still to come to an end.
pub(super) fn open_ones(workflow: Option<&str>) -> Condition {
    use workflow_executions::Column::{Status as Column, WorkflowId};
    let open = Condition::all().add(Expr::col(Column).is_in(OPEN));
    match workflow {
        Some(workflow) => open.add(Expr::col(WorkflowId).eq(workflow)),
        None => open,
    }
}

/// How an execution's steps are, in their order.
pub(super) async fn runs(db: &mut dyn Reader, execution: &str) -> Result<Vec<StepRun>> {
    use step_executions::Column::{ExecutionId, Position};
    let mut select = RUNS.select(Expr::col(ExecutionId).eq(execution).into());
    select.order_by(Position, Order::Asc);
    let rows = db.select(&select, RUNS.columns()).await?;
    Ok(rows.into_iter().map(StepRun).collect())
}

/// How one of an execution's steps is.
pub(super) async fn run(
    db: &mut dyn Reader,
    execution: &str,
    step: &str,
) -> Result<Option<StepRun>> {
    use step_executions::Column::{ExecutionId, StepId};
    let own = Condition::all()
        .add(Expr::col(ExecutionId).eq(execution))
        .add(Expr::col(StepId).eq(step));
    let rows = db.select(&RUNS.select(own), RUNS.columns()).await?;
    Ok(rows.into_iter().next().map(StepRun))
}
