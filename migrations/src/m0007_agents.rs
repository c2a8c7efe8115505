//! Agents that work for others: who they are, what they were hired for, and what they say of it.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, belongs_to, table};

/// Agents are hired.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0007_agents"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        for table in [
            agents(c),
            hirings(c),
            chunks(c),
            steps(c),
            webhooks(c),
            deliveries(c),
        ] {
            manager.create_table(table).await?;
        }
        for column in tasks(c) {
            let alter = Table::alter().table("tasks").add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn agents(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.text("did").unique_key().to_owned()];
    let optional = ["user_id", "board_id", "description", "last_seen_at"];
    columns.extend(optional.map(|name| c.optional_text(name)));
    columns.extend(
        [
            "kind",
            "name",
            "capabilities",
            "pricing_model",
            "base_price",
            "status",
            "metadata",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.push(
        ColumnDef::new("reputation_score")
            .double()
            .not_null()
            .to_owned(),
    );
    let mut agents = table("agents", columns);
    agents.foreign_key(&mut belongs_to("agents", "user_id", "users"));
    agents
}

fn hirings(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns.extend(
        [
            "agent_id",
            "client_agent_id",
            "session_id",
            "task_id",
            "status",
            "price",
            "capability_requested",
            "task_description",
            "delivery_mode",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(
        [
            "user_id",
            "task_input",
            "task_output",
            "client_message",
            "repo_url",
            "idempotency_key",
            "failed_reason",
            "started_at",
            "completed_at",
        ]
        .map(|name| c.optional_text(name)),
    );
    let mut hirings = table("hirings", columns);
    hirings.foreign_key(&mut belongs_to("hirings", "session_id", "sessions"));
    hirings
}

/// What tasks have that agents do for others.
fn tasks(c: Columns) -> Vec<ColumnDef> {
    let texts = [
        "provider_agent_id",
        "client_agent_id",
        "hiring_id",
        "capability",
        "input",
        "output",
        "progress_message",
        "updated_at",
    ];
    let mut columns: Vec<_> = texts.map(|name| c.optional_text(name)).into();
    columns.push(c.optional_integer("progress_percent"));
    columns
}

/// What a task streams; `total` is how many bytes there are up to here.
fn chunks(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.text("task_id"), c.integer("seq"), c.integer("total")];
    columns.extend(["id", "kind", "content", "at", "metadata"].map(|name| c.text(name)));
    let mut chunks = table("task_chunks", columns);
    chunks.primary_key(Index::create().col("task_id").col("seq"));
    chunks.foreign_key(&mut belongs_to("task_chunks", "task_id", "tasks"));
    chunks
}

/// How a task went so far.
fn steps(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns.extend(["task_id", "event_type", "at"].map(|name| c.text(name)));
    columns.extend(["progress_message", "details"].map(|name| c.optional_text(name)));
    columns.push(c.optional_integer("progress_percent"));
    let mut steps = table("task_steps", columns);
    steps.foreign_key(&mut belongs_to("task_steps", "task_id", "tasks"));
    steps
}

fn webhooks(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("webhook_id")];
    columns
        .extend(["callback_url", "event_types", "status", "created_at"].map(|name| c.text(name)));
    columns.extend(["user_id", "agent_id"].map(|name| c.optional_text(name)));
    let mut webhooks = table("webhooks", columns);
    webhooks.foreign_key(&mut belongs_to("webhooks", "user_id", "users"));
    webhooks
}

/// What webhooks are to be told.
fn deliveries(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("attempts")];
    columns.extend(
        [
            "webhook_id",
            "task_id",
            "event",
            "body",
            "due_at",
            "created_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(["failure", "done_at"].map(|name| c.optional_text(name)));
    let mut deliveries = table("webhook_deliveries", columns);
    deliveries.foreign_key(&mut belongs_to(
        "webhook_deliveries",
        "webhook_id",
        "webhooks",
    ));
    deliveries
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, column: &'static str| {
        Index::create()
            .name(name)
            .table(table)
            .col(column)
            .to_owned()
    };
    // Few tasks have agents, few keys are agents', few deliveries wait.
    let some = |mut index: IndexCreateStatement, column: &'static str| {
        index.and_where(Expr::col(column).is_not_null()).to_owned()
    };
    let waiting = index("webhook_deliveries_due", "webhook_deliveries", "due_at")
        .and_where(Expr::col("done_at").is_null())
        .to_owned();
    let once = some(
        index("hirings_by_idempotency_key", "hirings", "client_agent_id")
            .col("idempotency_key")
            .unique()
            .to_owned(),
        "idempotency_key",
    );
    vec![
        once,
        index("agents_by_user", "agents", "user_id"),
        index("hirings_by_agent", "hirings", "agent_id"),
        index("hirings_by_client", "hirings", "client_agent_id"),
        index("hirings_by_session", "hirings", "session_id"),
        index("task_steps_by_task", "task_steps", "task_id"),
        index(
            "webhook_deliveries_by_webhook",
            "webhook_deliveries",
            "webhook_id",
        ),
        some(
            index("sessions_by_author", "sessions", "created_by"),
            "created_by",
        ),
        some(
            index("tasks_by_provider", "tasks", "provider_agent_id"),
            "provider_agent_id",
        ),
        some(
            index("tasks_by_client", "tasks", "client_agent_id"),
            "client_agent_id",
        ),
        some(
            index("api_keys_by_agent", "api_keys", "agent_id"),
            "agent_id",
        ),
        waiting,
    ]
}
