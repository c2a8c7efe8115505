//! The log's rows: appended by the write lane only, read by whoever replays.

use std::sync::Arc;

use entities::{events, log_head};
use sea_orm::{
    DbBackend, Statement, Value as SqlValue,
    sea_query::{Expr, ExprTrait, Func, InsertStatement, Order, Query},
};
use serde_json::{Value, value::RawValue};

use super::{
    columns::{Column, Kind},
    pool::Pool,
    transaction::{Reader, Spelled, Transaction},
};
use crate::{
    core::{
        BoxFuture, Record,
        clock::{SharedClock, Timestamp},
        event::{Draft, Event, Level, View},
        feed::Log,
        scope::Audience,
        stamp::{LogId, Seq},
    },
    error::{Error, Result},
};

/// About how many bytes of events are read at once: whoever is told what was missed holds so many.
const PAGE_BYTES: i64 = 512 << 10;

/// Rows in one of PostgreSQL's statements.
const ROWS: usize = 500;

/// The insert of one row.
static ROW: Spelled = Spelled::new();

/// The update of the newest event's place.
static HEAD: Spelled = Spelled::new();

/// Asks which log this is, and for its newest event.
pub(super) const ASK_HEAD: &str = "SELECT log_id, seq FROM log_head";

/// Writes events and moves the head.
pub async fn append(tx: &mut dyn Transaction, events: &[Arc<Event>]) -> Result<()> {
    let Some(last) = events.last() else {
        return Ok(());
    };
    let backend = tx.backend();
    if backend == DbBackend::Sqlite {
        // A prepared row runs faster than a long statement is parsed.
        let sql = ROW.text(backend, || {
            let mut row = insert();
            row.values_panic([const { SqlValue::String(None) }; 12].map(Expr::value));
            row
        });
        for event in events {
            tx.run(sql, row(event)?.into()).await?;
        }
    } else {
        // PostgreSQL counts round trips.
        for chunk in events.chunks(ROWS) {
            let mut insert = insert();
            for event in chunk {
                insert.values_panic(row(event)?.map(Expr::value));
            }
            tx.execute(backend.build(&insert)).await?;
        }
    }
    let head = HEAD.text(backend, || {
        let mut head = Query::update();
        head.table(log_head::Entity)
            .value(log_head::Column::Seq, last.seq.0);
        head
    });
    tx.run(head, vec![last.seq.0.into()]).await.map(drop)
}

/// Takes the head for this transaction, so that commit order is `seq` order with any number of nodes.
pub async fn lock_head(tx: &mut dyn Transaction) -> Result<Seq> {
    let statement = Statement::from_string(tx.backend(), format!("{ASK_HEAD} FOR UPDATE"));
    let rows = tx.query(statement, &head_columns()).await?;
    Ok(read_head(&rows)?.1)
}

/// Gives the log another id: stamps of the one before are answered with a reset.
pub async fn renew(tx: &mut dyn Transaction, clock: &SharedClock) -> Result<()> {
    let mut update = Query::update();
    update
        .table(log_head::Entity)
        .value(log_head::Column::LogId, new_id(clock));
    tx.execute(tx.backend().build(&update)).await.map(drop)
}

/// An id for a new log.
pub fn new_id(clock: &SharedClock) -> String {
    clock.random_id().simple().to_string()[..8].to_owned()
}

/// Which log this is, and its newest event.
pub async fn head(db: &mut dyn Reader) -> Result<(LogId, Seq)> {
    let statement = Statement::from_string(db.backend(), ASK_HEAD);
    let rows = db.query(statement, &head_columns()).await?;
    read_head(&rows)
}

/// Up to `limit` events after a place, in order; fewer where they are large.
pub async fn page(db: &mut dyn Reader, after: Seq, limit: usize) -> Result<Vec<Arc<Event>>> {
    let limit = fitting(db, after, limit, PAGE_BYTES).await?;
    let mut select = Query::select();
    let columns = Column::all::<events::Entity>();
    select
        .columns(columns.iter().map(Column::iden))
        .from(events::Entity)
        .and_where(Expr::col(events::Column::Seq).gt(after.0))
        .order_by(events::Column::Seq, Order::Asc)
        .limit(limit);
    let rows = db.select(&select, &columns).await?;
    rows.into_iter()
        .map(|row| event(row).map(Arc::new))
        .collect()
}

