//! Assignments: what a session is for, and where it belongs.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "assignments")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/mgx.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: String,
    pub workspace_id: String,
    pub project_id: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub config: String,
    pub max_rounds: i64,
    pub max_revision_rounds: i64,
    pub memory_size: i64,
    pub run_branch_prefix: Option<String>,
    pub commit_template: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
