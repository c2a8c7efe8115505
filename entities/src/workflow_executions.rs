//! Executions of workflows, with what they were when these began.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflow_executions")]
#[expect(missing_docs, reason = "the fields are described in docs/workflows.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workflow_id: String,
    pub workspace_id: String,
    pub execution_number: i64,
    pub status: String,
    pub stream_id: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub definition: String,
    #[sea_orm(column_type = "Json")]
    pub input_variables: String,
    #[sea_orm(column_type = "Json")]
    pub variables: String,
    #[sea_orm(column_type = "Json", nullable)]
    pub results: Option<String>,
    pub error_message: Option<String>,
    pub created_by: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub started_at: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub completed_at: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
