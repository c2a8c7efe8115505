//! Tasks and repos, and what later versions of Agor's clients keep in sessions, boards and messages.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// The whole of Agor's five services.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_services"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns(manager.get_database_backend());
        manager.create_table(tasks(columns)).await?;
        manager.create_table(repos(columns)).await?;
        for (name, more) in [
            ("sessions", sessions(columns)),
            ("boards", boards(columns)),
            ("messages", messages(columns)),
        ] {
            for column in more {
                // SQLite adds one column at a time.
                let alter = Table::alter().table(name).add_column(column).to_owned();
                manager.alter_table(alter).await?;
            }
        }
        let tasks_by_session = Index::create()
            .name("tasks_by_session")
            .table("tasks")
            .col("session_id")
            .col("created_at")
            .to_owned();
        manager.create_index(tasks_by_session).await?;
        // Messages of no task, the most, cost nothing.
        let messages_by_task = Index::create()
            .name("messages_by_task")
            .table("messages")
            .col("task_id")
            .col("index")
            .and_where(Expr::col("task_id").is_not_null())
            .to_owned();
        manager.create_index(messages_by_task).await
    }
}

fn tasks(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("task_id")];
    columns.extend(["session_id", "status", "created_at"].map(|name| c.text(name)));
    columns.extend(["completed_at", "created_by"].map(|name| c.optional_text(name)));
    columns.extend(
        [
            "description",
            "full_prompt",
            "message_range",
            "git_state",
            "model",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend([
        c.integer("tool_use_count"),
        c.optional_integer("duration_ms"),
    ]);
    columns.extend(
        [
            "agent_session_id",
            "report",
            "permission_request",
            "raw_sdk_response",
        ]
        .map(|name| c.optional_text(name)),
    );
    let mut tasks = table("tasks", columns);
    tasks.foreign_key(&mut belongs_to("tasks", "session_id", "sessions"));
    tasks
}

fn repos(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("repo_id"), c.text("slug").unique_key().to_owned()];
    columns.extend(["created_at", "last_updated", "name"].map(|name| c.text(name)));
    columns.extend([
        c.optional_text("remote_url"),
        c.text("local_path"),
        c.flag("managed_by_agor"),
        c.optional_text("default_branch"),
        c.text("worktrees"),
        c.optional_text("environment_config"),
    ]);
    table("repos", columns)
}

fn sessions(c: Columns) -> Vec<ColumnDef> {
    let mut columns: Vec<_> = [
        "title",
        "created_by",
        "worktree_id",
        "agent_session_id",
        "sdk_session_id",
        "contextFiles",
        "permission_config",
        "model_config",
        "custom_context",
        "last_context_update_at",
        "archived_reason",
    ]
    .map(|name| c.optional_text(name))
    .into();
    columns.extend(
        [
            "current_context_usage",
            "context_window_limit",
            "scheduled_run_at",
        ]
        .map(|name| c.optional_integer(name)),
    );
    columns.extend(
        ["scheduled_from_worktree", "ready_for_prompt", "archived"].map(|name| c.flag(name)),
    );
    columns
}

fn boards(c: Columns) -> Vec<ColumnDef> {
    [
        "created_by",
        "objects",
        "background_color",
        "custom_context",
    ]
    .map(|name| c.optional_text(name))
    .into()
}

fn messages(c: Columns) -> Vec<ColumnDef> {
    vec![
        c.optional_text("parent_tool_use_id"),
        c.optional_text("status"),
        c.optional_integer("queue_position"),
    ]
}
