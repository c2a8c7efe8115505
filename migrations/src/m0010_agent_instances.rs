//! Agents' instances: what agents there may be, those that are there, and what they are told and say.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, part_of, table};

/// Agents have instances, which steps of workflows name.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0010_agent_instances"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let c = Columns(manager.get_database_backend());
        for table in [definitions(c), instances(c), messages(c)] {
            manager.create_table(table).await?;
        }
        let at_work = Table::alter()
            .table("step_executions")
            .add_column(c.optional_text("agent_instance_id"))
            .to_owned();
        manager.alter_table(at_work).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn definitions(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns.extend(
        [
            "name",
            "slug",
            "capabilities",
            "config",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(["description", "agent_type"].map(|name| c.optional_text(name)));
    table("agent_definitions", columns)
}

fn instances(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns.extend(
        [
            "workspace_id",
            "definition_id",
            "name",
            "status",
            "config",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(["project_id", "last_error"].map(|name| c.optional_text(name)));
    let mut table = table("agent_instances", columns);
    for (column, of) in [
        ("workspace_id", "workspaces"),
        ("definition_id", "agent_definitions"),
    ] {
        table.foreign_key(&mut part_of("agent_instances", column, of));
    }
    table
}

fn messages(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("number")];
    columns.extend(
        [
            "workspace_id",
            "agent_instance_id",
            "direction",
            "payload",
            "created_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(["correlation_id", "task_id", "run_id"].map(|name| c.optional_text(name)));
    let mut table = table("agent_messages", columns);
    let mut whole = part_of("agent_messages", "agent_instance_id", "agent_instances");
    table.foreign_key(&mut whole);
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
        index("agent_definitions_by_slug", "agent_definitions", &["slug"])
            .unique()
            .to_owned(),
        index(
            "agent_instances_by_workspace",
            "agent_instances",
            &["workspace_id", "created_at"],
        ),
        index(
            "agent_instances_by_definition",
            "agent_instances",
            &["definition_id"],
        ),
        index(
            "agent_messages_in_order",
            "agent_messages",
            &["agent_instance_id", "number"],
        )
        .unique()
        .to_owned(),
        index(
            "step_executions_by_agent",
            "step_executions",
            &["agent_instance_id", "status"],
        ),
    ]
}
