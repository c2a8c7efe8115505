//! What webhooks are told: stored with what it tells of, and kept until it is done, and a while longer.
//! `webhooks/:id/deliveries` shows it.

use std::{sync::LazyLock, time::Duration};

use entities::{webhook_deliveries, webhooks};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, Query as Sql},
};
use serde_json::{Value, json};

use super::{ACTIVE, TABLE as WEBHOOKS};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        clock::Timestamp,
    },
    error::Result,
    services::{
        hirings::forms,
        records::Records,
        registry::Service,
        values::{leave_out_nulls, text},
    },
    store::{Store, lane::Work, query::Query, table::Table, transaction::Reader},
};

/// How long what was told is shown.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Deliveries that are shown.
const SHOWN: u64 = 100;

pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::of::<webhook_deliveries::Entity>("id"));

/// Stores what the webhooks of these agents and users are to be told of a task's step.
///
/// # Errors
/// If the database fails.
pub async fn store(
    step: &str,
    task: &Record,
    [agents, users]: [Vec<&str>; 2],
    work: &mut Work<'_>,
) -> Result<()> {
    use webhooks::Column::{AgentId, Status, UserId};
    let event = match step {
        "pending" => "task.created".to_owned(),
        "progress" => "task.in_progress".to_owned(),
        status => format!("task.{status}"),
    };
    let nobody_s = Condition::all()
        .add(Expr::col(AgentId).is_null())
        .add(Expr::col(UserId).is_null());
    let theirs = Condition::any()
        .add(Expr::col(AgentId).is_in(agents))
        .add(Expr::col(UserId).is_in(users))
        .add(nobody_s);
    let query = Query {
        condition: Condition::all()
            .add(Expr::col(Status).eq(ACTIVE))
            .add(theirs),
        ..Query::default()
    };
    let now = work.now.to_string();
    let mut body = None;
    for webhook in WEBHOOKS.find(work.tx, &query, None).await? {
        let events = webhook.get("event_types").and_then(Value::as_array);
        if !events.is_some_and(|events| events.contains(&json!(event))) {
            continue;
        }
        let body = body.get_or_insert_with(|| told(&event, task, &now).to_string());
        let delivery = json!({
            "id": work.clock.ordered_id(),
            "webhook_id": webhook["webhook_id"],
            "task_id": task["task_id"],
            "event": event,
            "body": body,
            "attempts": 0,
            "due_at": now,
            "created_at": now,
        });
        if let Value::Object(delivery) = delivery {
            TABLE.insert(work.tx, &delivery).await?;
        }
    }
    Ok(())
}

/// The body: the task, its id by the name that receivers expect.
fn told(event: &str, task: &Record, now: &str) -> Value {
    let mut body = json!({"event": event, "task_id": task["task_id"], "timestamp": now});
    if let (Some(body), Value::Object(form)) = (body.as_object_mut(), forms::task(task)) {
        body.extend(form);
        body.shift_remove("id");
    }
    body
}

/// The oldest that waits for each active webhook, those first that are due first.
pub(super) async fn heads(limit: usize, db: &mut dyn Reader) -> Result<Vec<Record>> {
    use webhook_deliveries::{
        Column::{DoneAt, Id, WebhookId},
        Entity,
    };
    let mut oldest = Sql::select();
    oldest
        .expr(Expr::col(Id).min())
        .from(Entity)
        .and_where(Expr::col(DoneAt).is_null())
        .group_by_col(WebhookId);
    let mut active = Sql::select();
    active
        .column(webhooks::Column::WebhookId)
        .from(webhooks::Entity)
        .and_where(Expr::col(webhooks::Column::Status).eq(ACTIVE));
    let due = TABLE
        .columns()
        .iter()
        .find(|column| column.name == "due_at");
    let query = Query {
        condition: Condition::all()
            .add(Expr::col(Id).in_subquery(oldest))
            .add(Expr::col(WebhookId).in_subquery(active)),
        sort: due
            .map(|due| (due.clone(), Order::Asc))
            .into_iter()
            .collect(),
        ..Query::default()
    };
    TABLE.find(db, &query, Some(limit as u64)).await
}

/// Notes what became of an attempt; what was told long ago is forgotten.
pub(super) async fn note(delivery: &Record, changes: &Record, work: &mut Work<'_>) -> Result<()> {
    use webhook_deliveries::{
        Column::{DoneAt, WebhookId},
        Entity,
    };
    TABLE.change(work.tx, &delivery["id"], changes).await?;
    let old = work.now.before(KEPT).map(|old| old.to_string());
    let mut delete = Sql::delete();
    delete
        .from_table(Entity)
        .and_where(Expr::col(WebhookId).eq(text(delivery, "webhook_id").unwrap_or_default()))
        .and_where(Expr::col(DoneAt).lt(old.unwrap_or_default()));
    let delete = work.tx.backend().build(&delete);
    work.tx.execute(delete).await.map(drop)
}

/// When a delivery is due.
pub(super) fn due(delivery: &Record) -> Option<Timestamp> {
    text(delivery, "due_at").and_then(Timestamp::parse)
}

/// The service: `find` answers with the newest deliveries of a webhook.
pub struct Deliveries(pub Records);

impl Service for Deliveries {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let db = &mut store.reader();
            let webhook = self.0.read(db, call.parameter("id"), &call.caller.identity);
            let id = webhook.await?["webhook_id"].clone();
            let id = id.as_str().unwrap_or_default();
            let query = Query {
                condition: Condition::all()
                    .add(Expr::col(webhook_deliveries::Column::WebhookId).eq(id)),
                sort: vec![(TABLE.id().clone(), Order::Desc)],
                ..Query::default()
            };
            let mut deliveries = TABLE.find(db, &query, Some(SHOWN)).await?;
            for delivery in &mut deliveries {
                let is_there =
                    |name: &str| delivery.get(name).is_some_and(|value| !value.is_null());
                let status = match (is_there("done_at"), is_there("failure")) {
                    (false, _) => "pending",
                    (true, false) => "delivered",
                    (true, true) => "failed",
                };
                delivery.insert("status".to_owned(), json!(status));
                delivery.retain(|name, _| name != "body" && name != "webhook_id");
            }
            leave_out_nulls(&mut deliveries);
            Ok(json!({"data": deliveries}).into())
        })
    }
}
