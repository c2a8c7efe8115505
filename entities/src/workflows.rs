//! Workflows: what is to be done.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflows")]
#[expect(missing_docs, reason = "the fields are described in docs/workflows.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub workspace_id: String,
    pub project_id: Option<String>,
    pub name: String,
    pub description: Option<String>,
    pub version: i64,
    pub is_active: bool,
    #[sea_orm(column_type = "Json")]
    pub config: String,
    #[sea_orm(column_type = "Json")]
    pub variables: String,
    #[sea_orm(column_type = "Json")]
    pub metadata: String,
    pub timeout_seconds: i64,
    pub max_retries: i64,
    pub created_by: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
