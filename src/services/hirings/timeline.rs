//! `tasks/:id/timeline`: how a task with an agent went, step by step.

use std::sync::LazyLock;

use entities::task_steps;
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait},
};
use serde_json::{Value, json};

use super::forms;
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
    },
    error::Result,
    services::{
        records::Records,
        registry::Service,
        values::{leave_out_nulls, text},
    },
    store::{Store, lane::Work, query::Query, table::Table},
};

/// A step that is no change of the status.
pub(super) const PROGRESS: &str = "progress";

static STEPS: LazyLock<Table> = LazyLock::new(|| Table::of::<task_steps::Entity>("id"));

/// Notes a step.
pub(super) async fn add(task: &Record, event: &str, work: &mut Work<'_>) -> Result<()> {
    let mut step = Record::from_iter([
        ("id".to_owned(), json!(work.clock.ordered_id())),
        ("event_type".to_owned(), json!(event)),
        ("at".to_owned(), json!(work.now.to_string())),
    ]);
    for name in ["task_id", "progress_percent", "progress_message"] {
        if let Some(value) = task.get(name) {
            step.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(error) = text(task, "error").filter(|_| ["failed", "cancelled"].contains(&event)) {
        step.insert("details".to_owned(), json!({"reason": error}));
    }
    STEPS.insert(work.tx, &step).await.map(drop)
}

/// The status that was noted last, in Agrenting's words.
pub(super) async fn last_status(task: &str, work: &mut Work<'_>) -> Result<Option<String>> {
    let id = STEPS.id().clone();
    let query = Query {
        condition: of(task).add(Expr::col(task_steps::Column::EventType).ne(PROGRESS)),
        sort: vec![(id, Order::Desc)],
        ..Query::default()
    };
    let step = STEPS.find(work.tx, &query, Some(1)).await?.pop();
    Ok(step.and_then(|step| text(&step, "event_type").map(str::to_owned)))
}

fn of(task: &str) -> Condition {
    Condition::all().add(Expr::col(task_steps::Column::TaskId).eq(task))
}

/// The service: `find` answers `{status, events}`.
pub struct Timeline(pub Records);

impl Service for Timeline {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let db = &mut store.reader();
            let task = self.0.read(db, call.parameter("id"), &call.caller.identity);
            let task = task.await?;
            let query = Query {
                condition: of(text(&task, "task_id").unwrap_or_default()),
                sort: vec![(STEPS.id().clone(), Order::Asc)],
                ..Query::default()
            };
            let mut steps = STEPS.find(db, &query, None).await?;
            leave_out_nulls(&mut steps);
            let events = steps.into_iter().map(|mut step| {
                step.retain(|name, _| !["id", "task_id"].contains(&name.as_str()));
                if let Some(at) = step.shift_remove("at") {
                    step.shift_insert(1, "timestamp".to_owned(), at);
                }
                Value::Object(step)
            });
            let events: Vec<_> = events.collect();
            Ok(json!({"status": forms::status(&task), "events": events}).into())
        })
    }
}
