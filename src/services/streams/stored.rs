//! What the database has of tasks' streams.

use std::sync::Arc;

use entities::{agents, task_chunks, tasks};
use sea_orm::{
    EntityTrait, IdenStatic,
    sea_query::{Condition, Expr, ExprTrait, Order, Query as Sql, SelectStatement},
};
use serde_json::{Value, json};

use super::{Streams, chunk::Chunk};
use crate::{
    core::{Record, identity::Identity},
    error::{Error, Kind, Result},
    services::values::text,
    store::{
        columns::Column,
        query,
        transaction::{Reader, Spelled},
    },
};

/// Chunks, and about how many bytes of them, that are read at a time.
pub(super) const PAGE: u64 = 64;
const PAGE_BYTES: i64 = 256 << 10;

/// Agents whose owners are remembered.
const REMEMBERED: usize = 10_000;

static TASK: Spelled = Spelled::new();
static LAST: Spelled = Spelled::new();

/// A task's last chunk; zeros if there is none.
#[derive(Default)]
pub(super) struct Last {
    pub(super) id: String,
    pub(super) seq: u64,
    /// Bytes of all chunks.
    pub(super) total: u64,
    pub(super) at: String,
}

impl Streams {
    /// What decides about a task's stream: whose it is, and whether it is open. The start of an id finds
    /// it, too.
    ///
    /// # Errors
    /// `NotFound` (reason `not_found`), or if the database fails.
    pub(super) async fn brief(&self, task: &str, db: &mut dyn Reader) -> Result<Record> {
        use tasks::Column as C;
        let columns = [
            C::TaskId,
            C::SessionId,
            C::Status,
            C::ProviderAgentId,
            C::ClientAgentId,
            C::HiringId,
            C::StreamId,
        ];
        let spell = || {
            let mut select = Sql::select();
            select
                .columns(columns)
                .from(tasks::Entity)
                .and_where(Expr::col(C::TaskId).eq(""));
            select
        };
        let columns = columns_of::<tasks::Entity>(&columns.map(|column| name(&column)));
        let found = db.ask(&TASK, spell, [task.into()], &columns).await?.pop();
        match found {
            Some(task) => Ok(task),
            None => self.read(task, db).await,
        }
    }

    /// A task, whoever asks.
    ///
    /// # Errors
    /// As [`brief`](Self::brief).
    pub(super) async fn read(&self, task: &str, db: &mut dyn Reader) -> Result<Record> {
        let record = self.tasks.read(db, task, &Identity::System).await;
        record.map_err(|error| match error.kind() {
            Kind::NotFound | Kind::BadRequest => missing(),
            _ => error,
        })
    }

    /// Chunks after a place, of one kind or of any: as many as go together, one at least if there is one.
    pub(super) async fn page(
        &self,
        task: &str,
        (after, kind): (u64, Option<&str>),
        limit: u64,
        db: &mut dyn Reader,
    ) -> Result<Vec<Arc<Chunk>>> {
        use task_chunks::Column as C;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let select = |columns: &[Column], limit: u64| -> SelectStatement {
            let mut select = Sql::select();
            select
                .columns(columns.iter().map(Column::iden))
                .from(task_chunks::Entity)
                .and_where(Expr::col(C::TaskId).eq(task))
                .and_where(Expr::col(C::Seq).gt(after))
                .order_by(C::Seq, Order::Asc)
                .limit(limit);
            if let Some(kind) = kind {
                select.and_where(Expr::col(C::Kind).eq(kind));
            }
            select
        };
        let total = columns_of::<task_chunks::Entity>(&["total"]);
        let first = db.select(&select(&total, 1), &total).await?;
        let Some(first) = first.first().and_then(|row| row.get("total")?.as_i64()) else {
            return Ok(Vec::new());
        };
        let columns = self.chunks.columns();
        let mut page = select(columns, limit);
        page.and_where(Expr::col(C::Total).lte(first.saturating_add(PAGE_BYTES)));
        let rows = db.select(&page, columns).await?;
        rows.iter()
            .map(|row| Chunk::stored(row).map(Arc::new))
            .collect()
    }

    /// A task's last chunk.
    pub(super) async fn last(&self, task: &str, db: &mut dyn Reader) -> Result<Last> {
        use task_chunks::Column as C;
        let columns = columns_of::<task_chunks::Entity>(&["id", "seq", "total", "at"]);
        let spell = || {
            let mut select = Sql::select();
            select
                .columns(columns.iter().map(Column::iden))
                .from(task_chunks::Entity)
                .and_where(Expr::col(C::TaskId).eq(""))
                .order_by(C::Seq, Order::Desc)
                .limit(1);
            select
        };
        // The limit is a value, too.
        let values = [task.into(), 1_u64.into()];
        let rows = db.ask(&LAST, spell, values, &columns).await?;
        let Some(row) = rows.first() else {
            return Ok(Last::default());
        };
        let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
        let owned = |name| text(row, name).unwrap_or_default().to_owned();
        Ok(Last {
            id: owned("id"),
            seq: number("seq"),
            total: number("total"),
            at: owned("at"),
        })
    }

    /// The user whose agent it is, if anybody's. An agent never becomes another's.
    pub(super) async fn owner_of(
        &self,
        agent: &str,
        db: &mut dyn Reader,
    ) -> Result<Option<String>> {
        if let Some(owner) = self.owners().get(agent) {
            return Ok(owner.clone());
        }
        let query = query::Query {
            condition: Condition::all().add(Expr::col(agents::Column::Id).eq(agent)),
            ..query::Query::default()
        };
        let Some(found) = self.agents.find(db, &query, Some(1)).await?.pop() else {
            return Ok(None);
        };
        let owner = text(&found, "user_id").map(str::to_owned);
        let mut owners = self.owners();
        if owners.len() >= REMEMBERED {
            owners.clear();
        }
        owners.insert(agent.to_owned(), owner.clone());
        Ok(owner)
    }
}

/// There is no such task.
fn missing() -> Error {
    Error::not_found("There is no such task").with_data(json!({"reason": "not_found"}))
}

fn name<C: IdenStatic>(column: &C) -> &'static str {
    column.as_str()
}

/// Some columns of an entity, in the order of the names.
fn columns_of<E: EntityTrait>(names: &[&str]) -> Vec<Column> {
    let all = Column::all::<E>();
    let of = |name: &&str| all.iter().find(|column| column.name == *name).cloned();
    names.iter().filter_map(of).collect()
}
