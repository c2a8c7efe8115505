//! How workflows are made, changed and removed, and executions of them asked for.

use std::{collections::HashMap, sync::Arc};

use entities::{workflow_executions, workflow_steps};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Map, Value, json};

use super::{
    Workflows,
    definition::{BYTES, Definition, Step},
    rows::{self, EXECUTIONS, RUNS, STEPS, WORKFLOWS},
    showing, variables,
};
use crate::{
    core::{Record, identity::Identity, turn::Turn},
    error::{Error, Kind, Result},
    services::{
        reading::{Fields, Problems},
        values::{as_record, text},
        workspaces,
    },
    store::{Store, lane::Work},
};

/// Executions that may be under way.
const OPEN: u64 = 1_000;

/// Makes a workflow.
///
/// # Errors
/// `Unprocessable`, `NotFound` where there is no such workspace, or if the database fails.
pub(super) async fn create(data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let definition = Definition::read(data)?;
    let workspace = workspaces::of(data, work).await?;
    let id = work.clock.random_id().to_string();
    let mut row = columns(&definition);
    let now = json!(work.now.to_string());
    let more = json!({
        "id": id,
        "workspace_id": workspace.get("id"),
        "version": 1,
        "created_by": work.by.user_id(),
        "created_at": now,
        "updated_at": now,
    });
    row.extend(as_record(more));
    let row = WORKFLOWS.insert(work.tx, &row).await?;
    store_steps(&id, definition.steps, &HashMap::new(), work).await?;
    showing::workflow(row, work.tx).await
}

/// Changes a workflow: what is given replaces what was. Executions under way stay as they are.
///
/// # Errors
/// As [`create`].
pub(super) async fn patch(id: &Value, data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let row = rows::workflow(work.tx, id).await?;
    let old = rows::steps(work.tx, text(&row, "id").unwrap_or_default()).await?;
    let given = as_record(data.clone());
    let mut whole = Map::new();
    for name in [
        "name",
        "description",
        "project_id",
        "is_active",
        "config",
        "metadata",
        "variables",
        "timeout_seconds",
        "max_retries",
    ] {
        let value = given.get(name).or_else(|| row.get(name));
        whole.insert(name.to_owned(), value.cloned().unwrap_or_default());
    }
    let steps = given.get("steps").filter(|steps| !steps.is_null());
    if let Some(steps) = steps {
        whole.insert("steps".to_owned(), steps.clone());
    }
    let definition = Definition::read(&Value::Object(whole))?;
    let mut changes = columns(&definition);
    let version = row.get("version").and_then(Value::as_u64).unwrap_or(1);
    changes.insert("version".to_owned(), json!(version + 1));
    changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
    let own = row.get("id").cloned().unwrap_or_default();
    WORKFLOWS.change(work.tx, &own, &changes).await?;
    if steps.is_some() {
        let known = old.iter().filter_map(|step| {
            Some((text(step, "name")?.to_owned(), text(step, "id")?.to_owned()))
        });
        let known = known.collect();
        let of = Expr::col(workflow_steps::Column::WorkflowId).eq(own.as_str().unwrap_or_default());
        STEPS
            .delete_where(work.tx, Condition::all().add(of))
            .await?;
        store_steps(
            own.as_str().unwrap_or_default(),
            definition.steps,
            &known,
            work,
        )
        .await?;
    }
    let row = rows::workflow(work.tx, &own).await?;
    showing::workflow(row, work.tx).await
}

/// Removes a workflow with its executions.
///
/// # Errors
/// `NotFound`, `Conflict` while it is executed, or if the database fails.
pub(super) async fn remove(id: &Value, work: &mut Work<'_>) -> Result<Value> {
    let row = rows::workflow(work.tx, id).await?;
    let own = text(&row, "id").unwrap_or_default();
    let open = EXECUTIONS
        .count(work.tx, rows::open_ones(Some(own)))
        .await?;
    if open > 0 {
        let text =
            format!("Cannot delete workflow with {open} running executions; cancel them first");
        return Err(Error::conflict(text));
    }
    // Its rows in other tables go with it.
    WORKFLOWS.delete(work.tx, &[json!(own)]).await?;
    Ok(json!({"status": "deleted", "workflow_id": own}))
}

/// A definition's columns.
fn columns(definition: &Definition) -> Record {
    as_record(json!({
        "name": definition.name,
        "description": definition.description,
        "project_id": definition.project_id,
        "is_active": definition.is_active,
        "config": definition.config,
        "metadata": definition.metadata,
        "variables": definition.variables,
        "timeout_seconds": definition.timeout_seconds,
        "max_retries": definition.max_retries,
    }))
}

/// Stores steps; those of a name that was there keep their ids, so that who watches them hears on.
async fn store_steps(
    workflow: &str,
    steps: Vec<Step>,
    known: &HashMap<String, String>,
    work: &mut Work<'_>,
) -> Result<()> {
    let mut ids: Vec<String> = Vec::with_capacity(steps.len());
    for (position, step) in steps.into_iter().enumerate() {
        let id = known
            .get(&step.name)
            .filter(|id| !ids.contains(id))
            .cloned();
        let id = id.unwrap_or_else(|| work.clock.random_id().to_string());
        let parent = step.parent.map(|parent| ids[parent].clone());
        let mut row = as_record(json!(step));
        row.shift_remove("parent");
        let more = json!({
            "id": id,
            "workflow_id": workflow,
            "parent_step_id": parent,
            "position": position,
        });
        row.extend(as_record(more));
        STEPS.insert(work.tx, &row).await?;
        ids.push(id);
    }
    Ok(())
}

