//! Tasks: one piece of work in a session, from a prompt to its end.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    pub session_id: String,
    pub status: String,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub completed_at: Option<String>,
    pub created_by: Option<String>,
    pub description: String,
    pub full_prompt: String,
    #[sea_orm(column_type = "Json")]
    pub message_range: String,
    #[sea_orm(column_type = "Json")]
    pub git_state: String,
    pub model: String,
    pub tool_use_count: i64,
    pub duration_ms: Option<i64>,
    pub agent_session_id: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub report: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub permission_request: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub raw_sdk_response: Option<String>,
    pub error: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub usage: Option<String>,
    pub provider_agent_id: Option<String>,
    pub client_agent_id: Option<String>,
    pub hiring_id: Option<String>,
    pub capability: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub input: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub output: Option<String>,
    pub progress_percent: Option<i64>,
    pub progress_message: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub updated_at: Option<String>,
    pub stream_id: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
