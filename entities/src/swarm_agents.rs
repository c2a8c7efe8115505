//! Swarms' agents.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "swarm_agents")]
#[expect(missing_docs, reason = "the fields are described in docs/swarms.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub swarm: String,
    pub name: String,
    pub position: i64,
    #[sea_orm(column_type = "Json")]
    pub spec: String,
    pub session_id: String,
    pub state: String,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub started_at: Option<String>,
    #[sea_orm(column_type = "Timestamp", nullable)]
    pub last_activity: Option<String>,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
