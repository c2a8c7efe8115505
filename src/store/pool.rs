//! Reading through SeaORM's pool, and what SeaORM's rows and failures mean to Roost.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, QueryResult, RuntimeErr, Statement,
    error::ConnAcquireErr,
};
use serde_json::Value;

use super::{
    columns::{Column, Kind, json, number},
    transaction::Reader,
};
use crate::{
    core::{BoxFuture, Record},
    error::{Error, Result},
};

/// Reads through the pool.
#[derive(Clone)]
pub struct Pool(pub DatabaseConnection);

impl Reader for Pool {
    fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    fn query<'a>(
        &'a mut self,
        statement: Statement,
        columns: &'a [Column],
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(rows(&self.0, statement, columns))
    }
}

pub(super) async fn rows(
    connection: &impl ConnectionTrait,
    statement: Statement,
    columns: &[Column],
) -> Result<Vec<Record>> {
    let rows = connection.query_all_raw(statement).await.map_err(convert)?;
    rows.iter().map(|row| record(row, columns)).collect()
}

fn record(row: &QueryResult, columns: &[Column]) -> Result<Record> {
    let mut record = Record::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let value = value(row, index, column.kind).map_err(convert)?;
        record.insert(column.name.to_owned(), value);
    }
    Ok(record)
}

fn value(row: &QueryResult, index: usize, kind: Kind) -> Result<Value, DbErr> {
    Ok(match kind {
        Kind::Text | Kind::Time => row
            .try_get_by_index::<Option<String>>(index)?
            .map(Value::String),
        Kind::Json => row
            .try_get_by_index::<Option<String>>(index)?
            .map(|text| json(&text)),
        Kind::Integer => row.try_get_by_index::<Option<i64>>(index)?.map(Value::from),
        Kind::Real => row.try_get_by_index::<Option<f64>>(index)?.map(number),
        Kind::Boolean => row
            .try_get_by_index::<Option<bool>>(index)?
            .map(Value::Bool),
    }
    .unwrap_or(Value::Null))
}

/// Spells a failure for the client, without SQL; the cause goes to the log.
pub fn convert(error: DbErr) -> Error {
    let code = match &error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            cause
                .as_database_error()
                .and_then(|cause| cause.code().map(std::borrow::Cow::into_owned))
        }
        _ => None,
    };
    let spelled = match code.as_deref() {
        Some("23505") => Error::conflict("A record with this id or unique value already exists"),
        Some("23503") => Error::bad_request("The record refers to another that does not exist"),
        Some("23502") => Error::bad_request("A required value is missing"),
        Some(code) if code.starts_with("23") => {
            Error::bad_request("A value is not one of those allowed")
        }
        Some(code) if code.starts_with("22") => {
            Error::bad_request("A value does not fit its column")
        }
        Some("25006") => Error::unavailable("The database is read-only; nothing was stored"),
        // SQLite's, and PostgreSQL's, word for a statement whose time was over.
        Some("9" | "57014") => {
            Error::unavailable("The database took too long and was stopped; ask for less at once")
        }
        Some("53100") => Error::unavailable("The disk is full; nothing was stored"),
        Some(code)
            if code.starts_with("08") || code.starts_with("57") || code.starts_with("53") =>
        {
            unreachable_database()
        }
        Some("55P03" | "40001" | "40P01") => Error::unavailable("The database is busy; try again"),
        // Nobody can say which: a server that is not there is waited for as well.
        None if is_late(&error) => Error::unavailable(
            "The database is busy with other calls, or cannot be reached; try again",
        ),
        None if is_unreachable(&error) => unreachable_database(),
        _ => Error::general("The database failed; the daemon's log says more"),
    };
    spelled.caused_by(error)
}

/// Whether no connection was free in time.
const fn is_late(error: &DbErr) -> bool {
    matches!(error, DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
}

/// Whether it is the connection that failed, not the statement.
fn is_unreachable(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            cause.as_database_error().is_none()
        }
        _ => false,
    }
}

fn unreachable_database() -> Error {
    Error::unavailable("The database cannot be reached; try again")
}
