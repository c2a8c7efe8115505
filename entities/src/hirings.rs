//! Hirings: an agent works on a task for a client.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hirings")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub status: String,
    pub agent_id: String,
    pub client_agent_id: String,
    pub user_id: Option<String>,
    pub session_id: String,
    pub task_id: String,
    pub price: String,
    pub capability_requested: String,
    pub task_description: String,
    pub delivery_mode: String,
    pub repo_url: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub task_input: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub task_output: Option<String>,
    pub client_message: Option<String>,
    pub idempotency_key: Option<String>,
    pub failed_reason: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub started_at: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub completed_at: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
