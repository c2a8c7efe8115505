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
    pub title: Option<String>,
    pub description: Option<String>,
    pub created_by: Option<String>,
    pub worktree_id: Option<String>,
    pub agent_session_id: Option<String>,
    pub sdk_session_id: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub repo: String,
    #[sea_orm(column_type = "Json")]
    pub git_state: String,
    #[sea_orm(column_type = "Json")]
    pub genealogy: String,
    #[sea_orm(column_type = "Json")]
    pub concepts: String,
    #[sea_orm(column_name = "contextFiles", column_type = "Json", nullable)]
    pub context_files: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub tasks: String,
    pub message_count: i64,
    pub tool_use_count: i64,
    #[sea_orm(column_type = "Json", nullable)]
    pub permission_config: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub model_config: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub custom_context: Option<String>,
    pub current_context_usage: Option<i64>,
    pub context_window_limit: Option<i64>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub last_context_update_at: Option<String>,
    pub scheduled_run_at: Option<i64>,
    pub scheduled_from_worktree: bool,
    pub ready_for_prompt: bool,
    pub archived: bool,
    pub archived_reason: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
