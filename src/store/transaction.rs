//! What a unit of work may do to a database, the same for both.

use std::sync::OnceLock;

use sea_orm::{DbBackend, Statement, StatementBuilder, Value as SqlValue};

use super::columns::Column;
use crate::{
    core::{BoxFuture, Record},
    error::Result,
};

/// Reads rows.
pub trait Reader: Send {
    /// Which SQL it speaks.
    fn backend(&self) -> DbBackend;

    /// Runs a statement; each row becomes a record with these columns, in this order.
    fn query<'a>(
        &'a mut self,
        statement: Statement,
        columns: &'a [Column],
    ) -> BoxFuture<'a, Result<Vec<Record>>>;
}

/// Reads and writes inside one transaction. On SQLite every future is ready at once.
pub trait Transaction: Reader {
    /// Runs a statement and tells how many rows it touched.
    fn execute(&mut self, statement: Statement) -> BoxFuture<'_, Result<u64>>;

    /// Runs a statement that was spelled before, with these values.
    fn run<'a>(&'a mut self, sql: &'a str, values: Vec<SqlValue>) -> BoxFuture<'a, Result<u64>>;

    /// Runs a statement that has no values, such as `SAVEPOINT unit`.
    fn control(&mut self, sql: &'static str) -> BoxFuture<'_, Result<()>>;
}

impl dyn Reader + '_ {
    /// Builds and runs a select.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn select(
        &mut self,
        select: &impl StatementBuilder,
        columns: &[Column],
    ) -> Result<Vec<Record>> {
        let statement = self.backend().build(select);
        self.query(statement, columns).await
    }

    /// Runs a select that is spelled once, with these values.
    ///
    /// # Errors
    /// If the database refuses it.
    pub async fn ask<S: StatementBuilder>(
        &mut self,
        select: &Spelled,
        spell: impl FnOnce() -> S,
        values: impl IntoIterator<Item = SqlValue>,
        columns: &[Column],
    ) -> Result<Vec<Record>> {
        let backend = self.backend();
        let sql = select.text(backend, spell);
        let statement = Statement::from_sql_and_values(backend, sql, values);
        self.query(statement, columns).await
    }
}

/// A statement that always has the same text, spelled once for each database: where one runs per
/// write, spelling it costs more than running it.
#[derive(Default)]
pub struct Spelled {
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Spelled {
    /// Not spelled yet.
    pub const fn new() -> Self {
        Self {
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// The text; the values in what `spell` builds are not part of it.
    pub fn text<S: StatementBuilder>(&self, backend: DbBackend, spell: impl FnOnce() -> S) -> &str {
        let text = match backend {
            DbBackend::Postgres => &self.postgres,
            _ => &self.sqlite,
        };
        text.get_or_init(|| backend.build(&spell()).sql)
    }
}
