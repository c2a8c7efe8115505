//! Private boards and their members.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, table};

/// Who sees which board.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_members"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        let mut columns = vec![c.id("member_id")];
        columns.extend(["board_id", "user_id", "role", "created_at"].map(|name| c.text(name)));
        manager
            .create_table(table("board_members", columns))
            .await?;
        manager
            .create_table(table("private_boards", [c.id("board_id")]))
            .await?;
        let once = Index::create()
            .name("board_members_once")
            .table("board_members")
            .col("user_id")
            .col("board_id")
            .unique()
            .to_owned();
        manager.create_index(once).await?;
        let visibility = c.text("visibility").default("public").to_owned();
        let alter = Table::alter()
            .table("boards")
            .add_column(visibility)
            .to_owned();
        manager.alter_table(alter).await
    }
}
