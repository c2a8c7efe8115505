//! What happened in swarms.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "swarm_events")]
#[expect(missing_docs, reason = "the fields are described in docs/swarms.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(column_type = "Timestamp")]
    pub at: String,
    pub level: String,
    pub category: String,
    pub swarm: String,
    pub agent: Option<String>,
    pub event_type: String,
    pub message: String,
    #[sea_orm(column_type = "Json")]
    pub metadata: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
