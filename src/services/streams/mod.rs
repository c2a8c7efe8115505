//! What tasks stream: chunks, numbered from 1 without gap, and an end.
//!
//! A chunk is stored before it is acknowledged and is never taken back; who watches is given all of
//! them, in order, at its own pace. Source: docs/protocols/agrenting.md, "Streams".
//!
//! - `chunk`: what is said, and how it is checked
//! - `emitting`: one way in, whatever door it comes through
//! - `stored`: what the database has of it
//! - `viewer`: one listener's place
//! - `watched`: what listeners of one task share

mod chunk;
mod emitting;
mod stored;
mod viewer;
mod watched;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entities::{agents, task_chunks};
use governor::Quota;
use serde_json::{Value, json, value::to_raw_value};

pub use self::{
    chunk::{Chunk, Piece, Said},
    emitting::Chunks,
    viewer::Viewer,
};
use self::{viewer::Place, watched::Watched};
use super::{limits::Limiter, records::Records, values::text};
use crate::{
    core::{
        Record,
        event::{Delta, Event},
        hub::Sink,
        identity::Identity,
    },
    error::{Error, Kind, Result},
    store::{Store, table::Table, transaction::Reader},
};

/// The service under whose name chunks are published.
pub const SOURCE: &str = "tasks";

/// The name of a chunk's event.
pub const CHUNK: &str = "stream:chunk";

/// How much a task may stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Chunks of one task.
    pub chunks: u64,
    /// Bytes of one task's chunks.
    pub bytes: u64,
    /// Chunks of one task in a second, ten times as many at once; 0 for any number.
    pub rate: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chunks: 100_000,
            bytes: 64 << 20,
            rate: 1_000,
        }
    }
}

/// All tasks' streams.
pub struct Streams {
    tasks: Records,
    chunks: Table,
    agents: Table,
    limits: Limits,
    rate: Option<Limiter<String>>,
    /// What somebody watches, by task.
    watched: Mutex<HashMap<String, Arc<Watched>>>,
    /// Whose agents are, as far as was asked.
    owners: Mutex<HashMap<String, Option<String>>>,
}

impl Streams {
    /// Nothing is watched yet.
    pub fn new(tasks: &Records, limits: Limits) -> Arc<Self> {
        let quota = |rate: NonZeroU32| {
            Quota::per_second(rate)
                .allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(9)))
        };
        Arc::new(Self {
            tasks: tasks.clone(),
            chunks: Table::of::<task_chunks::Entity>("id"),
            agents: Table::of::<agents::Entity>("id"),
            limits,
            rate: NonZeroU32::new(limits.rate).map(|rate| Limiter::new(quota(rate))),
            watched: Mutex::default(),
            owners: Mutex::default(),
        })
    }

    /// Begins to heed what is published.
    pub fn listen(self: &Arc<Self>, store: &Store) {
        store.story().hub.add_sink(Arc::<Self>::clone(self));
    }

    /// Watches a task from the chunk after a place, if somebody may.
    ///
    /// # Errors
    /// `NotFound` (reason `not_found`), `Forbidden` (reason `unauthorized`), or if the database fails.
    pub async fn open(
        self: &Arc<Self>,
        task: &str,
        after: u64,
        by: &Identity,
        store: &Store,
    ) -> Result<Viewer> {
        let record = self.may_watch(task, by, &mut store.reader()).await?;
        let task = text(&record, "task_id").unwrap_or_default().to_owned();
        let place = Place::take(self, &task);
        // All is read again behind the place: nothing that ends the task or the right now is missed.
        self.may_watch(&task, by, &mut store.reader()).await?;
        let end = self.look(&place, &task, store).await?;
        let head = self.last(&task, &mut store.reader()).await?.seq;
        place.watched.reach(head);
        let start = viewer::Start {
            by: by.clone(),
            cursor: after.min(head),
            seq: head,
        };
        Ok(Viewer::new(store.clone(), place, start, end.as_ref()))
    }

    /// The task, if somebody may watch it: its provider, its client, the user whose agent its client is,
    /// and, where no agents have part in it, every user who sees its session.
    async fn may_watch(&self, task: &str, by: &Identity, db: &mut dyn Reader) -> Result<Record> {
        let record = self.brief(task, db).await?;
        let field = |name| text(&record, name);
        let (provider, client) = (field("provider_agent_id"), field("client_agent_id"));
        let may = match by {
            Identity::Nobody => false,
            Identity::Owner | Identity::System => true,
            Identity::Agent(agent) => [provider, client].contains(&Some(&agent.id)),
            _ if provider.is_none() && client.is_none() => self.sees(task, by, db).await?,
            _ => match client.zip(by.user_id()) {
                Some((client, user)) => self.owner_of(client, db).await?.as_deref() == Some(user),
                None => false,
            },
        };
        if may { Ok(record) } else { Err(refused()) }
    }

    async fn sees(&self, task: &str, by: &Identity, db: &mut dyn Reader) -> Result<bool> {
        match self.tasks.read(db, task, by).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How the task that somebody watches ended, if it did; remembered for all who watch it.
    async fn look(&self, place: &Place, task: &str, store: &Store) -> Result<Option<Said>> {
        let stirred = place.watched.stirred();
        let record = match self.read(task, &mut store.reader()).await {
            Ok(record) => record,
            Err(error) if error.kind() == Kind::NotFound => Record::from_iter([
                ("status".to_owned(), json!("failed")),
                ("error".to_owned(), json!("the task was removed")),
            ]),
            Err(error) => return Err(error),
        };
        let end = Said::end(&record);
        place.watched.note(stirred, end.clone());
        Ok(end)
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Option<String>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Streams {
    fn deliver(&self, events: &[Arc<Event>]) {
        let mut watched = None;
        let ours = |event: &&Arc<Event>| event.source == SOURCE || changes_rights(event);
        for event in events.iter().filter(ours) {
            let watched = watched.get_or_insert_with(|| self.lock());
            if watched.is_empty() {
                return;
            }
            if changes_rights(event) {
                watched.values().for_each(|watched| watched.doubt());
            }
            let Some(watched) = event.topic("task").and_then(|task| watched.get(task)) else {
                continue;
            };
            match (&*event.name, event.views.first()) {
                (CHUNK, Some(view)) => match Chunk::published(&view.data) {
                    Some(chunk) => watched.push(Arc::new(chunk)),
                    // It is read from the table instead.
                    None => watched.stir(),
                },
                ("patched" | "updated", _) => {
                    // Its agents may be others now.
                    watched.doubt();
                    watched.stir();
                }
                ("removed", _) => watched.stir(),
                _ => {}
            }
        }
    }

    fn whisper(&self, _delta: &Delta) {}
}

/// Whether somebody may see less than before.
fn changes_rights(event: &Event) -> bool {
    !event.access.is_empty() || matches!(&*event.source, "boards" | "board-members")
}

/// The task is not the caller's.
fn refused() -> Error {
    Error::forbidden("The task is not yours").with_data(json!({"reason": "unauthorized"}))
}

/// An object with one key, as text.
fn object(key: &str, value: &Value) -> Option<Arc<serde_json::value::RawValue>> {
    to_raw_value(&json!({ key: value })).ok().map(Arc::from)
}
