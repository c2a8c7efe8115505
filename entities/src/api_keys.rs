//! API keys, as people see them. The keys' digests are in `api_key_digests`.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
#[expect(
    missing_docs,
    reason = "the fields are described in docs/protocols/feathers.md"
)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub name: String,
    pub prefix: String,
    pub user_id: Option<String>,
    pub agent_id: Option<String>,
    #[sea_orm(column_type = "Json")]
    pub scopes: String,
    #[sea_orm(column_type = "Timestamp")]
    pub created_at: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub expires_at: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub last_used_at: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
