//! How executions' steps went.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "step_executions")]
#[expect(missing_docs, reason = "the fields are described in docs/workflows.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub execution_id: String,
    pub step_id: String,
    pub agent_instance_id: Option<String>,
    pub position: i64,
    pub status: String,
    #[sea_orm(column_type = "Json", nullable)]
    pub input_data: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub output_data: Option<String>,
    pub error_message: Option<String>,
    pub retry_count: i64,
    pub session_id: Option<String>,
    pub task_id: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub started_at: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub completed_at: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
