//! Agents that work for others, and the ones in whose name users hire.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/agrenting.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    #[sea_orm(unique)]
    pub did: String,
    pub user_id: Option<String>,
    pub board_id: Option<String>,
    pub kind: String,
    pub name: String,
    pub description: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub capabilities: String,
    pub pricing_model: String,
    pub base_price: String,
    pub reputation_score: f64,
    pub status: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub last_seen_at: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub metadata: String,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp")]
    pub updated_at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
