//! The service of an assignment's runs.

use std::sync::{Arc, LazyLock};

use entities::tasks;
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    missing,
    rows::{self, Places, Status, seconds},
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        clock::Timestamp,
        identity::Identity,
    },
    error::{Error, Kind, Result},
    services::{
        Service,
        reading::{Fields, Problems, page},
        records::Records,
        runs::{Runs, plans},
        values::{as_record, text},
    },
    store::{Store, table::Table, transaction::Reader},
};

static TASKS: LazyLock<Table> = LazyLock::new(|| Table::of::<tasks::Entity>("task_id"));

/// Characters of an id that somebody sends.
const ID: usize = 255;

/// The service.
pub(super) struct Assigned {
    pub(super) sessions: Records,
    pub(super) tasks: Records,
    pub(super) runs: Arc<Runs>,
}

impl Service for Assigned {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Get, Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let by = &call.caller.identity;
            let answer = match call.method {
                Method::Find => self.list(call, store).await,
                Method::Get => {
                    let id = call.id.as_ref().and_then(Value::as_str).unwrap_or_default();
                    self.one(id, by, &mut store.reader()).await
                }
                _ => self.begin(call, store).await,
            };
            answer.map(Answer::from)
        })
    }
}

impl Assigned {
    /// Asks a session's agent for what the session is for.
    async fn begin(&self, call: &Call, store: &Store) -> Result<Value> {
        let object = as_record(call.data.clone());
        let mut problems = Problems::default();
        let mut fields = Fields::new(&object, Vec::new(), &mut problems);
        let assignment = fields.name("assignment_id", ID);
        let at_once = fields.flag("auto_approve");
        problems.refuse()?;
        let by = &call.caller.identity;
        let mut db = store.reader();
        let session = self.sessions.read(&mut db, &assignment, by).await;
        let session = session.map_err(missing)?;
        let id = text(&session, "session_id").unwrap_or_default();
        let (row, _) = Places::of(&[id], &mut db).await?.at(id);
        let usual = row["config"]["auto_approve"] == json!(true);
        let is_said = |text: &&str| !text.trim().is_empty();
        let prompt = [text(&session, "description"), text(&session, "title")];
        let prompt = prompt.into_iter().flatten().find(is_said);
        let nothing =
            || Error::bad_request("The task has neither a description nor a name to go by");
        let data = json!({
            "prompt": prompt.ok_or_else(nothing)?,
            "plan": !at_once.unwrap_or(usual),
            "goal": row["config"]["goal"],
            "stream_id": call.data["stream_id"],
        });
        let how = (by.clone(), call.turn.clone(), store.clone());
        let task = Arc::clone(&self.runs).ask_for(id, &data, how).await?;
        self.one(&task, &Identity::System, &mut db).await
    }

    async fn one(&self, id: &str, by: &Identity, db: &mut dyn Reader) -> Result<Value> {
        let task = self
            .tasks
            .read(db, id, by)
            .await
            .map_err(|error| match error.kind() {
                Kind::NotFound => Error::not_found("Run not found"),
                _ => error,
            })?;
        let shown = self.shown(vec![task], db).await?;
        Ok(shown.into_iter().next().unwrap_or_default())
    }

    async fn list(&self, call: &Call, store: &Store) -> Result<Value> {
        let (skip, limit) = page(&call.query)?;
        let (mut db, by) = (store.reader(), &call.caller.identity);
        let mut fits = rows::fits(&call.query, by, &mut db).await?;
        let assignment = text(&call.query, "assignment_id").filter(|id| !id.contains('\0'));
        if let Some(assignment) = assignment {
            fits = fits.add(Expr::col(tasks::Column::SessionId).eq(assignment));
        }
        if let Some(status) = Status::asked(&call.query)? {
            let so = status.of_tasks().iter().copied();
            fits = fits.add(Expr::col(tasks::Column::Status).is_in(so));
        }
        let newest = |select: &mut SelectStatement| {
            select
                .order_by(tasks::Column::CreatedAt, Order::Desc)
                .order_by(tasks::Column::TaskId, Order::Desc);
        };
        let (found, total) = TASKS.page(fits, newest, (skip, limit), &mut db).await?;
        let items = self.shown(found, &mut db).await?;
        Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
    }

