//! A service over a table, with Feathers' semantics.
//!
//! Source: docs/protocols/feathers.md, "Methods". `methods` answers the calls.

mod methods;
mod write;

use std::sync::Arc;

use futures_util::TryFutureExt;
use sea_orm::{EntityName, EntityTrait};
use serde_json::Value;

use self::{methods::Settings, write::Write};
use super::{
    registry::Service,
    rules::{Plain, Rules, Scope},
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
    },
    error::Result,
    store::{
        Store,
        fields::{Fields, Link},
        lane::Work,
        query::Query,
        table::Table,
        transaction::Reader,
    },
};

/// How `find` pages.
#[derive(Clone, Copy, Debug)]
pub struct Paginate {
    /// Records in a page when the client says nothing.
    pub default: u64,
    /// Records in a page at most.
    pub max: u64,
}

/// A service over a table.
#[derive(Clone)]
pub struct Records(Arc<Settings>);

/// Builds a [`Records`] service.
pub struct Builder(Settings);

impl Records {
    /// A service over an entity's table with this id column: no paging, no multi, everything
    /// searchable, nothing published.
    pub fn of<E: EntityTrait + EntityName + Default>(id: &str) -> Builder {
        let table = Table::of::<E>(id);
        let fields = Fields::new(table.columns().to_vec());
        let rules = Box::new(Plain(|_| None));
        Builder(Settings {
            source: table.name().to_owned().into(),
            table,
            paginate: None,
            multi: Vec::new(),
            fields,
            short_ids: None,
            refuses_unknown: false,
            rules,
            methods: Vec::new(),
        })
    }
}

/// For other services: inside their units of work, as if a client had called.
impl Records {
    /// A record as somebody sees it, by its id or the start of it.
    ///
    /// # Errors
    /// `NotFound`, or if the database fails.
    pub async fn read(&self, db: &mut dyn Reader, id: &str, by: &Identity) -> Result<Record> {
        self.0.read(db, id, by).await
    }

    /// The records with this text in a field.
    ///
    /// # Errors
    /// `BadRequest` if there is no such field, or if the database fails.
    pub async fn with(&self, field: &str, text: &str, db: &mut dyn Reader) -> Result<Vec<Record>> {
        let mut query = Record::new();
        query.insert(field.to_owned(), text.into());
        let query = Query::parse(&query, &self.0.fields, db.backend())?;
        self.0.table.find(db, &query, None).await
    }

    /// The records that fit a query, as clients write it, and that somebody sees.
    ///
    /// # Errors
    /// `BadRequest` if it cannot be read, or if the database fails.
    pub async fn matching(
        &self,
        query: &Record,
        by: &Identity,
        db: &mut dyn Reader,
    ) -> Result<Vec<Record>> {
        let mut query = Query::parse(query, &self.0.fields, db.backend())?;
        query.condition = self.0.visible(query.condition, by);
        let mut records = self.0.table.find(db, &query, query.limit).await?;
        self.0.render(db, &mut records).await?;
        Ok(records)
    }

    /// How many records fit a query, and are seen by somebody.
    ///
    /// # Errors
    /// As [`matching`](Self::matching).
    pub async fn count(&self, query: &Record, by: &Identity, db: &mut dyn Reader) -> Result<u64> {
        let query = Query::parse(query, &self.0.fields, db.backend())?;
        let condition = self.0.visible(query.condition, by);
        self.0.table.count(db, condition).await
    }

    /// Removes a record and publishes that whom the unit works for did.
    ///
    /// # Errors
    /// As `remove` answers a client.
    pub async fn remove(&self, id: &str, work: &mut Work<'_>) -> Result<Value> {
        let (id, by) = (Some(id.into()), work.by.clone());
        let write = Write::own(&self.0, Method::Remove, id, Value::Null, by);
        self.0.write(write, work).await
    }

    /// Deletes a record's row, and tells nobody.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn delete(&self, id: &str, work: &mut Work<'_>) -> Result<()> {
        self.0.table.delete(work.tx, &[id.into()]).await.map(drop)
    }

    /// Creates a record that its rules leave as it is, under an event name of its own.
    ///
    /// # Errors
    /// As `create` answers a client.
    pub async fn put(
        &self,
        record: Record,
        event: &'static str,
        work: &mut Work<'_>,
    ) -> Result<Value> {
        self.0.put(record, event, work).await
    }

    /// Creates a record, or several from a list, and publishes that whom the unit works for did.
    ///
    /// # Errors
    /// As `create` answers a client.
    pub async fn create(&self, data: Value, work: &mut Work<'_>) -> Result<Value> {
        let write = Write::own(&self.0, Method::Create, None, data, work.by.clone());
        self.0.write(write, work).await
    }

    /// Changes a record and publishes that whom the unit works for did.
    ///
    /// # Errors
    /// As `patch` answers a client.
    pub async fn patch(&self, id: &str, changes: Value, work: &mut Work<'_>) -> Result<Value> {
        let (id, by) = (Some(id.into()), work.by.clone());
        let write = Write::own(&self.0, Method::Patch, id, changes, by);
        self.0.write(write, work).await
    }
}

