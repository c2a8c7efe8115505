//! `hirings`: an agent works for a client. A hiring has a session, which is its thread, and a task in it,
//! or several, one after the other, if it is tried again.
//!
//! Whoever sees the session sees the hiring. Where nothing else is said, the session is on a private board
//! of the client's. Source: docs/protocols/agrenting.md, "Hirings".
//!
//! - `hire`: how one begins, and how an agent is given a task without one
//! - `afterwards`: how it is cancelled or tried again
//! - `following`: what follows from a change of a task, whatever door it came through
//! - `talk`, `timeline`: what the sides say, and how a task went
//! - `forms`: how Agrenting writes all of it

mod afterwards;
mod following;
pub mod forms;
mod hire;
mod talk;
mod timeline;

use std::sync::LazyLock;

use entities::{hirings, tasks};
use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use serde_json::json;

pub use self::{
    afterwards::Afterwards,
    following::follow,
    hire::Assign,
    talk::{About, Talk},
    timeline::Timeline,
};
use super::{
    records::Records,
    registry::Service,
    rules::{Rules, Scope},
    tasks as own_tasks,
    values::text,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
    },
    error::Result,
    store::{Store, lane::Work, query::Query, table::Table},
};

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<hirings::Entity>("id"));
static HIRINGS: LazyLock<Records> = LazyLock::new(records);
static TASKS: LazyLock<Records> = LazyLock::new(own_tasks::service);

fn records() -> Records {
    Records::of::<hirings::Entity>("id")
        .paginate(100, 1_000)
        .in_order_of("created_at")
        .rules(Seen)
        .build()
}

struct Seen;

impl Rules for Seen {
    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn belong_to_sessions(&self) -> bool {
        true
    }

    fn scope(&self, hiring: &Record) -> Option<Scope> {
        Some(following::scope(hiring))
    }
}

/// The service: `find`, `get`, and `create`, which hires.
pub struct Hirings {
    records: Records,
    sessions: Records,
}

impl Hirings {
    /// The hirings; their sessions are made here.
    pub fn new(sessions: &Records) -> Self {
        Self {
            records: records(),
            sessions: sessions.clone(),
        }
    }
}

impl Service for Hirings {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Get, Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        if call.method != Method::Create {
            return self.records.call(call, store);
        }
        let (sessions, by) = (self.sessions.clone(), call.caller.identity.clone());
        Box::pin(async move {
            let asked = hire::Asked::read(&call.data)?;
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                asked.hire(&sessions, work).await
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}

/// Ends the open tasks of an agent that is about to go: what it works on fails, what it has done by others
/// is cancelled.
///
/// # Errors
/// If the database fails.
pub async fn leave(agent: &str, work: &mut Work<'_>) -> Result<()> {
    use tasks::Column::{ClientAgentId, ProviderAgentId, Status};
    let by = std::mem::replace(&mut work.by, Identity::System);
    let table = Table::of::<tasks::Entity>("task_id");
    for (column, status, error) in [
        (ProviderAgentId, "failed", "the agent was removed"),
        (ClientAgentId, "stopped", "the client was removed"),
    ] {
        let query = Query {
            condition: Condition::all()
                .add(Expr::col(column).eq(agent))
                .add(Expr::col(Status).is_not_in(own_tasks::OVER)),
            ..Query::default()
        };
        for task in table.find(work.tx, &query, None).await? {
            let id = text(&task, "task_id").unwrap_or_default();
            let end = json!({"status": status, "error": error});
            TASKS.patch(id, end, work).await?;
        }
    }
    work.by = by;
    Ok(())
}
