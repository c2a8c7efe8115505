//! What runs now: a row as long as it does.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "runs")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub session_id: String,
    pub task_id: String,
    #[sea_orm(column_type = "Timestamp")]
    pub started_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