impl Builder {
    /// Answers `find` in pages.
    #[must_use]
    pub const fn paginate(mut self, default: u64, max: u64) -> Self {
        self.0.paginate = Some(Paginate { default, max });
        self
    }

    /// Publishes what other services change under this name; it is the table's if nothing is said.
    #[must_use]
    pub fn publishing_as(mut self, source: &'static str) -> Self {
        self.0.source = source.into();
        self
    }

    /// Finds records in the order of this column where no `$sort` says another.
    #[must_use]
    pub fn in_order_of(mut self, column: &str) -> Self {
        self.0.table.in_order_of(column);
        self
    }

    /// Lets these methods work on several records at once.
    #[must_use]
    pub fn multi(mut self, methods: impl Into<Vec<Method>>) -> Self {
        self.0.multi = methods.into();
        self
    }

    /// Lets queries name these columns only.
    #[must_use]
    pub fn searchable(mut self, names: &[&str]) -> Self {
        self.0.fields.only(names);
        self
    }

    /// Lets queries call a column by another name.
    #[must_use]
    pub fn alias(mut self, alias: &'static str, column: &str) -> Self {
        self.0.fields.alias(alias, column);
        self
    }

    /// Lets queries name what records are linked to through another table.
    #[must_use]
    pub fn link(mut self, link: Link) -> Self {
        self.0.fields.link(link);
        self
    }

    /// Finds a record by the start of its id, too. The word is what people call such a record.
    #[must_use]
    pub const fn short_ids(mut self, word: &'static str) -> Self {
        self.0.short_ids = Some(word);
        self
    }

    /// Answers fields that the table lacks with `BadRequest`, where they would be ignored.
    #[must_use]
    pub const fn refuse_unknown(mut self) -> Self {
        self.0.refuses_unknown = true;
        self
    }

    /// Publishes changes to the audience that this names for a record.
    #[must_use]
    pub fn audience(self, scope: fn(&Record) -> Option<Scope>) -> Self {
        self.rules(Plain(scope))
    }

    /// Adds defaults, checks, rendering and an audience.
    #[must_use]
    pub fn rules(mut self, rules: impl Rules) -> Self {
        self.0.rules = Box::new(rules);
        self
    }

    /// Adds a method of the service's own. What it writes it writes through [`Store::write`], and
    /// publishes there, under whatever event name it likes.
    #[must_use]
    pub fn method<H>(mut self, name: &'static str, handler: H) -> Self
    where
        H: for<'a> Fn(&'a Call, &'a Store) -> BoxFuture<'a, Result<Value>> + Send + Sync + 'static,
    {
        self.0
            .methods
            .push((Method::Custom(name.into()), Box::new(handler)));
        self
    }

    /// The service.
    pub fn build(self) -> Records {
        Records(Arc::new(self.0))
    }
}

impl Service for Records {
    fn methods(&self) -> Vec<Method> {
        let own = self.0.methods.iter().map(|(method, _)| method.clone());
        Method::STANDARD.into_iter().chain(own).collect()
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let own = self
            .0
            .methods
            .iter()
            .find(|(method, _)| *method == call.method);
        if let Some((_, handler)) = own {
            return Box::pin(handler(call, store).map_ok(Answer::from));
        }
        Box::pin(async move {
            let mut query = Query::parse(&call.query, &self.0.fields, store.backend())?;
            query.condition = self.0.visible(query.condition, &call.caller.identity);
            let answer = match call.method {
                Method::Find => self.0.find(query, store).await?,
                Method::Get => self.0.get(call, query, store).await?,
                _ => {
                    let settings = Arc::clone(&self.0);
                    let write = Write::read(&settings, call, query)?;
                    store
                        .write(&call.turn, async move |work: &mut Work<'_>| {
                            settings.write(write, work).await
                        })
                        .await?
                }
            };
            Ok(answer.into())
        })
    }
}