/// How many of the next events, at most `limit`, are dealt with at once: at least one, and about so
/// many bytes.
pub(super) async fn fitting(
    db: &mut dyn Reader,
    after: Seq,
    limit: usize,
    bytes: i64,
) -> Result<u64> {
    let mut select = Query::select();
    select
        .expr(data_size())
        .from(events::Entity)
        .and_where(Expr::col(events::Column::Seq).gt(after.0))
        .order_by(events::Column::Seq, Order::Asc)
        .limit(limit as u64);
    let rows = db.select(&select, &[SIZE]).await?;
    Ok(how_many_fit(&rows, bytes) as u64)
}

/// How many bytes an event's row holds, as [`data_size`] reads it.
pub(super) const SIZE: Column = Column {
    name: "size",
    kind: Kind::Integer,
    nullable: false,
};

/// About how many bytes an event's row holds.
pub(super) fn data_size() -> Expr {
    let length = Func::cust("octet_length").arg(Expr::col(events::Column::Data));
    Expr::expr(length).cast_as("bigint")
}

/// How many of these rows, each with its [`SIZE`], are dealt with at once: one at least, and
/// about so many bytes.
pub(super) fn how_many_fit(rows: &[Record], bytes: i64) -> usize {
    let mut budget = bytes;
    let fits = rows.iter().take_while(|row| {
        let fits = budget > 0;
        budget -= row.get(SIZE.name).and_then(Value::as_i64).unwrap_or(0);
        fits
    });
    fits.count()
}

/// The log's first event and its time; `None` if the log is empty.
pub(super) async fn oldest(db: &mut dyn Reader) -> Result<Option<(Seq, Timestamp)>> {
    let columns = Column::all::<events::Entity>();
    let columns = columns.into_iter();
    let columns: Vec<_> = columns
        .filter(|column| ["seq", "at"].contains(&column.name))
        .collect();
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(events::Entity)
        .order_by(events::Column::Seq, Order::Asc)
        .limit(1);
    let rows = db.select(&select, &columns).await?;
    let place = |row: &Record| {
        let at = Timestamp::parse(row.get("at")?.as_str()?)?;
        Some((Seq(row.get("seq")?.as_i64()?), at))
    };
    Ok(rows.first().and_then(place))
}

/// The first event from one place to another that is not older than a moment.
pub(super) async fn first_since(
    db: &mut dyn Reader,
    (from, to): (Seq, Seq),
    at: Timestamp,
) -> Result<Option<Seq>> {
    let first = Column {
        name: "first",
        kind: Kind::Integer,
        nullable: true,
    };
    let mut select = Query::select();
    select
        .expr(Func::min(Expr::col(events::Column::Seq)))
        .from(events::Entity)
        .and_where(Expr::col(events::Column::Seq).between(from.0, to.0))
        .and_where(Expr::col(events::Column::At).gte(at.to_string()));
    let rows = db.select(&select, std::slice::from_ref(&first)).await?;
    Ok(rows
        .first()
        .and_then(|row| row.get("first")?.as_i64())
        .map(Seq))
}

/// Takes events away from the log's start, up to a place.
pub(super) async fn prune(tx: &mut dyn Transaction, last: Seq) -> Result<()> {
    let mut delete = Query::delete();
    delete
        .from_table(events::Entity)
        .and_where(Expr::col(events::Column::Seq).lte(last.0));
    tx.execute(tx.backend().build(&delete)).await.map(drop)
}

/// The log as feeds read it.
pub struct SqlLog {
    /// Where it is read.
    pub pool: Pool,
    /// Which log it is.
    pub id: LogId,
}

impl Log for SqlLog {
    fn id(&self) -> LogId {
        self.id.clone()
    }

