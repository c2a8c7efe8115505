//! Find, get, create, update, patch and remove on a table.

use std::borrow::Cow;

use sea_orm::sea_query::Condition;
use serde_json::{Value, json};

use super::{
    super::{
        rules::{Change, MOVED, Rules, Scope},
        values::leave_out_nulls,
    },
    Paginate,
    write::Write,
};
use crate::{
    core::{
        BoxFuture, Record,
        access::AccessChange,
        call::{Call, Method},
        event::Draft,
        identity::Identity,
        scope::Topic,
    },
    error::{Error, Kind, Result},
    store::{
        Store,
        fields::Fields,
        lane::Work,
        query::Query,
        table::{Table, not_found},
        transaction::Reader,
    },
};

/// How a service is set.
pub(super) struct Settings {
    pub(super) table: Table,
    /// Under which name other services' changes are published.
    pub(super) source: Cow<'static, str>,
    pub(super) paginate: Option<Paginate>,
    pub(super) multi: Vec<Method>,
    pub(super) fields: Fields,
    /// What a record is called, where the start of an id finds it.
    pub(super) short_ids: Option<&'static str>,
    pub(super) refuses_unknown: bool,
    pub(super) rules: Box<dyn Rules>,
    pub(super) methods: Vec<(Method, Handler)>,
}

/// A method of a service's own.
pub(super) type Handler =
    Box<dyn for<'a> Fn(&'a Call, &'a Store) -> BoxFuture<'a, Result<Value>> + Send + Sync>;

/// What a write did, to be published.
struct Done {
    records: Vec<Record>,
    /// Who hears of each.
    scopes: Vec<Option<Scope>>,
    /// What each changes in who may see what.
    access: Vec<Vec<AccessChange>>,
    /// How each was moved on.
    moved: Vec<Option<String>>,
    /// The events that follow.
    follow: Vec<Draft>,
}

impl Settings {
    pub(super) async fn read(
        &self,
        db: &mut dyn Reader,
        id: &str,
        by: &Identity,
    ) -> Result<Record> {
        let visible = self.visible(Condition::all(), by);
        let mut records = [self.one(db, &id.into(), visible).await?];
        self.render(db, &mut records).await?;
        let [record] = records;
        Ok(record)
    }

    /// Leaves out what somebody may not see: for them it is not there.
    pub(super) fn visible(&self, condition: Condition, by: &Identity) -> Condition {
        match self.rules.visible(by) {
            Some(visible) => condition.add(visible),
            None => condition,
        }
    }

    /// The record with an id, or with the start of one.
    async fn one(&self, db: &mut dyn Reader, id: &Value, condition: Condition) -> Result<Record> {
        let exact = self.table.get(db, id, condition.clone()).await;
        match (exact, self.short_ids) {
            (Err(missing), Some(word)) if missing.kind() == Kind::NotFound => {
                let full = self.table.complete(db, id, word, &condition).await?;
                let full = full.ok_or(missing)?;
                self.table.get(db, &full, condition).await
            }
            (exact, _) => exact,
        }
    }

    pub(super) async fn find(&self, query: Query, store: &Store) -> Result<Value> {
        let db = &mut store.reader();
        let limit = match self.paginate {
            Some(page) => Some(query.limit.unwrap_or(page.default).min(page.max)),
            None => query.limit,
        };
        let mut records = match limit {
            Some(0) => Vec::new(),
            _ => self.table.find(db, &query, limit).await?,
        };
        self.render(db, &mut records).await?;
        let full = limit.is_some_and(|limit| records.len() as u64 >= limit) || query.skip > 0;
        let data = records
            .into_iter()
            .map(|record| self.pick(record, &query))
            .collect();
        let Some(limit) = limit.filter(|_| self.paginate.is_some()) else {
            return Ok(Value::Array(data));
        };
        // A page that is not full says by itself how many records there are.
        let total = if full {
            self.table.count(db, query.condition).await?
        } else {
            data.len() as u64
        };
        Ok(json!({ "total": total, "limit": limit, "skip": query.skip, "data": data }))
    }

