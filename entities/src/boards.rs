//! Boards: what a team looks at. Its sessions are in `board_sessions`.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "boards")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub board_id: String,
    pub name: String,
    #[sea_orm(unique)]
    pub slug: Option<String>,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub last_updated: String,
    pub description: Option<String>,
    pub color: Option<String>,
    pub icon: Option<String>,
    pub visibility: String,
    pub created_by: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub objects: Option<String>,
    pub background_color: Option<String>,
    #[sea_orm(column_type = "Json", nullable)]
    pub custom_context: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
