//! Prompts name the stream in which their runs are told.

use sea_orm_migration::prelude::*;

use crate::columns::Columns;

/// Tasks have a stream, if one was named.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0012_named_streams"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        let alter = Table::alter()
            .table("tasks")
            .add_column(c.optional_text("stream_id"))
            .to_owned();
        manager.alter_table(alter).await
    }
}
