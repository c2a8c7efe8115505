//! What a service over a table adds to plain create, read, update and delete.

use std::borrow::Cow;

use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, ready},
};
use sea_orm::sea_query::Condition;
use serde_json::{Value, value::to_raw_value};

use super::visibility;
use crate::{
    core::{
        BoxFuture, Record,
        access::AccessChange,
        event::Draft,
        identity::Identity,
        scope::{Audience, Topic},
    },
    error::{Error, Result},
    store::{lane::Work, transaction::Reader},
};

/// Who hears of a record's changes and what they concern.
pub struct Scope {
    /// Who may see it.
    pub audience: Audience,
    /// What it is about.
    pub topics: Vec<Topic>,
    /// A sentence for people.
    pub message: Option<String>,
}

impl Scope {
    /// Everyone, about these things: pairs of a kind and an id, where there is one.
    pub fn everyone<'a>(topics: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> Self {
        let topic = |(kind, id): (&str, Option<&str>)| id.map(|id| Topic::new(kind, id));
        let topics = topics.into_iter().filter_map(topic).collect();
        Self {
            audience: Audience::Everyone,
            topics,
            message: None,
        }
    }

    /// The event that tells this scope of a record.
    ///
    /// # Errors
    /// If the record cannot be written as JSON.
    pub fn draft(
        self,
        source: impl Into<Cow<'static, str>>,
        name: &'static str,
        record: &Value,
    ) -> Result<Draft> {
        let unwritable = |error| Error::general("The record cannot be written").caused_by(error);
        let data = to_raw_value(record).map_err(unwritable)?;
        let mut draft = Draft::new(source, name, self.audience, data.into());
        draft.topics = self.topics;
        draft.message = self.message;
        Ok(draft)
    }
}

/// The kind of the topic that says how a change moved a record on.
pub const MOVED: &str = "moved";

/// What was done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Change {
    Created,
    Changed,
    Removed,
}

/// A table's rules. Everything runs inside the write's unit of work, so what it reads is current.
pub trait Rules: Send + Sync + 'static {
    /// Fills in what a new record lacks, and checks it.
    fn create<'a>(
        &'a self,
        record: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        let _ = (record, work);
        ready(Ok(())).boxed_local()
    }

    /// Refuses a change to a record, or its removal, before anything is done; `given` is what the
    /// client sent.
    fn permit<'a>(
        &'a self,
        change: Change,
        current: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        let _ = (change, current, given, work);
        ready(Ok(())).boxed_local()
    }

    /// Does what belongs to a change and is not in the record's row, before it is published;
    /// `given` is what the client sent. Returns the events that follow from it.
    ///
    /// A removed record's row is still there.
    fn stored<'a>(
        &'a self,
        change: Change,
        record: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        let _ = (change, record, given, work);
        ready(Ok(Vec::new())).boxed_local()
    }

    /// How a change moves a record on, as `from>to`; `before` is none for a new one. Events tell it as
    /// the topic [`MOVED`], for those who follow what happens rather than what is.
    fn moved(&self, before: Option<&Record>, changes: &Record) -> Option<String> {
        let _ = (before, changes);
        None
    }

    /// Whether `update` replaces the record; else it merges, as `patch` does.
    fn update_replaces(&self) -> bool {
        true
    }

    /// Checks a change and adds what follows from it.
    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        let _ = (current, changes, work);
        Ok(())
    }

    /// Whether records go out without their empty fields; else those are null.
    fn leaves_out_nulls(&self) -> bool {
        false
    }

    /// Adds to records what is not in their rows.
    fn render<'a>(
        &'a self,
        db: &'a mut dyn Reader,
        records: &'a mut [Record],
    ) -> BoxFuture<'a, Result<()>> {
        let _ = (db, records);
        Box::pin(ready(Ok(())))
    }

    /// Whether records belong to a session (`session_id`): then who sees its boards sees them, and hears
    /// of them, and nobody else does.
    fn belong_to_sessions(&self) -> bool {
        false
    }

    /// Which records somebody may see; `None` for all of them.
    fn visible(&self, by: &Identity) -> Option<Condition> {
        self.belong_to_sessions()
            .then(|| visibility::sessions(by))
            .flatten()
    }

    /// What a change to this record means for who may see what; `given` is what the client sent.
    fn access(
        &self,
        change: Change,
        record: &Record,
        given: &Record,
        by: &Identity,
    ) -> Vec<AccessChange> {
        let _ = (change, record, given, by);
        Vec::new()
    }

    /// Who hears of changes to these records, where that is in other tables, too.
    fn scopes<'a>(
        &'a self,
        db: &'a mut dyn Reader,
        records: &'a [Record],
    ) -> BoxFuture<'a, Result<Vec<Option<Scope>>>> {
        let scopes = records.iter().map(|record| self.scope(record)).collect();
        if self.belong_to_sessions() {
            return Box::pin(visibility::follow_boards(db, records, scopes));
        }
        Box::pin(ready(Ok(scopes)))
    }

    /// Who hears of a change to this record. `None`, the default, publishes nothing.
    fn scope(&self, record: &Record) -> Option<Scope> {
        let _ = record;
        None
    }
}

/// No rules but an audience.
pub struct Plain(pub fn(&Record) -> Option<Scope>);

impl Rules for Plain {
    fn scope(&self, record: &Record) -> Option<Scope> {
        self.0(record)
    }
}
