//! Definitions, instances and messages, as the database has them.

use std::sync::LazyLock;

use entities::{agent_definitions, agent_instances, agent_messages, step_executions};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Value, json};

use super::status::Status;
use crate::{
    core::Record,
    error::{Error, Kind, Result},
    services::values::{as_record, text},
    store::{lane::Work, table::Table, transaction::Reader},
};

pub(super) static DEFINITIONS: LazyLock<Table> =
    LazyLock::new(|| Table::of::<agent_definitions::Entity>("id"));
pub(super) static INSTANCES: LazyLock<Table> =
    LazyLock::new(|| Table::of::<agent_instances::Entity>("id"));
pub(super) static MESSAGES: LazyLock<Table> =
    LazyLock::new(|| Table::of::<agent_messages::Entity>("id"));
static STEPS: LazyLock<Table> = LazyLock::new(|| Table::of::<step_executions::Entity>("id"));

/// An instance, as a unit of work has it.
#[derive(Clone, Debug)]
pub(in crate::services) struct Instance(pub(super) Record);

impl Instance {
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub(super) async fn get(id: &Value, db: &mut dyn Reader) -> Result<Self> {
        let found = INSTANCES.get(db, id, Condition::all()).await;
        found
            .map(Self)
            .map_err(|error| missing(error, "Agent not found"))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        text(&self.0, name).unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.text("id")
    }

    pub(in crate::services) fn name(&self) -> &str {
        self.text("name")
    }

    pub(super) fn workspace(&self) -> &str {
        self.text("workspace_id")
    }

    pub(super) fn status(&self) -> Status {
        Status::parse(self.text("status")).unwrap_or(Status::Offline)
    }

    /// Changes its row.
    pub(super) async fn change(&mut self, changes: Value, work: &mut Work<'_>) -> Result<()> {
        let mut changes = as_record(changes);
        changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
        let id = json!(self.id());
        INSTANCES.change(work.tx, &id, &changes).await?;
        self.0.extend(changes);
        Ok(())
    }

    /// How many steps of workflows run at it.
    pub(super) async fn steps(&self, db: &mut dyn Reader) -> Result<u64> {
        use step_executions::Column::{AgentInstanceId, Status};
        let running = Condition::all()
            .add(Expr::col(AgentInstanceId).eq(self.id()))
            .add(Expr::col(Status).eq("running"));
        STEPS.count(db, running).await
    }
}

/// A `NotFound` in other words.
pub(super) fn missing(error: Error, text: &'static str) -> Error {
    match error.kind() {
        Kind::NotFound => Error::not_found(text),
        _ => error,
    }
}
