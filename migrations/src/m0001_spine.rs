//! The log, boards, sessions and messages.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// The first schema.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_spine"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// A daemon killed in the middle leaves nothing half made.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = Columns(manager.get_database_backend());
        for table in [
            log_head(columns),
            events(columns),
            boards(columns),
            sessions(columns),
            board_sessions(columns),
            messages(columns),
        ] {
            manager.create_table(table).await?;
        }
        let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
            let mut index = Index::create().name(name).table(table).to_owned();
            for column in columns {
                index.col(*column);
            }
            index
        };
        manager
            .create_index(index(
                "messages_by_session",
                "messages",
                &["session_id", "index"],
            ))
            .await?;
        manager
            .create_index(index(
                "boards_by_session",
                "board_sessions",
                &["session_id"],
            ))
            .await
    }
}

fn log_head(c: Columns) -> TableCreateStatement {
    table(
        "log_head",
        [
            c.integer("id").primary_key().to_owned(),
            c.text("log_id"),
            c.integer("seq"),
        ],
    )
}

fn events(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.seq()];
    columns.extend(["id", "at", "source", "name", "level"].map(|name| c.text(name)));
    columns.extend(["actor", "correlation_id"].map(|name| c.optional_text(name)));
    columns.extend(["audience", "topics"].map(|name| c.text(name)));
    columns.extend([c.optional_text("message"), c.text("data")]);
    table("events", columns)
}

fn boards(c: Columns) -> TableCreateStatement {
    let slug = c.optional_text("slug").unique_key().to_owned();
    let mut columns = vec![
        c.id("board_id"),
        c.text("name"),
        slug,
        c.text("created_at"),
        c.text("last_updated"),
    ];
    columns.extend(["description", "color", "icon"].map(|name| c.optional_text(name)));
    table("boards", columns)
}

fn sessions(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("session_id")];
    columns.extend(["status", "agent", "created_at", "last_updated"].map(|name| c.text(name)));
    columns.extend(["agent_version", "description"].map(|name| c.optional_text(name)));
    columns
        .extend(["repo", "git_state", "genealogy", "concepts", "tasks"].map(|name| c.text(name)));
    columns.extend(["message_count", "tool_use_count"].map(|name| c.integer(name)));
    table("sessions", columns)
}

fn board_sessions(c: Columns) -> TableCreateStatement {
    let mut links = table(
        "board_sessions",
        [
            c.text("board_id"),
            c.text("session_id"),
            c.integer("position"),
        ],
    );
    links
        .primary_key(Index::create().col("board_id").col("session_id"))
        .foreign_key(&mut belongs_to("board_sessions", "board_id", "boards"))
        .foreign_key(&mut belongs_to("board_sessions", "session_id", "sessions"));
    links
}

fn messages(c: Columns) -> TableCreateStatement {
    let mut columns = vec![
        c.id("message_id"),
        c.text("session_id"),
        c.optional_text("task_id"),
    ];
    columns.extend(["type", "role"].map(|name| c.text(name)));
    columns.push(c.integer("index"));
    columns.extend(["timestamp", "content_preview", "content"].map(|name| c.text(name)));
    columns.extend(["tool_uses", "metadata"].map(|name| c.optional_text(name)));
    let mut messages = table("messages", columns);
    messages.foreign_key(&mut belongs_to("messages", "session_id", "sessions"));
    messages
}
