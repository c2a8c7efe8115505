//! How tasks went: their timelines.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "task_steps")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub task_id: String,
    pub event_type: String,
    #[sea_orm(column_type = "Timestamp")]
    pub at: String,
    pub progress_percent: Option<i64>,
    pub progress_message: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub details: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