    pub(super) async fn get(&self, call: &Call, query: Query, store: &Store) -> Result<Value> {
        let db = &mut store.reader();
        let id = call
            .id
            .as_ref()
            .ok_or_else(|| not_found(&json!("undefined")))?;
        let mut records = [self.one(db, id, query.condition.clone()).await?];
        self.render(db, &mut records).await?;
        let [record] = records;
        Ok(self.pick(record, &query))
    }

    pub(super) async fn write(&self, write: Write, work: &mut Work<'_>) -> Result<Value> {
        work.by.clone_from(&write.by);
        match write.method {
            Method::Create => self.create(write, work).await,
            Method::Remove => self.remove(write, work).await,
            _ => self.change(write, work).await,
        }
    }

    async fn create(&self, mut write: Write, work: &mut Work<'_>) -> Result<Value> {
        let several = write.data.is_array();
        let items = match write.data.take() {
            Value::Array(items) => items,
            item => vec![item],
        };
        let mut created = Vec::with_capacity(items.len());
        let (mut access, mut moved, mut follow) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            let mut given = self.record(item)?;
            self.rules.create(&mut given, work).await?;
            let record = self.table.insert(work.tx, &given).await?;
            let events = self
                .rules
                .stored(Change::Created, &record, &given, work)
                .await?;
            follow.extend(events);
            let by = &write.by;
            access.push(self.rules.access(Change::Created, &record, &given, by));
            moved.push(self.rules.moved(None, &record));
            created.push(record);
        }
        let done = Done {
            scopes: self.rules.scopes(work.tx, &created).await?,
            records: created,
            access,
            moved,
            follow,
        };
        self.answer(done, several, &write, work).await
    }

    pub(super) async fn put(
        &self,
        given: Record,
        event: &'static str,
        work: &mut Work<'_>,
    ) -> Result<Value> {
        let mut records = [self.table.insert(work.tx, &given).await?];
        let scopes = self.rules.scopes(work.tx, &records).await?;
        self.render(work.tx, &mut records).await?;
        let [record] = records.map(Value::Object);
        for scope in scopes.into_iter().flatten() {
            work.publish(scope.draft(self.source.clone(), event, &record)?);
        }
        Ok(record)
    }

    async fn change(&self, mut write: Write, work: &mut Work<'_>) -> Result<Value> {
        let current = self.current(&write, work).await?;
        let given = &self.record(write.data.take())?;
        let mut changed = Vec::with_capacity(current.len());
        let (mut access, mut moved, mut follow) = (Vec::new(), Vec::new(), Vec::new());
        for mut record in current {
            self.rules
                .permit(Change::Changed, &record, given, work)
                .await?;
            let mut changes = self.changes(&write.method, given);
            self.rules.change(&record, &mut changes, work)?;
            moved.push(self.rules.moved(Some(&record), &changes));
            self.table
                .change(work.tx, self.id(&record), &changes)
                .await?;
            for column in self.table.columns() {
                if let Some(value) = changes.get(column.name) {
                    record.insert(column.name.to_owned(), column.load(value)?);
                }
            }
            follow.extend(
                self.rules
                    .stored(Change::Changed, &record, given, work)
                    .await?,
            );
            let by = &write.by;
            access.push(self.rules.access(Change::Changed, &record, given, by));
            changed.push(record);
        }
        let done = Done {
            scopes: self.rules.scopes(work.tx, &changed).await?,
            records: changed,
            access,
            moved,
            follow,
        };
        self.answer(done, write.id.is_none(), &write, work).await
    }

    async fn remove(&self, write: Write, work: &mut Work<'_>) -> Result<Value> {
        let current = self.current(&write, work).await?;
        let ids: Vec<Value> = current
            .iter()
            .map(|record| self.id(record).clone())
            .collect();
        for record in &current {
            self.rules
                .permit(Change::Removed, record, &Record::new(), work)
                .await?;
        }
        // As long as what it is linked to is known.
        let scopes = self.rules.scopes(work.tx, &current).await?;
        let mut follow = Vec::new();
        for record in &current {
            follow.extend(
                self.rules
                    .stored(Change::Removed, record, &Record::new(), work)
                    .await?,
            );
        }
        let nothing = Record::new();
        let access = |record| {
            self.rules
                .access(Change::Removed, record, &nothing, &write.by)
        };
        let done = Done {
            access: current.iter().map(access).collect(),
            moved: vec![None; current.len()],
            records: current,
            scopes,
            follow,
        };
        // Rendered before they are gone: what is not in their rows goes with them.
        let answer = self.answer(done, write.id.is_none(), &write, work).await?;
        self.table.delete(work.tx, &ids).await?;
        Ok(answer)
    }

    /// The records that a write is about, as they are now.
    async fn current(&self, write: &Write, work: &mut Work<'_>) -> Result<Vec<Record>> {
        match &write.id {
            Some(id) => Ok(vec![
                self.one(work.tx, id, write.query.condition.clone()).await?,
            ]),
            None => {
                let all = Query {
                    limit: None,
                    skip: 0,
                    sort: Vec::new(),
                    ..write.query.clone()
                };
                self.table.find(work.tx, &all, None).await
            }
        }
    }

    /// What an update or patch sets: a patch merges, an update replaces.
    fn changes(&self, method: &Method, given: &Record) -> Record {
        let mut changes = given.clone();
        if *method == Method::Update && self.rules.update_replaces() {
            for column in self.table.columns() {
                changes.entry(column.name).or_insert(Value::Null);
            }
        }
        changes.remove(self.table.id().name);
        changes
    }

    fn id<'a>(&self, record: &'a Record) -> &'a Value {
        record.get(self.table.id().name).unwrap_or(&Value::Null)
    }

    fn record(&self, item: Value) -> Result<Record> {
        let Value::Object(record) = item else {
            return Err(Error::bad_request("The data must be an object"));
        };
        let unknown = |name: &&String| {
            self.table
                .columns()
                .iter()
                .all(|column| column.name != **name)
        };
        match record.keys().find(unknown) {
            Some(name) if self.refuses_unknown => {
                Err(Error::bad_request(format!("Unknown field '{name}'")))
            }
            _ => Ok(record),
        }
    }

    /// Publishes what was done to each record, then what follows from it, and answers with them.
    async fn answer(
        &self,
        done: Done,
        several: bool,
        write: &Write,
        work: &mut Work<'_>,
    ) -> Result<Value> {
        let Done {
            mut records,
            scopes,
            access,
            moved,
            follow,
        } = done;
        self.render(work.tx, &mut records).await?;
        let mut answer = Vec::with_capacity(records.len());
        let changes = access.into_iter().zip(moved);
        for ((record, scope), (access, moved)) in records.into_iter().zip(scopes).zip(changes) {
            let record = self.pick(record, &write.query);
            if let (Some(scope), Some(name)) = (scope, write.method.event()) {
                let mut draft = scope.draft(write.source.clone(), name, &record)?;
                draft.access = access;
                draft
                    .topics
                    .extend(moved.map(|moved| Topic::new(MOVED, &moved)));
                work.publish(draft);
            }
            answer.push(record);
        }
        for draft in follow {
            work.publish(draft);
        }
        Ok(if several {
            Value::Array(answer)
        } else {
            answer.pop().unwrap_or_default()
        })
    }

    pub(super) async fn render(&self, db: &mut dyn Reader, records: &mut [Record]) -> Result<()> {
        if self.rules.leaves_out_nulls() {
            leave_out_nulls(records);
        }
        self.rules.render(db, records).await
    }

    fn pick(&self, mut record: Record, query: &Query) -> Value {
        query.pick(&mut record, self.table.id().name);
        Value::Object(record)
    }
}
