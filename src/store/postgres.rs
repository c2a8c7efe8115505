//! PostgreSQL's side of the write lane: one transaction of it.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value as SqlValue};

use super::{
    columns::Column,
    pool::{convert, rows},
    transaction::{Reader, Transaction},
};
use crate::{
    core::{BoxFuture, Record},
    error::Result,
};

/// One transaction of the write lane.
pub struct Postgres(pub DatabaseTransaction);

impl Reader for Postgres {
    fn backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    fn query<'a>(
        &'a mut self,
        statement: Statement,
        columns: &'a [Column],
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(rows(&self.0, statement, columns))
    }
}

impl Transaction for Postgres {
    fn control(&mut self, sql: &'static str) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.0
                .execute_unprepared(sql)
                .await
                .map(drop)
                .map_err(convert)
        })
    }

    fn run<'a>(&'a mut self, sql: &'a str, values: Vec<SqlValue>) -> BoxFuture<'a, Result<u64>> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.execute(statement)
    }

    fn execute(&mut self, statement: Statement) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            let result = self.0.execute_raw(statement).await.map_err(convert)?;
            Ok(result.rows_affected())
        })
    }
}
