//! Workflows' steps; those of a group name it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflow_steps")]
#[expect(missing_docs, reason = "the fields are described in docs/workflows.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workflow_id: String,
    pub parent_step_id: Option<String>,
    pub position: i64,
    pub name: String,
    pub step_type: String,
    pub step_order: i64,
    #[sea_orm(column_type = "Json")]
    pub config: String,
    #[sea_orm(column_type = "Json")]
    pub depends_on_steps: String,
    pub condition_expression: Option<String>,
    pub agent_definition_id: Option<String>,
    pub agent_instance_id: Option<String>,
    pub timeout_seconds: Option<i64>,
    pub max_retries: Option<i64>,
    #[sea_orm(column_type = "Json")]
    pub metadata: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
