//! Sessions: one agent's conversation about one piece of work.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: String,
    pub status: String,
    pub agent: String,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub last_updated: String,
    pub agent_version: Option<String>,
    pub description: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub repo: String,
    #[sea_orm(column_type = "Json")]
    pub git_state: String,
    #[sea_orm(column_type = "Json")]
    pub genealogy: String,
    #[sea_orm(column_type = "Json")]
    pub concepts: String,
    #[sea_orm(column_type = "Json")]
    pub tasks: String,
    pub message_count: i64,
    pub tool_use_count: i64,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
