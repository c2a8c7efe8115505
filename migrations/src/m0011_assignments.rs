//! What sessions are for, and the plans of their runs.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// Sessions are in workspaces; runs are planned.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0011_assignments"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        manager.create_table(assignments(c)).await?;
        manager.create_table(plans(c)).await?;
        let by_workspace = Index::create()
            .name("assignments_by_workspace")
            .table("assignments")
            .col("workspace_id")
            .to_owned();
        manager.create_index(by_workspace).await
    }
}

fn assignments(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("session_id")];
    columns.extend(["workspace_id", "config", "updated_at"].map(|name| c.text(name)));
    columns
        .extend(["max_rounds", "max_revision_rounds", "memory_size"].map(|name| c.integer(name)));
    columns.extend(
        ["project_id", "run_branch_prefix", "commit_template"].map(|name| c.optional_text(name)),
    );
    let mut assignments = table("assignments", columns);
    let mut workspace = ForeignKey::create()
        .from("assignments", "workspace_id")
        .to("workspaces", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    assignments
        .foreign_key(&mut belongs_to("assignments", "session_id", "sessions"))
        .foreign_key(&mut workspace);
    assignments
}

fn plans(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("task_id")];
    columns.extend(["plan", "requested_at"].map(|name| c.text(name)));
    columns.extend(
        ["decision", "feedback", "decided_by", "decided_at"].map(|name| c.optional_text(name)),
    );
    let mut plans = table("plans", columns);
    plans.foreign_key(&mut belongs_to("plans", "task_id", "tasks"));
    plans
}
