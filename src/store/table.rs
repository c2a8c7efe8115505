//! One table's rows as records: select, insert, change, delete.

use sea_orm::{
    DbBackend, EntityName, EntityTrait, Order, Value as SqlValue,
    sea_query::{
        Alias, Condition, Expr, ExprTrait, Func, InsertStatement, Query as Sql, SelectStatement,
    },
};
use serde_json::Value;

use super::{
    columns::{Column, Kind},
    query::Query,
    transaction::{Reader, Spelled, Transaction},
};
use crate::{
    core::Record,
    error::{Error, Result},
};

/// A table, its columns and its id.
pub struct Table {
    name: String,
    columns: Vec<Column>,
    id: Column,
    /// What orders records where no `$sort` does.
    natural: Option<Column>,
    /// The insert of a whole row, spelled once.
    insert: Spelled,
}

impl Table {
    /// The table of an entity.
    ///
    /// # Panics
    /// If the entity has no such column: a mistake in the service's registration.
    pub fn of<E: EntityTrait + EntityName + Default>(id: &str) -> Self {
        let columns = Column::all::<E>();
        let found = columns.iter().find(|column| column.name == id).cloned();
        let id = found.unwrap_or_else(|| panic!("the entity has no column `{id}`"));
        Self {
            name: E::default().table_name().to_owned(),
            columns,
            id,
            natural: None,
            insert: Spelled::new(),
        }
    }

    /// The same rows, of which only some columns are read.
    #[must_use]
    pub fn reading(mut self, is_read: impl Fn(&str) -> bool) -> Self {
        self.columns.retain(|column| is_read(column.name));
        self
    }

    /// Its name in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns, in wire order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The id's column.
    pub const fn id(&self) -> &Column {
        &self.id
    }

    /// Whether the database makes the ids.
    pub fn makes_ids(&self) -> bool {
        self.id.kind == Kind::Integer
    }

    /// Without a `$sort`, records come in the order of this column.
    ///
    /// # Panics
    /// If there is no such column: a mistake of the program.
    pub fn in_order_of(&mut self, name: &str) {
        let column = self.columns.iter().find(|column| column.name == name);
        let column = column.unwrap_or_else(|| panic!("no column `{name}`"));
        self.natural = Some(column.clone());
    }

