//! The log as queries read it: some of its events, in any order, a page at a time.

use std::collections::HashMap;

use entities::events;
use sea_orm::{
    Iterable, Order,
    sea_query::{Condition, Expr, ExprTrait, Query as Sql},
};
use serde_json::Value;

use super::{
    columns::Column, fields::Fields, log, query::Query, table::Table, transaction::Reader,
};
use crate::{
    core::{
        Record,
        event::Event,
        scope::KINDS,
        stamp::{LogId, Seq},
    },
    error::Result,
};

/// About how many bytes of events a page holds.
const PAGE_BYTES: i64 = 4 << 20;

/// How often a page is looked for while the log is pruned beneath it.
const LOOKS: u32 = 8;

/// What queries may name, beside the kinds of topics.
const NAMED: [&str; 9] = [
    "seq",
    "id",
    "at",
    "source",
    "name",
    "level",
    "actor",
    "correlation_id",
    "message",
];

/// What queries may name.
pub fn fields(log: LogId) -> Fields {
    let columns = Column::all::<events::Entity>();
    let topics = columns.iter().find(|column| column.name == "topics");
    let topics = topics.cloned();
    let mut fields = Fields::new(columns);
    fields.only(&NAMED);
    fields.stamps("seq", log);
    if let Some(topics) = topics {
        fields.topics(topics, &KINDS);
    }
    fields
}

/// Events up to a place.
pub fn up_to(head: Seq) -> Condition {
    Condition::all().add(Expr::col(events::Column::Seq).lte(head.0))
}

/// Events after a place.
pub fn after(place: Seq) -> Condition {
    Condition::all().add(Expr::col(events::Column::Seq).gt(place.0))
}

/// The event at a place.
pub fn at(place: Seq) -> Condition {
    Condition::all().add(Expr::col(events::Column::Seq).eq(place.0))
}

/// The event with an id.
pub fn with_id(id: &str) -> Condition {
    Condition::all().add(Expr::col(events::Column::Id).eq(id))
}

/// Some events.
pub struct Page {
    /// The events, in order.
    pub events: Vec<Event>,
    /// Whether there may be more after them.
    pub is_full: bool,
}

/// Up to `limit` events that match, in order, by `seq` where no `$sort` says another; fewer where they
/// are large. Their data is null if it is not asked for.
///
/// # Errors
/// If the database fails.
pub async fn page(db: &mut dyn Reader, query: &Query, limit: u64, with_data: bool) -> Result<Page> {
    let mut looks = 1;
    loop {
        let mut places = found(db, query, limit).await?;
        let found = places.len();
        if with_data {
            places.truncate(log::how_many_fit(&places, PAGE_BYTES));
        }
        let seqs: Vec<i64> = places.iter().filter_map(seq).collect();
        let mut rows = rows(db, &seqs, with_data).await?;
        // Some may have been pruned since they were found.
        if rows.len() < seqs.len() && looks < LOOKS {
            looks += 1;
            continue;
        }
        let events = seqs.iter().filter_map(|seq| rows.remove(seq));
        return Ok(Page {
            is_full: found as u64 >= limit || seqs.len() < found,
            events: events.map(log::event).collect::<Result<_>>()?,
        });
    }
}

/// How many events match.
///
/// # Errors
/// If the database fails.
pub async fn count(db: &mut dyn Reader, condition: Condition) -> Result<u64> {
    let table = Table::of::<events::Entity>("seq");
    table.count(db, condition).await
}

/// Where the events are, and how large: a condition may take long, and is looked at once.
async fn found(db: &mut dyn Reader, query: &Query, limit: u64) -> Result<Vec<Record>> {
    let mut select = Sql::select();
    select
        .column(events::Column::Seq)
        .expr(log::data_size())
        .from(events::Entity)
        .cond_where(query.condition.clone());
    query.order(&mut select);
    if query.sort.iter().all(|(column, _)| column.name != "seq") {
        select.order_by(events::Column::Seq, Order::Asc);
    }
    select.limit(limit);
    if query.skip > 0 {
        select.offset(Ord::min(query.skip, i64::MAX as u64));
    }
    let columns = Column::all::<events::Entity>();
    let seq = columns.into_iter().filter(|column| column.name == "seq");
    let columns: Vec<_> = seq.chain([log::SIZE]).collect();
    db.select(&select, &columns).await
}

/// The rows of these events, by their places.
async fn rows(db: &mut dyn Reader, seqs: &[i64], with_data: bool) -> Result<HashMap<i64, Record>> {
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Sql::select();
    for column in events::Column::iter() {
        match column {
            events::Column::Data if !with_data => select.expr(Expr::cust("'null'")),
            _ => select.column(column),
        };
    }
    select
        .from(events::Entity)
        .and_where(Expr::col(events::Column::Seq).is_in(seqs.iter().copied()));
    let rows = db.select(&select, &Column::all::<events::Entity>()).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((seq(&row)?, row)))
        .collect())
}

fn seq(row: &Record) -> Option<i64> {
    row.get("seq").and_then(Value::as_i64)
}
