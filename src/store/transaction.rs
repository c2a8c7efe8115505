//! What a unit of work may do to a database, the same for both.

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
}
