//! What webhooks are told, until it is done.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_deliveries")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub webhook_id: String,
    pub task_id: String,
    pub event: String,
    pub body: String,
    pub attempts: i64,
    #[sea_orm(column_type = "Timestamp")]
    pub due_at: String,
    pub failure: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub done_at: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
