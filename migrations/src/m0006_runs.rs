//! What runs now, and what is kept of how it went.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// Prompts run.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0006_runs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        let mut runs = table(
            "runs",
            [c.id("session_id"), c.text("task_id"), c.text("started_at")],
        );
        runs.foreign_key(&mut belongs_to("runs", "session_id", "sessions"));
        manager.create_table(runs).await?;
        for column in ["error", "usage"] {
            let alter = Table::alter()
                .table("tasks")
                .add_column(c.optional_text(column))
                .to_owned();
            manager.alter_table(alter).await?;
        }
        // Few messages have a status.
        let queues = Index::create()
            .name("messages_queued")
            .table("messages")
            .col("session_id")
            .col("queue_position")
            .and_where(Expr::cust("\"status\" = 'queued'"))
            .to_owned();
        manager.create_index(queues).await
    }
}