    fn after(&self, seq: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Event>>>> {
        let mut pool = self.pool.clone();
        Box::pin(async move { page(&mut pool, seq, limit).await })
    }
}

fn head_columns() -> Vec<Column> {
    Column::all::<log_head::Entity>()
        .into_iter()
        .filter(|column| column.name != "id")
        .collect()
}

fn read_head(rows: &[Record]) -> Result<(LogId, Seq)> {
    let read = || {
        let row = rows.first()?;
        Some((
            LogId(row.get("log_id")?.as_str()?.into()),
            Seq(row.get("seq")?.as_i64()?),
        ))
    };
    read().ok_or_else(|| Error::general("The database has no log; its migrations did not run"))
}

fn insert() -> InsertStatement {
    use events::Column as C;
    let mut insert = Query::insert();
    insert.into_table(events::Entity).columns([
        C::Seq,
        C::Id,
        C::At,
        C::Source,
        C::Name,
        C::Level,
        C::Actor,
        C::CorrelationId,
        C::Audience,
        C::Topics,
        C::Message,
        C::Data,
    ]);
    insert
}

fn row(event: &Event) -> Result<[SqlValue; 12]> {
    let text = |text: String| SqlValue::String(Some(text));
    let (audience, data) = views_to_text(&event.views)?;
    Ok([
        SqlValue::BigInt(Some(event.seq.0)),
        text(event.id.to_string()),
        text(event.at.to_string()),
        text(event.source.to_string()),
        text(event.name.to_string()),
        text(event.level.as_str().to_owned()),
        SqlValue::String(event.actor.clone()),
        SqlValue::String(event.correlation_id.clone()),
        text(audience),
        text(serde_json::to_string(&event.topics).map_err(unwritable)?),
        SqlValue::String(event.message.clone()),
        text(data),
    ])
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::general("An event could not be written").caused_by(error)
}

/// One view as it is; several as two lists of the same length.
fn views_to_text(views: &[View]) -> Result<(String, String)> {
    if let [View { audience, data }] = views {
        return Ok((
            serde_json::to_string(audience).map_err(unwritable)?,
            data.get().to_owned(),
        ));
    }
    let audiences: Vec<_> = views.iter().map(|view| &view.audience).collect();
    let data: Vec<_> = views.iter().map(|view| &view.data).collect();
    let text = |list: serde_json::Result<String>| list.map_err(unwritable);
    Ok((
        text(serde_json::to_string(&audiences))?,
        text(serde_json::to_string(&data))?,
    ))
}

fn views_from_text(audience: &str, data: String) -> serde_json::Result<Vec<View>> {
    if !audience.starts_with('[') {
        let data = RawValue::from_string(data)?.into();
        return Ok(vec![View {
            audience: serde_json::from_str(audience)?,
            data,
        }]);
    }
    let audiences: Vec<Audience> = serde_json::from_str(audience)?;
    let data: Option<Vec<Box<RawValue>>> = serde_json::from_str(&data)?;
    // Not read.
    let data = data.unwrap_or_else(|| vec![RawValue::NULL.to_owned(); audiences.len()]);
    Ok(audiences
        .into_iter()
        .zip(data)
        .map(|(audience, data)| View {
            audience,
            data: data.into(),
        })
        .collect())
}

/// Reads a row; where its data is null, it was not asked for.
pub(super) fn event(mut row: Record) -> Result<Event> {
    let seq = Seq(row.get("seq").and_then(Value::as_i64).unwrap_or_default());
    let mut text = |name: &str| match row.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let mut read = || {
        let draft = Draft {
            source: text("source")?.into(),
            name: text("name")?.into(),
            level: Level::parse(&text("level")?)?,
            actor: text("actor"),
            correlation_id: text("correlation_id"),
            topics: serde_json::from_str(&text("topics")?).ok()?,
            message: text("message"),
            // What the log tells has taken effect long ago.
            access: Vec::new(),
            views: views_from_text(&text("audience")?, text("data")?).ok()?,
        };
        Some(Event {
            seq,
            id: text("id")?.parse().ok()?,
            at: Timestamp::parse(&text("at")?)?,
            draft,
        })
    };
    read().ok_or_else(|| Error::general(format!("The log's row {seq} cannot be read")))
}
