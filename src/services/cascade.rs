//! What goes with a session: its tasks, messages and hirings, told one by one.
//!
//! A long session is cleared before it is removed, a part at a time, so that others' writes come between.

use entities::{messages, tasks};
use sea_orm::{
    EntityName, EntityTrait,
    sea_query::{Alias, Expr, ExprTrait, IntoCondition},
};
use serde_json::Value;

use super::{
    hirings,
    hooks::{Context, Hook, Next},
    records::Records,
    rules::{Change, Scope},
    tasks::follow_streams,
    values::{leave_out_nulls, text},
    visibility,
};
use crate::{
    core::{BoxFuture, Record, call::Method, event::Draft, turn::Turn},
    error::Result,
    store::{lane::Work, query::Query, table::Table},
};

/// Messages that go at once.
const PART: u64 = 500;

/// Clears long sessions before they are removed.
pub struct Clear(pub Records);

impl Hook for Clear {
    fn run<'a>(
        &'a self,
        context: &'a mut Context<'_>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let call = &context.call;
            let id = call.id.as_ref().and_then(Value::as_str);
            // A removal with a condition may remove nothing: then nothing may be cleared.
            let is_plain = call.query.keys().all(|name| name == "$select");
            if let Some(id) = id.filter(|_| call.method == Method::Remove && is_plain) {
                self.clear(id, context).await?;
            }
            next.run(context).await
        })
    }
}

impl Clear {
    /// Removes all but the last part of a session's messages, as far as the caller may remove it.
    async fn clear(&self, id: &str, context: &Context<'_>) -> Result<()> {
        let by = context.call.caller.identity.clone();
        loop {
            let (sessions, id, by) = (self.0.clone(), id.to_owned(), by.clone());
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let session = sessions.read(work.tx, &id, &work.by).await?;
                let session = text(&session, "session_id").unwrap_or_default();
                clear_part(session, work).await
            };
            // The removal itself says what is wrong.
            if !context
                .store
                .write(&Turn::default(), unit)
                .await
                .unwrap_or(false)
            {
                return Ok(());
            }
        }
    }
}

/// Removes a part of a session's messages if that is not all; whether it did.
pub(super) async fn clear_part(session: &str, work: &mut Work<'_>) -> Result<bool> {
    let table = Table::of::<messages::Entity>("message_id");
    let messages = found(&table, session, Some(PART), work).await?;
    if (messages.len() as u64) < PART {
        return Ok(false);
    }
    let ids: Vec<_> = messages
        .iter()
        .filter_map(|message| message.get("message_id").cloned())
        .collect();
    for draft in told(messages, "messages", work).await? {
        work.publish(draft);
    }
    table.delete(work.tx, &ids).await?;
    Ok(true)
}

/// The `removed` of everything in a session that is about to go, messages first.
///
/// # Errors
/// If the database fails.
pub async fn removed_with(session: &str, work: &mut Work<'_>) -> Result<Vec<Draft>> {
    let mut drafts = of::<messages::Entity>("message_id", "messages", session, work).await?;
    let table = Table::of::<tasks::Entity>("task_id");
    let tasks = found(&table, session, None, work).await?;
    for task in &tasks {
        drafts.extend(hirings::follow(Change::Removed, task, &Record::new(), work).await?);
    }
    drafts.extend(told(tasks, "tasks", work).await?);
    drafts.extend(of::<entities::hirings::Entity>("id", "hirings", session, work).await?);
    Ok(drafts)
}

async fn of<E: EntityTrait + EntityName + Default>(
    id: &str,
    source: &'static str,
    session: &str,
    work: &mut Work<'_>,
) -> Result<Vec<Draft>> {
    let records = found(&Table::of::<E>(id), session, None, work).await?;
    told(records, source, work).await
}

/// What is in a session, up to so many.
async fn found(
    table: &Table,
    session: &str,
    limit: Option<u64>,
    work: &mut Work<'_>,
) -> Result<Vec<Record>> {
    let query = Query {
        condition: Expr::col(Alias::new("session_id"))
            .eq(session)
            .into_condition(),
        ..Query::default()
    };
    let mut records = table.find(work.tx, &query, limit).await?;
    leave_out_nulls(&mut records);
    Ok(records)
}

/// The `removed` of records.
async fn told(
    records: Vec<Record>,
    source: &'static str,
    work: &mut Work<'_>,
) -> Result<Vec<Draft>> {
    let scope = |record| {
        let (session, task) = (text(record, "session_id"), text(record, "task_id"));
        Some(Scope::everyone([("session", session), ("task", task)]))
    };
    let scopes = records.iter().map(scope).collect();
    let mut scopes = visibility::follow_boards(work.tx, &records, scopes).await?;
    follow_streams(work.tx, &mut scopes).await?;
    let records = records.into_iter().zip(scopes);
    records
        .filter_map(|(record, scope)| {
            let scope = scope?;
            Some(scope.draft(source, "removed", &Value::Object(record)))
        })
        .collect()
}
