//! What goes with a session: its tasks and messages, told one by one.

use entities::{messages, tasks};
use sea_orm::{
    EntityName, EntityTrait,
    sea_query::{Alias, Expr, ExprTrait, IntoCondition},
};
use serde_json::Value;

use super::{
    rules::Scope,
    values::{leave_out_nulls, text},
    visibility,
};
use crate::{
    core::event::Draft,
    error::Result,
    store::{lane::Work, query::Query, table::Table},
};

/// The `removed` of everything in a session that is about to go, messages first.
///
/// # Errors
/// If the database fails.
pub async fn removed_with(session: &str, work: &mut Work<'_>) -> Result<Vec<Draft>> {
    let mut drafts = of::<messages::Entity>("message_id", "messages", session, work).await?;
    drafts.extend(of::<tasks::Entity>("task_id", "tasks", session, work).await?);
    Ok(drafts)
}

async fn of<E: EntityTrait + EntityName + Default>(
    id: &str,
    source: &'static str,
    session: &str,
    work: &mut Work<'_>,
) -> Result<Vec<Draft>> {
    let table = Table::of::<E>(id);
    let query = Query {
        condition: Expr::col(Alias::new("session_id"))
            .eq(session)
            .into_condition(),
        ..Query::default()
    };
    let mut records = table.find(work.tx, &query, None).await?;
    leave_out_nulls(&mut records);
    let scope = |record| {
        let (session, task) = (text(record, "session_id"), text(record, "task_id"));
        Some(Scope::everyone([("session", session), ("task", task)]))
    };
    let scopes = records.iter().map(scope).collect();
    let scopes = visibility::follow_boards(work.tx, &records, scopes).await?;
    let told = records.into_iter().zip(scopes);
    told.filter_map(|(record, scope)| {
        let scope = scope?;
        Some(scope.draft(source, "removed", &Value::Object(record)))
    })
    .collect()
}
