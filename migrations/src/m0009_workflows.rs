//! Workflows: workspaces, what is to be done, and how it went.

use sea_orm_migration::prelude::*;

use crate::columns::{Columns, part_of, table};

/// Workflows are defined and executed.
pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0009_workflows"
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
            workspaces(c),
            workflows(c),
            steps(c),
            executions(c),
            step_executions(c),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }
}

fn workspaces(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id")];
    columns
        .extend(["name", "slug", "metadata", "created_at", "updated_at"].map(|name| c.text(name)));
    table("workspaces", columns)
}

fn workflows(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.flag("is_active")];
    columns.extend(
        [
            "workspace_id",
            "name",
            "config",
            "variables",
            "metadata",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(["version", "timeout_seconds", "max_retries"].map(|name| c.integer(name)));
    columns.extend(["project_id", "description", "created_by"].map(|name| c.optional_text(name)));
    of("workspaces", "workspace_id", "workflows", columns)
}

fn steps(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("position"), c.integer("step_order")];
    columns.extend(
        [
            "workflow_id",
            "name",
            "step_type",
            "config",
            "depends_on_steps",
            "metadata",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(
        [
            "parent_step_id",
            "condition_expression",
            "agent_definition_id",
            "agent_instance_id",
        ]
        .map(|name| c.optional_text(name)),
    );
    columns.extend(["timeout_seconds", "max_retries"].map(|name| c.optional_integer(name)));
    of("workflows", "workflow_id", "workflow_steps", columns)
}

fn executions(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("execution_number")];
    columns.extend(
        [
            "workflow_id",
            "workspace_id",
            "status",
            "definition",
            "input_variables",
            "variables",
            "created_at",
            "updated_at",
        ]
        .map(|name| c.text(name)),
    );
    columns.extend(
        [
            "stream_id",
            "results",
            "error_message",
            "created_by",
            "started_at",
            "completed_at",
        ]
        .map(|name| c.optional_text(name)),
    );
    of("workflows", "workflow_id", "workflow_executions", columns)
}

fn step_executions(c: Columns) -> TableCreateStatement {
    let mut columns = vec![c.id("id"), c.integer("position"), c.integer("retry_count")];
    columns.extend(["execution_id", "step_id", "status"].map(|name| c.text(name)));
    columns.extend(
        [
            "input_data",
            "output_data",
            "error_message",
            "session_id",
            "task_id",
            "started_at",
            "completed_at",
        ]
        .map(|name| c.optional_text(name)),
    );
    of(
        "workflow_executions",
        "execution_id",
        "step_executions",
        columns,
    )
}

/// A table whose rows go with what they are of.
fn of(
    whole: &'static str,
    column: &'static str,
    name: &'static str,
    columns: Vec<ColumnDef>,
) -> TableCreateStatement {
    let mut table = table(name, columns);
    table.foreign_key(&mut part_of(name, column, whole));
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
        index("workspaces_by_slug", "workspaces", &["slug"])
            .unique()
            .to_owned(),
        index(
            "workflows_by_workspace",
            "workflows",
            &["workspace_id", "created_at"],
        ),
        index(
            "workflow_steps_in_order",
            "workflow_steps",
            &["workflow_id", "position"],
        ),
        index(
            "workflow_executions_by_number",
            "workflow_executions",
            &["workflow_id", "execution_number"],
        )
        .unique()
        .to_owned(),
        index(
            "workflow_executions_by_status",
            "workflow_executions",
            &["status"],
        ),
        index(
            "step_executions_by_step",
            "step_executions",
            &["execution_id", "step_id"],
        )
        .unique()
        .to_owned(),
    ]
}
