//! SQLite's side of the write lane: the only writing connection, driven from the lane's thread.
//!
//! Statements come from SeaORM; rusqlite runs them, because crossing to a driver's thread and back
//! for each statement costs more than the statement (docs/decisions/0002).

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{
    Connection, ErrorCode, Row, ToSql,
    types::{ToSqlOutput, Value as Stored, ValueRef},
};
use sea_orm::{DbBackend, Statement, Value as SqlValue};
use serde_json::Value;

use super::{
    checkpoint::{Checkpoints, checkpoint},
    columns::{Column, Kind, json, number},
    transaction::{Reader, Transaction},
};
use crate::{
    core::{BoxFuture, Record},
    error::{Error, Result},
};

/// Statements kept prepared.
const PREPARED: usize = 256;

/// The writing connection.
pub struct Sqlite {
    connection: Connection,
    /// Where the file is, and which one it was when it was opened.
    path: PathBuf,
    file: (u64, u64),
    checkpoints: Arc<Checkpoints>,
}

impl Sqlite {
    /// Opens the file for writing.
    ///
    /// # Errors
    /// If the file cannot be opened or is no database.
    pub fn open(path: &Path, synchronous: &str, checkpoints: Arc<Checkpoints>) -> Result<Self> {
        let connection = Connection::open(path).map_err(convert)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        connection
            .busy_timeout(Duration::from_secs(5))
            .map_err(convert)?;
        let pragmas = format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA foreign_keys=ON; PRAGMA case_sensitive_like=ON; \
             PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=268435456; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
        );
        connection.execute_batch(&pragmas).map_err(convert)?;
        let file = identify(path).ok_or_else(gone)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            file,
            checkpoints,
        })
    }

    /// Commits, and copies the rest of the write-ahead log where that is due.
    ///
    /// # Errors
    /// If nothing was committed.
    pub fn commit(&self) -> Result<()> {
        self.step("COMMIT")?;
        if self.checkpoints.committed()
            && let Err(error) = checkpoint(&self.connection)
        {
            tracing::warn!(%error, "a checkpoint failed; the write-ahead log grows");
        }
        Ok(())
    }

    /// Whether the database's file is still there: without it, what is written is lost at the end.
    pub fn is_there(&self) -> bool {
        identify(&self.path) == Some(self.file)
    }

    /// Whether a transaction is open: some failures end it by themselves.
    pub fn in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    fn step(&self, sql: &str) -> Result<()> {
        let mut prepared = self.connection.prepare_cached(sql).map_err(convert)?;
        prepared.raw_execute().map(drop).map_err(convert)
    }

    fn change<'v>(&self, sql: &str, values: impl IntoIterator<Item = &'v SqlValue>) -> Result<u64> {
        let mut prepared = self.connection.prepare_cached(sql).map_err(convert)?;
        bind(&mut prepared, values)?;
        prepared
            .raw_execute()
            .map(|rows| rows as u64)
            .map_err(convert)
    }

    fn rows(&self, statement: &Statement, columns: &[Column]) -> Result<Vec<Record>> {
        let mut prepared = self
            .connection
            .prepare_cached(&statement.sql)
            .map_err(convert)?;
        bind(&mut prepared, values(statement))?;
        let mut rows = prepared.raw_query();
        let mut records = Vec::new();
        while let Some(row) = rows.next().map_err(convert)? {
            records.push(record(row, columns)?);
        }
        Ok(records)
    }
}

impl Reader for Sqlite {
    fn backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    fn query<'a>(
        &'a mut self,
        statement: Statement,
        columns: &'a [Column],
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        let rows = self.rows(&statement, columns);
        Box::pin(std::future::ready(rows))
    }
}

impl Transaction for Sqlite {
    fn control(&mut self, sql: &'static str) -> BoxFuture<'_, Result<()>> {
        let done = self.step(sql);
        Box::pin(std::future::ready(done))
    }

    fn execute(&mut self, statement: Statement) -> BoxFuture<'_, Result<u64>> {
        let rows = self.change(&statement.sql, values(&statement));
        Box::pin(std::future::ready(rows))
    }

