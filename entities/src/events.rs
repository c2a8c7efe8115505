//! The log: one row an event, in commit order, without gap.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub id: String,
    #[sea_orm(column_type = "Timestamp")]
    pub at: String,
    pub source: String,
    pub name: String,
    pub level: String,
    pub actor: Option<String>,
    pub correlation_id: Option<String>,
    pub audience: String,
    pub topics: String,
    pub message: Option<String>,
    pub data: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
