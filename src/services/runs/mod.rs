//! Prompts, and what runs because of them.
//!
//! A session runs one prompt at a time; more wait in its queue. What runs is known here as long as it
//! does, and in a table, so that a daemon that comes back knows what was interrupted. Whoever
//! executes prompts is an [`Agent`](crate::runner::Agent); what it says becomes records, and deltas
//! on the way to them.

mod approving;
mod asking;
mod begin;
mod ending;
mod gathering;
mod heed;
mod own;
pub(crate) mod plans;
mod queue;
mod routes;
mod telling;
mod watch;

pub use approving::Approve;
pub(super) use gathering::pieces;
pub(super) use own::{Begun, Outcome};
pub use routes::{Decide, Prompts, Queue, Stop};
pub(super) use watch::insist;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::begin::Started;
use super::{
    records::Records,
    rules::Scope,
    streams::Streams,
    tasks::{follow_streams, is_over},
    values::text,
    visibility,
};
use crate::{
    core::{Record, identity::Identity},
    error::{Kind, Result},
    runner::{Decision, SharedAgent},
    store::{Store, lane::Work, transaction::Reader},
};

/// Characters of a message that are shown in lists.
const PREVIEW: usize = 200;

/// What runs, and what it works with.
pub struct Runs {
    agent: SharedAgent,
    sessions: Records,
    tasks: Records,
    messages: Records,
    streams: Arc<Streams>,
    /// Every run's task.
    tracker: TaskTracker,
    /// Cancelled when the daemon stops.
    stopping: CancellationToken,
    /// How long a plan waits for approval.
    approval: Duration,
    /// What runs, by session. It changes inside units of work, so that what decides is current.
    active: Mutex<HashMap<String, Active>>,
    /// The database and the runtime, once the daemon serves.
    served: OnceLock<(Store, Handle)>,
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
        streams: Arc<Streams>,
        tracker: TaskTracker,
        stopping: CancellationToken,
        approval: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            agent,
            sessions: sessions.clone(),
            tasks: tasks.clone(),
            messages: messages.clone(),
            streams,
            tracker,
            stopping,
            approval,
            active: Mutex::default(),
            served: OnceLock::new(),
        })
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

    /// Changes a task unless it is over, or not there any more; `from` are the statuses in which it is
    /// changed, any if there are none.
    async fn change_task(
        &self,
        task: &str,
        from: &[&str],
        changes: Value,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let current = self.tasks.read(work.tx, task, &Identity::System).await;
        let Some(current) = there(current)? else {
            return Ok(());
        };
        let status = text(&current, "status").unwrap_or_default();
        if is_over(&current) || !(from.is_empty() || from.contains(&status)) {
            return Ok(());
        }
        self.tasks.patch(task, changes, work).await.map(drop)
    }

    /// Who hears of a session and its task; `None` if the session is not there any more.
    async fn scope(
        &self,
        [session, task]: [&str; 2],
        db: &mut dyn Reader,
    ) -> Result<Option<Scope>> {
        let Some(record) = there(self.sessions.read(db, session, &Identity::System).await)? else {
            return Ok(None);
        };
        let plain = Scope::everyone([("session", Some(session)), ("task", Some(task))]);
        let mut scopes = visibility::follow_boards(db, &[record], vec![Some(plain)]).await?;
        follow_streams(db, &mut scopes).await?;
        Ok(scopes.into_iter().flatten().next())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record, or `None` if it is not there any more.
pub(super) fn there<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A record's text, owned; empty if there is none.
fn owned(record: &Record, name: &str) -> String {
    text(record, name).unwrap_or_default().to_owned()
}

/// A record's value; null if there is none.
fn at<'a>(record: &'a Record, name: &str) -> &'a Value {
    record.get(name).unwrap_or(&Value::Null)
}

/// The start of a text, for lists and previews, with nothing in it that a column refuses.
pub(super) fn start(text: &str, characters: usize) -> String {
    text.chars().take(characters).map(shown).collect()
}

/// A text that a column takes.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(shown).collect()
}

const fn shown(c: char) -> char {
    if c == '\0' { '\u{fffd}' } else { c }
}
