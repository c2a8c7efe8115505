//! Agents' instances.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent_instances")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/mgx.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workspace_id: String,
    pub project_id: Option<String>,
    pub definition_id: String,
    pub name: String,
    pub status: String,
    #[sea_orm(column_type = "Json")]
    pub config: String,
    pub last_error: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
