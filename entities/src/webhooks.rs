//! Who is called when tasks change. Their secrets are made from their ids and the daemon's own.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhooks")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub webhook_id: String,
    pub callback_url: String,
    #[sea_orm(column_type = "Json")]
    pub event_types: String,
    pub status: String,
    pub user_id: Option<String>,
    pub agent_id: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
