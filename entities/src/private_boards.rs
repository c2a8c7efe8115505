//! Which boards only their members see. Rows of removed boards stay: the log still speaks of them.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "private_boards")]
#[expect(missing_docs, reason = "the name is the documentation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub board_id: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
