//! Swarms: which there are, and how they are.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "swarms")]
#[expect(missing_docs, reason = "the fields are described in docs/swarms.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub status: String,
    #[sea_orm(column_type = "Json")]
    pub topology: String,
    pub board_id: Option<String>,
    pub config_path: Option<String>,
    pub created_by: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub started_at: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
