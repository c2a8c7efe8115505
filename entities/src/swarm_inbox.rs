//! What waits for swarms' agents.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "swarm_inbox")]
#[expect(missing_docs, reason = "the fields are described in docs/swarms.md")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub swarm: String,
    pub agent: String,
    pub kind: String,
    pub sender: String,
    pub content: String,
    pub task_id: Option<String>,
    pub begun: bool,
    #[sea_orm(column_type = "Timestamp")]
    pub at: String,
}

/// Relations: the store joins by column.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
