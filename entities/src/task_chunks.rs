//! What tasks stream, piece by piece.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_chunks")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub total: i64,
    pub id: String,
    pub kind: String,
    pub content: String,
    #[sea_orm(column_type = "Timestamp")]
    pub at: String,
    #[sea_orm(column_type = "Json")]
    pub metadata: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
