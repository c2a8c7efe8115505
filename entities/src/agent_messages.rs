//! What agents' instances are told, and what they say.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent_messages")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/mgx.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workspace_id: String,
    pub agent_instance_id: String,
    pub number: i64,
    pub direction: String,
    #[sea_orm(column_type = "Json")]
    pub payload: String,
    pub correlation_id: Option<String>,
    pub task_id: Option<String>,
    pub run_id: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
