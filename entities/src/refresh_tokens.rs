//! Refresh tokens that were given out, by their digests: no service is over this table.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: String,
    /// Tokens that came from one login: if one is used twice, all of them end.
    pub family: String,
    pub user_id: String,
    #[sea_orm(column_type = "Timestamp")]
    pub ends_at: String,
    pub used: bool,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
