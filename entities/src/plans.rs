//! Plans: what a run means to do, and what people decided on it.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "plans")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/mgx.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: String,
    #[sea_orm(column_type = "Json")]
    pub plan: String,
    #[sea_orm(column_type = "Timestamp")]
    pub requested_at: String,
    pub decision: Option<String>,
    pub feedback: Option<String>,
    pub decided_by: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub decided_at: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
