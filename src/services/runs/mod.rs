//! Prompts, and what runs because of them.
//!
//! A session runs one prompt at a time; more wait in its queue. What runs is known here as long as it
//! does, and in a table, so that a daemon that comes back knows what was interrupted. Whoever
//! executes prompts is an [`Agent`](crate::runner::Agent); what it says becomes records, and deltas
//! on the way to them.

mod asking;
mod begin;
mod ending;
mod queue;
mod routes;
mod telling;
mod watch;

pub use routes::{Decide, Prompts, Queue, Stop};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::begin::Started;
use super::{records::Records, tasks::is_over, values::text};
use crate::{
    core::{Record, call::Method},
    runner::{Decision, SharedAgent},
    store::Store,
};

/// What runs, and what it works with.
pub struct Runs {
    agent: SharedAgent,
    sessions: Records,
    tasks: Records,
    messages: Records,
    /// Every run's task.
    tracker: TaskTracker,
    /// Cancelled when the daemon stops.
    stopping: CancellationToken,
    /// What runs, by session. Changed inside units of work, so that what decides is current.
    active: Mutex<HashMap<String, Active>>,
}

/// A run.
struct Active {
    task: String,
    /// Ends it.
    stop: CancellationToken,
    /// Where decisions go, once it asks for them.
    decisions: Option<mpsc::UnboundedSender<Decision>>,
    /// The messages that ask for a decision, by the question's id.
    questions: HashMap<String, String>,
}

impl Runs {
    /// Nothing runs yet.
    pub fn new(
        agent: SharedAgent,
        [sessions, tasks, messages]: [&Records; 3],
        tracker: TaskTracker,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            agent,
            sessions: sessions.clone(),
            tasks: tasks.clone(),
            messages: messages.clone(),
            tracker,
            stopping,
            active: Mutex::default(),
        })
    }

    /// Stops what runs for tasks that somebody ended or removed, and in sessions that were removed:
    /// `records` are what such a call was answered.
    pub fn heed(&self, method: &Method, records: &Value) {
        let one = std::slice::from_ref(records);
        let active = self.lock();
        for record in records.as_array().map_or(one, Vec::as_slice) {
            let Value::Object(record) = record else {
                continue;
            };
            let task = text(record, "task_id");
            let run = text(record, "session_id").and_then(|session| active.get(session));
            let run = run.filter(|run| task.is_none_or(|task| task == run.task));
            if let Some(run) = run.filter(|_| *method == Method::Remove || is_over(record)) {
                run.stop.cancel();
            }
        }
    }

    /// Whether something runs in a session.
    fn is_busy(&self, session: &str) -> bool {
        self.lock().contains_key(session)
    }

    /// Notes that a session runs a task no more.
    fn free(&self, session: &str, task: &str) {
        let mut active = self.lock();
        if active.get(session).is_some_and(|run| run.task == task) {
            active.remove(session);
        }
    }

    /// Follows a run in the background.
    fn launch(self: &Arc<Self>, started: Started, store: &Store) {
        let watching = Arc::clone(self).watch(started, store.clone());
        self.tracker.spawn(watching);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record's text, owned; empty if there is none.
fn owned(record: &Record, name: &str) -> String {
    text(record, name).unwrap_or_default().to_owned()
}

/// The start of a text, for lists and previews.
fn start(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
