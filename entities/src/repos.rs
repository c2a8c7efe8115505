//! Repos: repositories that sessions work in, and their worktrees.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "repos")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub repo_id: String,
    #[sea_orm(unique)]
    pub slug: String,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub last_updated: String,
    pub name: String,
    pub remote_url: Option<String>,
    pub local_path: String,
    pub managed_by_agor: bool,
    pub default_branch: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub worktrees: String,
    #[sea_orm(column_type = "Json", nullable)]
    pub environment_config: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