    fn run<'a>(&'a mut self, sql: &'a str, values: Vec<SqlValue>) -> BoxFuture<'a, Result<u64>> {
        let rows = self.change(sql, &values);
        Box::pin(std::future::ready(rows))
    }
}

/// Which file is at a path: its device and its number there.
pub(super) fn identify(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// What is said when the file is not there any more.
pub(super) fn gone() -> Error {
    Error::unavailable("The database's file is gone; the daemon stops")
}

struct Binding<'a>(&'a SqlValue);

impl ToSql for Binding<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let owned = |value: Stored| Ok(ToSqlOutput::Owned(value));
        match self.0 {
            SqlValue::String(Some(text)) => {
                Ok(ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())))
            }
            SqlValue::BigInt(Some(integer)) => owned(Stored::Integer(*integer)),
            SqlValue::Int(Some(integer)) => owned(Stored::Integer((*integer).into())),
            SqlValue::BigUnsigned(Some(integer)) => {
                owned(Stored::Integer(i64::try_from(*integer).unwrap_or(i64::MAX)))
            }
            SqlValue::Double(Some(real)) => owned(Stored::Real(*real)),
            SqlValue::Bool(Some(boolean)) => owned(Stored::Integer((*boolean).into())),
            SqlValue::String(None)
            | SqlValue::BigInt(None)
            | SqlValue::Int(None)
            | SqlValue::Double(None)
            | SqlValue::Bool(None) => owned(Stored::Null),
            other => Err(rusqlite::Error::ToSqlConversionFailure(
                format!("no binding for {other:?}").into(),
            )),
        }
    }
}

fn values(statement: &Statement) -> impl Iterator<Item = &SqlValue> {
    statement.values.iter().flat_map(sea_orm::Values::iter)
}

fn bind<'v>(
    prepared: &mut rusqlite::Statement<'_>,
    values: impl IntoIterator<Item = &'v SqlValue>,
) -> Result<()> {
    for (index, value) in values.into_iter().enumerate() {
        prepared
            .raw_bind_parameter(index + 1, Binding(value))
            .map_err(convert)?;
    }
    Ok(())
}

fn record(row: &Row<'_>, columns: &[Column]) -> Result<Record> {
    let mut record = Record::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let stored = row.get_ref(index).map_err(convert)?;
        record.insert(column.name.to_owned(), value(stored, column.kind));
    }
    Ok(record)
}

fn value(stored: ValueRef<'_>, kind: Kind) -> Value {
    match (stored, kind) {
        (ValueRef::Text(bytes), Kind::Json) => json(&String::from_utf8_lossy(bytes)),
        (ValueRef::Text(bytes), _) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
        (ValueRef::Integer(integer), Kind::Boolean) => Value::Bool(integer != 0),
        (ValueRef::Integer(integer), _) => Value::from(integer),
        (ValueRef::Real(real), _) => number(real),
        (ValueRef::Null | ValueRef::Blob(_), _) => Value::Null,
    }
}

/// Spells a failure for the client, without SQL; the cause goes to the log.
pub fn convert(error: rusqlite::Error) -> Error {
    let code = error
        .sqlite_error()
        .map(|cause| (cause.code, cause.extended_code));
    let spelled = match code {
        Some((_, 1555 | 2067 | 2579)) => {
            Error::conflict("A record with this id or unique value already exists")
        }
        Some((_, 787)) => Error::bad_request("The record refers to another that does not exist"),
        Some((_, 1299)) => Error::bad_request("A required value is missing"),
        Some((ErrorCode::ConstraintViolation, _)) => {
            Error::bad_request("A value is not one of those allowed")
        }
        Some((ErrorCode::DiskFull, _)) => {
            Error::unavailable("The disk is full; nothing was stored")
        }
        Some((ErrorCode::SystemIoFailure, _)) => {
            Error::unavailable("The disk refused the write; nothing was stored")
        }
        Some((ErrorCode::ReadOnly, _)) => {
            Error::unavailable("The database is read-only; nothing was stored")
        }
        Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => {
            Error::unavailable("Another program holds the database; try again")
        }
        Some((ErrorCode::TooBig, _)) => {
            Error::payload_too_large("The record is larger than the database takes")
        }
        _ => Error::general("The database failed; the daemon's log says more"),
    };
    spelled.caused_by(error)
}
