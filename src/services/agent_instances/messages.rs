//! What instances are told, and what they say.

use entities::agent_messages::Column;
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    definitions::NAME,
    rows::{Instance, MESSAGES, missing},
    telling::About,
};
use crate::{
    core::{Record, call::Call, scope::Topic},
    error::{Error, Result},
    services::{
        reading::{Fields, Problems, page},
        records::Records,
        rules::Scope,
        tasks::follow_streams,
        values::{as_record, text},
        visibility,
    },
    store::{Store, lane::Work, numbering::Numbering},
};

/// Bytes of what a message carries.
const PAYLOAD: usize = 64 << 10;

/// Messages that are kept of an instance; then the oldest gives way.
const KEPT: i64 = 20_000;

/// A message's place among its instance's.
static NUMBER: Numbering = Numbering::new("agent_messages", "number", "agent_instance_id");

/// What messages may name.
#[derive(Clone)]
pub(super) struct Places {
    pub(super) sessions: Records,
    pub(super) tasks: Records,
}

/// A page of an instance's messages, those that name no session, or one that the caller sees.
///
/// # Errors
/// `NotFound`, `Unprocessable`, or if the database fails.
pub(super) async fn list(call: &Call, store: &Store) -> Result<Value> {
    let (skip, limit) = page(&call.query)?;
    let mut db = store.reader();
    let instance = Instance::get(&json!(call.parameter("id")), &mut db).await?;
    let mut fits = Condition::all().add(Expr::col(Column::AgentInstanceId).eq(instance.id()));
    let session = || Expr::col(Column::TaskId);
    if let Some(seen) = visibility::of_session(&call.caller.identity, session) {
        fits = fits.add(seen);
    }
    let newest = |select: &mut SelectStatement| {
        select.order_by(Column::Number, Order::Desc);
    };
    let (found, total) = MESSAGES.page(fits, newest, (skip, limit), &mut db).await?;
    let items: Vec<_> = found.into_iter().map(shown).collect();
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

/// Stores a message, and tells of it.
///
/// # Errors
/// `NotFound` also where it names what whom the unit works for does not see; `Unprocessable`, or if the
/// database fails.
pub(super) async fn create(
    instance: &Value,
    data: &Value,
    places: &Places,
    work: &mut Work<'_>,
) -> Result<Value> {
    let instance = Instance::get(instance, work.tx).await?;
    let object = as_record(data.clone());
    let mut problems = Problems::default();
    let mut fields = Fields::new(&object, Vec::new(), &mut problems);
    let direction = fields.word("direction", &["inbound", "outbound", "system"]);
    let mut row = as_record(json!({
        "direction": direction.unwrap_or("inbound"),
        "payload": fields.small_object("payload", PAYLOAD),
        "correlation_id": fields.text("correlation_id", NAME),
    }));
    let named = ["task_id", "run_id"].map(|name| fields.text(name, NAME));
    problems.refuse()?;
    let (named, scope) = places.find(named, work).await?;
    row.extend(named);
    let message = keep(&instance, row, work).await?;
    let about = About {
        audience: scope.audience,
        topics: scope.topics,
        correlation: text(&message, "correlation_id").map(str::to_owned),
    };
    tell(&instance, &message, &about, work)?;
    let activity = json!({
        "action": "message",
        "direction": message.get("direction"),
        "correlation_id": message.get("correlation_id"),
    });
    instance.tell_activity(&activity, &about, work)?;
    Ok(Value::Object(message))
}

/// Leaves a new instance its first message, and tells of it.
///
/// # Errors
/// If the database fails.
pub(super) async fn welcome(
    instance: &Instance,
    definition: &Record,
    work: &mut Work<'_>,
) -> Result<()> {
    let payload = json!({
        "type": "registered",
        "name": instance.name(),
        "definition_id": definition.get("id"),
        "definition_slug": definition.get("slug"),
        "status": instance.status().as_str(),
    });
    let row = as_record(json!({"direction": "system", "payload": payload}));
    let message = keep(instance, row, work).await?;
    tell(instance, &message, &About::nothing(), work)
}

/// Stores a message as an instance's newest; it as it is shown.
async fn keep(instance: &Instance, mut row: Record, work: &mut Work<'_>) -> Result<Record> {
    let number = NUMBER.next(work.tx, instance.id()).await?;
    let more = json!({
        "id": work.clock.random_id(),
        "workspace_id": instance.workspace(),
        "agent_instance_id": instance.id(),
        "number": number,
        "created_at": work.now.to_string(),
    });
    row.extend(as_record(more));
    let row = MESSAGES.insert(work.tx, &row).await?;
    if number >= KEPT {
        let oldest = Condition::all()
            .add(Expr::col(Column::AgentInstanceId).eq(instance.id()))
            .add(Expr::col(Column::Number).lte(number - KEPT));
        MESSAGES.delete_where(work.tx, oldest).await?;
    }
    Ok(as_record(shown(row)))
}

fn tell(instance: &Instance, message: &Record, about: &About, work: &mut Work<'_>) -> Result<()> {
    let direction = text(message, "direction").unwrap_or_default();
    let said = format!("Agent '{}': {direction} message", instance.name());
    let data = json!({ "message": message });
    instance.tell("agent_message", (&data, said), about, work)
}

fn shown(mut row: Record) -> Value {
    row.shift_remove("number");
    Value::Object(row)
}

impl Places {
    /// The session and task that are named, as columns, and who sees the session.
    ///
    /// # Errors
    /// `NotFound` for what whom the unit works for does not see, or if the database fails.
    async fn find(
        &self,
        [task, run]: [Option<String>; 2],
        work: &mut Work<'_>,
    ) -> Result<(Record, Scope)> {
        let by = work.by.clone();
        let run = match run {
            Some(id) => Some(self.tasks.read(work.tx, &id, &by).await.map_err(no_run)?),
            None => None,
        };
        let of_run = run.as_ref().and_then(|run| text(run, "session_id"));
        let Some(id) = task.as_deref().or(of_run) else {
            return Ok((Record::new(), Scope::everyone([])));
        };
        let session = self.sessions.read(work.tx, id, &by).await;
        let session = session.map_err(|error| missing(error, "Task not found"))?;
        let own = text(&session, "session_id");
        if of_run.is_some() && of_run != own {
            return Err(Error::not_found("Run not found: it is another task's"));
        }
        let run = run.as_ref().and_then(|run| text(run, "task_id"));
        let named = as_record(json!({"task_id": own, "run_id": run}));
        Ok((named, scope([own, run], work).await?))
    }
}

/// Who sees a session and its task, and what is told of them is about.
async fn scope([session, task]: [Option<&str>; 2], work: &mut Work<'_>) -> Result<Scope> {
    let plain = || Scope::everyone([("session", session), ("task", task)]);
    let of = as_record(json!({"session_id": session}));
    let mut scopes = visibility::follow_boards(work.tx, &[of], vec![Some(plain())]).await?;
    follow_streams(work.tx, &mut scopes).await?;
    Ok(scopes.into_iter().flatten().next().unwrap_or_else(plain))
}

/// What an agent is told, or says, in a step of a workflow.
pub(in crate::services) struct Exchange<'a> {
    /// `inbound` or `outbound`.
    pub(in crate::services) direction: &'static str,
    /// What it carries, and the name of the text in it, which is cut if it is too long.
    pub(in crate::services) payload: Value,
    pub(in crate::services) text: &'static str,
    /// The session and task that the step runs in.
    pub(in crate::services) place: [Option<&'a str>; 2],
}

impl Instance {
    /// Stores what it is told, or says, in a step with these topics, and tells of it.
    ///
    /// # Errors
    /// If the database fails.
    pub(in crate::services) async fn exchange(
        &self,
        said: Exchange<'_>,
        topics: Vec<Topic>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let mut payload = said.payload;
        let text = payload[said.text].as_str().unwrap_or_default();
        // JSON writes a byte with six at most.
        if text.len() > PAYLOAD / 8 {
            let end = text.floor_char_boundary(PAYLOAD / 8);
            payload[said.text] = json!(text[..end]);
            payload["truncated"] = json!(true);
        }
        let [task, run] = said.place;
        let row = json!({
            "direction": said.direction,
            "payload": payload,
            "task_id": task,
            "run_id": run,
        });
        let message = keep(self, as_record(row), work).await?;
        let mut about = About::of(topics);
        let scope = scope(said.place, work).await?;
        about.audience = scope.audience;
        about.topics.extend(scope.topics);
        tell(self, &message, &about, work)
    }
}

fn no_run(error: Error) -> Error {
    missing(error, "Run not found")
}