    /// Records that match, in order.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn find(
        &self,
        db: &mut dyn Reader,
        query: &Query,
        limit: Option<u64>,
    ) -> Result<Vec<Record>> {
        let mut select = self.select(query.condition.clone());
        query.order(&mut select);
        if let Some(natural) = self.natural.as_ref().filter(|_| query.sort.is_empty()) {
            select.order_by(natural.iden(), Order::Asc);
        }
        // PostgreSQL would put a changed row last.
        if self.makes_ids() || db.backend() == DbBackend::Postgres {
            select.order_by(self.id.iden(), Order::Asc);
        }
        match limit {
            Some(limit) => drop(select.limit(Ord::min(limit, i64::MAX as u64))),
            // SQLite knows no offset without a limit.
            None if query.skip > 0 => drop(select.limit(i64::MAX as u64)),
            None => {}
        }
        if query.skip > 0 {
            select.offset(Ord::min(query.skip, i64::MAX as u64));
        }
        db.select(&select, &self.columns).await
    }

    /// How many records match.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count(&self, db: &mut dyn Reader, condition: Condition) -> Result<u64> {
        let mut select = Sql::select();
        select
            .expr(Func::count(Expr::col(self.id.iden())))
            .from(self.table())
            .cond_where(condition);
        let total = Column {
            name: "total",
            kind: Kind::Integer,
            nullable: false,
        };
        let rows = db.select(&select, std::slice::from_ref(&total)).await?;
        Ok(rows
            .first()
            .and_then(|row| row.get("total")?.as_u64())
            .unwrap_or(0))
    }

    /// The record with an id, if it matches the condition; `NotFound` else, as Feathers spells it.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub async fn get(
        &self,
        db: &mut dyn Reader,
        id: &Value,
        condition: Condition,
    ) -> Result<Record> {
        let Ok(stored) = self.id.store(id) else {
            return Err(not_found(id));
        };
        let select = self.select(condition.add(Expr::col(self.id.iden()).eq(stored)));
        db.select(&select, &self.columns)
            .await?
            .pop()
            .ok_or_else(|| not_found(id))
    }

    /// The one id that starts with these digits, hyphens or none, among the records that match;
    /// `None` if there is no such id.
    ///
    /// # Errors
    /// `BadRequest` if several do, or if the database fails.
    pub async fn complete(
        &self,
        db: &mut dyn Reader,
        start: &Value,
        word: &str,
        among: &Condition,
    ) -> Result<Option<Value>> {
        let Some(prefix) = short_id(start) else {
            return Ok(None);
        };
        let id = || Expr::col(self.id.iden());
        // What comes after every id that starts so: '~' is behind all that ids are made of.
        let condition = Condition::all()
            .add(among.clone())
            .add(id().gte(prefix.as_str()))
            .add(id().lt(format!("{prefix}~")));
        let query = Query {
            condition: condition.clone(),
            ..Query::default()
        };
        let mut found = self.find(db, &query, Some(3)).await?;
        let mut ids = found
            .iter_mut()
            .filter_map(|row| row.get_mut(self.id.name).map(Value::take));
        let (first, second) = (ids.next(), ids.next());
        let (Some(first), Some(second)) = (&first, second) else {
            return Ok(first);
        };
        let start = start.as_str().unwrap_or(&prefix);
        let shorten = |id: &Value| {
            id.as_str()
                .map(|id| id.chars().take(8).collect::<String>())
                .unwrap_or_default()
        };
        let more = if ids.next().is_some() { ", ..." } else { "" };
        let matches = self.count(db, condition).await?;
        Err(Error::bad_request(format!(
            "Ambiguous ID prefix '{start}' for {word} ({matches} matches: {}, {}{more})",
            shorten(first),
            shorten(&second),
        )))
    }

    /// A page of the rows that fit, in an order, and how many fit.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn page(
        &self,
        fits: Condition,
        order: impl FnOnce(&mut SelectStatement),
        (skip, limit): (u64, u64),
        db: &mut dyn Reader,
    ) -> Result<(Vec<Record>, u64)> {
        let total = self.count(db, fits.clone()).await?;
        let mut select = self.select(fits);
        order(&mut select);
        select.offset(skip).limit(limit);
        Ok((db.select(&select, &self.columns).await?, total))
    }

    /// Inserts a record and returns it with every column.
    ///
    /// # Errors
    /// `BadRequest` for a value of the wrong kind, `Conflict`, or if the database fails.
    pub async fn insert(&self, tx: &mut dyn Transaction, record: &Record) -> Result<Record> {
        let absent = |column: &Column| record.get(column.name).is_none_or(Value::is_null);
        if self.makes_ids() && absent(&self.id) {
            return self.insert_new(tx, record).await;
        }
        let mut stored = Record::with_capacity(self.columns.len());
        let mut values = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let value = record.get(column.name).unwrap_or(&Value::Null);
            let bound = column.required(value)?;
            stored.insert(column.name.to_owned(), column.loaded(value, &bound));
            values.push(bound);
        }
        let sql = self.insert.text(tx.backend(), || self.insert_row());
        tx.run(sql, values).await?;
        Ok(stored)
    }

    /// Changes the named columns of a record.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub async fn change(
        &self,
        tx: &mut dyn Transaction,
        id: &Value,
        changes: &Record,
    ) -> Result<()> {
        let mut update = Sql::update();
        update
            .table(self.table())
            .and_where(Expr::col(self.id.iden()).eq(self.id.store(id)?));
        let mut changed = false;
        for column in self
            .columns
            .iter()
            .filter(|column| column.name != self.id.name)
        {
            if let Some(value) = changes.get(column.name) {
                update.value(column.iden(), Expr::value(column.required(value)?));
                changed = true;
            }
        }
        if changed {
            tx.execute(tx.backend().build(&update)).await?;
        }
        Ok(())
    }

    /// Deletes records by their ids.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete(&self, tx: &mut dyn Transaction, ids: &[Value]) -> Result<()> {
        // PostgreSQL takes 65,535 values a statement.
        for chunk in ids.chunks(10_000) {
            let ids = chunk
                .iter()
                .map(|id| self.id.store(id))
                .collect::<Result<Vec<SqlValue>>>()?;
            let mut delete = Sql::delete();
            delete
                .from_table(self.table())
                .and_where(Expr::col(self.id.iden()).is_in(ids));
            tx.execute(tx.backend().build(&delete)).await?;
        }
        Ok(())
    }

    /// Deletes the rows that fit; how many there were.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete_where(&self, tx: &mut dyn Transaction, fits: Condition) -> Result<u64> {
        let mut delete = Sql::delete();
        delete.from_table(self.table()).cond_where(fits);
        tx.execute(tx.backend().build(&delete)).await
    }

    /// Inserts a record whose id the database makes.
    async fn insert_new(&self, tx: &mut dyn Transaction, record: &Record) -> Result<Record> {
        let others = || {
            self.columns
                .iter()
                .filter(|column| column.name != self.id.name)
        };
        let values = others().map(|column| {
            let value = record.get(column.name).unwrap_or(&Value::Null);
            column.required(value).map(Expr::value)
        });
        let mut insert = Sql::insert();
        insert
            .into_table(self.table())
            .columns(others().map(Column::iden))
            .values_panic(values.collect::<Result<Vec<_>>>()?)
            .returning(Sql::returning().columns(self.columns.iter().map(Column::iden)));
        let statement = tx.backend().build(&insert);
        let inserted = tx.query(statement, &self.columns).await?.pop();
        inserted
            .ok_or_else(|| Error::general("The database stored a record without telling its id"))
    }

    fn insert_row(&self) -> InsertStatement {
        let mut insert = Sql::insert();
        insert
            .into_table(self.table())
            .columns(self.columns.iter().map(Column::iden))
            .values_panic(self.columns.iter().map(|column| Expr::value(column.null())));
        insert
    }

    /// A select of the rows that fit, with every column.
    pub fn select(&self, condition: Condition) -> SelectStatement {
        let mut select = Sql::select();
        select
            .columns(self.columns.iter().map(Column::iden))
            .from(self.table())
            .cond_where(condition);
        select
    }

    fn table(&self) -> Alias {
        Alias::new(self.name.as_str())
    }
}

/// The start of a UUID, hyphens where they belong; `None` for what cannot be one.
fn short_id(start: &Value) -> Option<String> {
    let start = match start {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = start.replace('-', "").to_ascii_lowercase();
    if digits.is_empty() || digits.len() > 32 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let mut prefix = String::with_capacity(36);
    for (index, digit) in digits.chars().enumerate() {
        if [8, 12, 16, 20].contains(&index) {
            prefix.push('-');
        }
        prefix.push(digit);
    }
    Some(prefix)
}

/// Feathers' words for a record that is not there.
pub fn not_found(id: &Value) -> Error {
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    let shown: String = id.chars().take(200).collect();
    Error::not_found(format!("No record found for id '{shown}'"))
}
