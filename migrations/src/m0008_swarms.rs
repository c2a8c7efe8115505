//! Swarms: agents that pass messages to each other, what waits for them, and what happened.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, table};

/// Agents swarm.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0008_swarms"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        for table in [swarms(c), agents(c), inbox(c), events(c)] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn swarms(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("name")];
    columns.extend(["status", "topology", "created_at", "updated_at"].map(|name| c.text(name)));
    columns.extend(
        ["board_id", "config_path", "created_by", "started_at"].map(|name| c.optional_text(name)),
    );
    table("swarms", columns)
}

fn agents(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("position")];
    columns.extend(["swarm", "name", "spec", "session_id", "state"].map(|name| c.text(name)));
    columns.extend(["started_at", "last_activity"].map(|name| c.optional_text(name)));
    of_swarm("swarm_agents", columns)
}

/// What waits for agents; a row goes when its turn is over.
fn inbox(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.flag("begun"), c.optional_text("task_id")];
    columns.extend(["swarm", "agent", "kind", "sender", "content", "at"].map(|name| c.text(name)));
    of_swarm("swarm_inbox", columns)
}

fn events(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.optional_text("agent")];
    columns.extend(
        [
            "at",
            "level",
            "category",
            "swarm",
            "event_type",
            "message",
            "metadata",
        ]
        .map(|name| c.text(name)),
    );
    of_swarm("swarm_events", columns)
}

/// A table whose rows go with their swarm.
fn of_swarm(name: &'static str, columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = table(name, columns);
    let mut swarm = ForeignKey::create()
        .from(name, "swarm")
        .to("swarms", "name")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    table.foreign_key(&mut swarm);
    table
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &'static str, table: &'static str, columns: &[&'static str]| {
        let mut index = Index::create();
        index.name(name).table(table);
        for column in columns {
            index.col(*column);
        }
        index
    };
    vec![
        index("swarm_agents_by_name", "swarm_agents", &["swarm", "name"])
            .unique()
            .to_owned(),
        index("swarm_agents_by_session", "swarm_agents", &["session_id"]),
        index(
            "swarm_inbox_in_order",
            "swarm_inbox",
            &["swarm", "agent", "id"],
        ),
        index("swarm_events_in_order", "swarm_events", &["swarm", "id"]),
    ]
}