    /// Tasks as runs, in their order.
    async fn shown(&self, found: Vec<Record>, db: &mut dyn Reader) -> Result<Vec<Value>> {
        let of = |task: &Record| text(task, "session_id").unwrap_or_default().to_owned();
        let mut ids: Vec<_> = found.iter().map(of).collect();
        ids.sort_unstable();
        ids.dedup();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let places = Places::of(&ids, db).await?;
        let mut shown = Vec::with_capacity(found.len());
        for task in found {
            let place = places.at(&of(&task));
            let number = number(&task, db).await?;
            let plan = plans::of(text(&task, "task_id").unwrap_or_default(), db).await?;
            let results = self.results(&task, db).await?;
            shown.push(one(&task, place, (number, plan.as_ref(), results)));
        }
        Ok(shown)
    }

    /// What came of a task, if it is completed.
    async fn results(&self, task: &Record, db: &mut dyn Reader) -> Result<Value> {
        if text(task, "status") != Some("completed") {
            return Ok(Value::Null);
        }
        let said = ["output", "report"].map(|name| task.get(name).filter(|value| !value.is_null()));
        match said.into_iter().flatten().next() {
            Some(Value::Object(results)) => Ok(Value::Object(results.clone())),
            Some(said) => Ok(json!({ "output": said })),
            None => Ok(json!({"output": self.runs.last_words(task, db).await?})),
        }
    }
}

/// Which of its session's tasks it is, from 1.
async fn number(task: &Record, db: &mut dyn Reader) -> Result<u64> {
    use tasks::Column::{CreatedAt, SessionId, TaskId};
    let own = |name: &str| text(task, name).unwrap_or_default();
    let at = || Expr::col(CreatedAt);
    let same = Condition::all()
        .add(at().eq(own("created_at")))
        .add(Expr::col(TaskId).lte(own("task_id")));
    let until = Condition::any().add(at().lt(own("created_at"))).add(same);
    let of = Condition::all().add(Expr::col(SessionId).eq(own("session_id")));
    TASKS.count(db, of.add(until)).await
}

fn one(
    task: &Record,
    (row, workspace): (Record, Value),
    (number, plan, results): (u64, Option<&Record>, Value),
) -> Value {
    let at = |name: &str| task.get(name).cloned().unwrap_or_default();
    let status = Status::of(text(task, "status").unwrap_or_default());
    let changed = ["updated_at", "completed_at", "created_at"];
    let changed = changed.iter().find_map(|name| text(task, name));
    json!({
        "id": at("task_id"),
        "workspace_id": row.get("workspace_id"),
        "project_id": row.get("project_id"),
        "assignment_id": at("session_id"),
        "run_number": number,
        "status": status.name(),
        "workspace": workspace,
        "project": null,
        "plan": plan.and_then(|plan| plan.get("plan")),
        "approval": plan.map(|plan| approval(plan, status)),
        "results": results,
        "started_at": if status == Status::Pending { Value::Null } else { began(task) },
        "completed_at": at("completed_at"),
        "duration": seconds(&at("duration_ms")),
        "error_message": at("error"),
        "error_details": null,
        "memory_used": null,
        "round_count": null,
        "branch_name": null,
        "commit_sha": null,
        "pr_url": null,
        "git_status": null,
        "created_at": at("created_at"),
        "updated_at": changed,
    })
}

/// When a task began: it may have waited.
fn began(task: &Record) -> Value {
    let ended = text(task, "completed_at").and_then(Timestamp::parse);
    let took = task.get("duration_ms").and_then(Value::as_i64);
    let began = ended.zip(took);
    let began = began.and_then(|(ended, took)| Timestamp::from_millis(ended.millis() - took));
    let known = || task.get("created_at").cloned().unwrap_or_default();
    began.map_or_else(known, |began| json!(began.to_string()))
}

/// How the approval of a plan is.
fn approval(plan: &Record, run: Status) -> Value {
    let at = |name: &str| plan.get(name).cloned().unwrap_or_default();
    let decision = text(plan, "decision");
    let waits = run == Status::Running && decision.is_none();
    json!({
        "status": decision.or(waits.then_some("pending")),
        "feedback": at("feedback"),
        "requested_at": at("requested_at"),
        "decided_at": at("decided_at"),
        "decided_by": at("decided_by"),
    })
}