/// Stored steps, as an execution has them.
fn restored(rows: &[Record]) -> Result<Vec<Step>> {
    let places: HashMap<&str, usize> = rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| Some((text(row, "id")?, at)))
        .collect();
    let step = |row: &Record| {
        let mut row = row.clone();
        let parent = text(&row, "parent_step_id").and_then(|id| places.get(id));
        let parent = json!(parent);
        row.insert("parent".to_owned(), parent);
        rows::parse(&Value::Object(row))
    };
    rows.iter().map(step).collect()
}

impl Workflows {
    /// Asks for an execution of a workflow: `{input_variables?, stream_id?}`; it begins at once.
    ///
    /// # Errors
    /// `NotFound`, `BadRequest` where the workflow is not active, `Unprocessable` for variables that do not
    /// fit, `TooManyRequests`, or if the database fails.
    pub(super) async fn execute(
        self: Arc<Self>,
        workflow: Value,
        data: Value,
        (by, turn, store): (Identity, Turn, Store),
    ) -> Result<Value> {
        let id = store.clock().random_id().to_string();
        let own = id.clone();
        let unit = async move |work: &mut Work<'_>| {
            work.by = by;
            submit((&own, &workflow), &data, work).await
        };
        let answer = store.write(&turn, unit).await;
        // What could not be confirmed may be stored all the same.
        let may_be_there = |error: &Error| error.kind() == Kind::Unavailable;
        if answer.as_ref().err().is_none_or(may_be_there) {
            self.launch(&id, &store);
        }
        answer
    }
}

async fn submit(
    (id, workflow): (&str, &Value),
    data: &Value,
    work: &mut Work<'_>,
) -> Result<Value> {
    let row = rows::workflow(work.tx, workflow).await?;
    if row.get("is_active") != Some(&json!(true)) {
        return Err(Error::bad_request("Cannot execute inactive workflow"));
    }
    let asked = asked(&row, data)?;
    let open = EXECUTIONS.count(work.tx, rows::open_ones(None)).await?;
    if open >= OPEN {
        let text = format!("{OPEN} executions are under way; wait until some have ended");
        return Err(Error::new(Kind::TooManyRequests, text));
    }
    store_execution((id, &row), asked, work).await?;
    let name = text(&row, "name").unwrap_or_default();
    Ok(json!({
        "status": "submitted",
        "execution_id": id,
        "message": format!("Workflow '{name}' was submitted"),
        "workflow_id": row.get("id"),
    }))
}

/// Stores an execution, none of whose steps has begun.
async fn store_execution(
    (id, workflow): (&str, &Record),
    (given, resolved, stream): Asked,
    work: &mut Work<'_>,
) -> Result<()> {
    let at = |name: &str| workflow.get(name).cloned().unwrap_or_default();
    let own = text(workflow, "id").unwrap_or_default();
    let of = Expr::col(workflow_executions::Column::WorkflowId).eq(own);
    let before = EXECUTIONS.count(work.tx, Condition::all().add(of)).await?;
    let steps = restored(&rows::steps(work.tx, own).await?)?;
    let now = json!(work.now.to_string());
    let execution = json!({
        "id": id,
        "workflow_id": own,
        "workspace_id": at("workspace_id"),
        "execution_number": before + 1,
        "status": "pending",
        "stream_id": stream,
        "definition": {
            "name": at("name"),
            "goal": at("config")["goal"],
            "timeout_seconds": at("timeout_seconds"),
            "max_retries": at("max_retries"),
            "steps": steps,
        },
        "input_variables": given,
        "variables": resolved,
        "created_by": work.by.user_id(),
        "created_at": now,
        "updated_at": now,
    });
    EXECUTIONS.insert(work.tx, &as_record(execution)).await?;
    for (position, step) in steps.iter().enumerate() {
        let run = json!({
            "id": work.clock.random_id(),
            "execution_id": id,
            "step_id": step.id,
            "agent_instance_id": step.agent_instance_id,
            "position": position,
            "status": "pending",
            "retry_count": 0,
        });
        RUNS.insert(work.tx, &as_record(run)).await?;
    }
    Ok(())
}

type Asked = (Map<String, Value>, Map<String, Value>, Option<String>);

/// What is given to an execution, what its variables are then, and its stream.
fn asked(workflow: &Record, data: &Value) -> Result<Asked> {
    if data.to_string().len() > BYTES {
        let text = format!("What is given to an execution has at most {BYTES} bytes");
        return Err(Error::payload_too_large(text));
    }
    let object = as_record(data.clone());
    let mut problems = Problems::default();
    let mut fields = Fields::new(&object, Vec::new(), &mut problems);
    let given = fields.object("input_variables");
    let stream = fields
        .text("stream_id", 255)
        .filter(|stream| !stream.is_empty());
    let declared = rows::variables(workflow)?;
    let resolved = variables::resolve(&declared, &given, &mut problems);
    problems.refuse()?;
    Ok((given, resolved, stream))
}
