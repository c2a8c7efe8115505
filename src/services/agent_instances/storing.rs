//! How instances are made, changed, moved and removed: each a unit of work with what is told of it.

use entities::agent_instances::Column;
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::{Map, Value, json};

use super::{
    definitions::{self, CONFIG, NAME, TEXT},
    messages,
    rows::{INSTANCES, Instance},
    status::{Status, Step},
    telling::About,
};
use crate::{
    core::Record,
    error::{Error, Result},
    services::{
        reading::{Fields, Problems},
        values::{as_record, text},
        workspaces,
    },
    store::lane::Work,
};

/// Instances that a workspace may have.
const MOST: u64 = 1_000;

/// Makes an instance; active, unless it is said otherwise.
///
/// # Errors
/// `Unprocessable`, `NotFound` where there is no such definition or workspace, `Conflict` where the workspace
/// has too many, or if the database fails.
pub(super) async fn create(data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let asked = Asked::read(data)?;
    let workspace = workspaces::of(data, work).await?;
    let definition = match &asked.definition {
        Definition::Id(id) => definitions::with_id(&json!(id), work.tx).await?,
        Definition::Slug(slug) => definitions::with_slug(slug, work).await?,
    };
    let of = text(&workspace, "id").unwrap_or_default();
    let own = Condition::all().add(Expr::col(Column::WorkspaceId).eq(of));
    if INSTANCES.count(work.tx, own).await? >= MOST {
        let text = format!("The workspace has {MOST} agents; remove some first");
        return Err(Error::conflict(text));
    }
    let now = json!(work.now.to_string());
    let row = json!({
        "id": work.clock.random_id(),
        "workspace_id": of,
        "project_id": asked.project,
        "definition_id": definition.get("id"),
        "name": asked.name.as_deref().or_else(|| text(&definition, "name")),
        "status": Status::Idle.as_str(),
        "config": asked.config,
        "created_at": now,
        "updated_at": now,
    });
    let row = INSTANCES.insert(work.tx, &as_record(row)).await?;
    begin(Instance(row), &definition, asked.activate, work).await
}

/// Activates a new instance, if that was asked for, and leaves it its first message.
async fn begin(
    mut instance: Instance,
    definition: &Record,
    activate: bool,
    work: &mut Work<'_>,
) -> Result<Value> {
    let about = About::nothing();
    let action = if activate {
        instance.walk(Step::Activate, &about, work).await?;
        Step::Activate.done()
    } else {
        "created"
    };
    messages::welcome(&instance, definition, work).await?;
    instance.tell_activity(&json!({"action": action}), &about, work)?;
    Ok(Value::Object(instance.0))
}

/// What is asked for as a new instance.
struct Asked {
    definition: Definition,
    name: Option<String>,
    project: Option<String>,
    config: Map<String, Value>,
    activate: bool,
}

enum Definition {
    Id(String),
    Slug(String),
}

impl Asked {
    fn read(data: &Value) -> Result<Self> {
        let object = as_record(data.clone());
        let mut problems = Problems::default();
        let mut fields = Fields::new(&object, Vec::new(), &mut problems);
        let id = fields.text("definition_id", NAME);
        let slug = fields.text("definition_slug", NAME);
        let definition = match (id, slug) {
            (Some(id), None) => Definition::Id(id),
            (None, Some(slug)) => Definition::Slug(slug),
            (id, _) => {
                let text = "Exactly one of definition_id and definition_slug should be given";
                fields.wrong("definition_id", "value_error", text);
                Definition::Id(id.unwrap_or_default())
            }
        };
        let asked = Self {
            definition,
            name: name(&mut fields),
            project: fields.text("project_id", NAME),
            config: fields.small_object("config", CONFIG),
            activate: fields.flag("activate").unwrap_or(true),
        };
        problems.refuse()?;
        Ok(asked)
    }
}

/// A name, if one is given.
fn name(fields: &mut Fields<'_>) -> Option<String> {
    fields.given("name")?;
    Some(fields.name("name", NAME))
}

/// Changes an instance: `{status?, name?, project_id?, config?, error?}`.
///
/// # Errors
/// `NotFound`, `Unprocessable`, `Conflict` where it cannot come into the status, or if the database fails.
pub(super) async fn patch(id: &Value, data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let mut instance = Instance::get(id, work.tx).await?;
    let object = as_record(data.clone());
    let mut problems = Problems::default();
    let mut fields = Fields::new(&object, Vec::new(), &mut problems);
    let word = fields.word("status", &Status::ALL.map(Status::as_str));
    let error = fields.text("error", TEXT);
    let mut changes = Record::new();
    if let Some(name) = name(&mut fields) {
        changes.insert("name".to_owned(), json!(name));
    }
    if object.contains_key("project_id") {
        let project = fields.text("project_id", NAME);
        changes.insert("project_id".to_owned(), json!(project));
    }
    if fields.given("config").is_some() {
        let config = fields.small_object("config", CONFIG);
        changes.insert("config".to_owned(), json!(config));
    }
    problems.refuse()?;
    let status = word.and_then(Status::parse);
    if status.is_none() && changes.is_empty() {
        return Ok(Value::Object(instance.0));
    }
    let about = About::nothing();
    if let Some(to) = status {
        instance.status().check(to)?;
        let error = error.filter(|_| to == Status::Error);
        instance.go(to, error.as_deref(), &about, work).await?;
    }
    let known = instance.0.get("config").cloned().unwrap_or_default();
    if !changes.is_empty() {
        instance.change(Value::Object(changes), work).await?;
    }
    let config = instance.0.get("config").cloned().unwrap_or_default();
    if config != known {
        let data = json!({"key": "config", "old_value": known, "new_value": config});
        let message = format!("Agent '{}' has another configuration", instance.name());
        instance.tell("agent_context_updated", (&data, message), &about, work)?;
    }
    instance.tell_activity(&json!({"action": "updated"}), &about, work)?;
    Ok(Value::Object(instance.0))
}

/// Activates, deactivates or shuts down an instance; one that is so already stays as it is.
///
/// # Errors
/// `NotFound`, `Conflict` where that cannot be, or if the database fails.
pub(super) async fn obey(id: &Value, step: Step, work: &mut Work<'_>) -> Result<Value> {
    let mut instance = Instance::get(id, work.tx).await?;
    // What is busy with a step is active.
    let works = step == Step::Activate
        && instance.status() == Status::Busy
        && instance.steps(work.tx).await? > 0;
    if !works {
        instance.obey(step, &About::nothing(), work).await?;
    }
    Ok(Value::Object(instance.0))
}

/// Removes an instance with its messages.
///
/// # Errors
/// `NotFound`, `Conflict` while steps run at it, or if the database fails.
pub(super) async fn remove(id: &Value, work: &mut Work<'_>) -> Result<Value> {
    let mut instance = Instance::get(id, work.tx).await?;
    let steps = instance.steps(work.tx).await?;
    if steps > 0 {
        let text = format!("Cannot delete an agent at which {steps} steps run; cancel them first");
        return Err(Error::conflict(text));
    }
    let about = About::nothing();
    if instance.status() != Status::Offline {
        instance.go(Status::Offline, None, &about, work).await?;
    }
    instance.tell_activity(&json!({"action": "removed"}), &about, work)?;
    // Its messages go with it.
    INSTANCES.delete(work.tx, &[json!(instance.id())]).await?;
    Ok(json!({"status": "deleted", "agent_id": instance.id()}))
}
