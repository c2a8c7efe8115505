//! Numbers that rows have within what they belong to, such as a message's `index` in its session.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query, SelectStatement};

use super::{
    columns::{Column, Kind},
    transaction::{Reader, Spelled},
};
use crate::error::Result;

/// A table's column that counts from 0 among the rows with the same value in another.
pub struct Numbering {
    table: &'static str,
    column: &'static str,
    of: &'static str,
    last: Spelled,
}

impl Numbering {
    /// The numbers in `column` of the rows that share what is in `of`.
    pub const fn new(table: &'static str, column: &'static str, of: &'static str) -> Self {
        Self {
            table,
            column,
            of,
            last: Spelled::new(),
        }
    }

    /// The number after the largest; 0 if there is none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn next(&self, db: &mut dyn Reader, of: &str) -> Result<i64> {
        let last = Column {
            name: "last",
            kind: Kind::Integer,
            nullable: true,
        };
        let columns = std::slice::from_ref(&last);
        let rows = db
            .ask(&self.last, || self.select(of), [of.into()], columns)
            .await?;
        let last = rows.first().and_then(|row| row.get("last")?.as_i64());
        Ok(last.map_or(0, |last| last.saturating_add(1)))
    }

    fn select(&self, of: &str) -> SelectStatement {
        let mut select = Query::select();
        select
            .expr(Func::max(Expr::col(Alias::new(self.column))))
            .from(Alias::new(self.table))
            .and_where(Expr::col(Alias::new(self.of)).eq(of));
        select
    }
}
