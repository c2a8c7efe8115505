//! Messages: what was said in a session, ordered by `index`.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: String,
    pub session_id: String,
    pub task_id: Option<String>,
    pub r#type: String,
    pub role: String,
    pub index: i64,
    #[sea_orm(column_type = "Timestamp")]
    pub timestamp: String,
    pub content_preview: String,
    #[sea_orm(column_type = "Json")]
    pub content: String,
    #[sea_orm(column_type = "Json", nullable)]
    pub tool_uses: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub metadata: Option<String>,
    pub parent_tool_use_id: Option<String>,
    pub status: Option<String>,
    pub queue_position: Option<i64>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
