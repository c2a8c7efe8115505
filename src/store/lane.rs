//! The write lane: the one ordered way into the database.
//!
//! Whoever writes hands a unit of work to the lane and waits for its commit. A unit does database
//! statements only; a failing one harms only itself. `engine` runs them.

use std::thread;

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{engine::Engine, transaction::Transaction};
use crate::{
    core::{
        clock::{SharedClock, Timestamp},
        event::Draft,
        identity::Identity,
        turn::Turn,
    },
    error::{Error, Result},
};

/// Units that may wait; whoever brings more waits for room.
const WAITING: usize = 4_096;

/// What a unit of work works with.
pub struct Work<'t> {
    /// The transaction, shared with the batch's other units.
    pub tx: &'t mut dyn Transaction,
    /// The moment of the batch.
    pub now: Timestamp,
    /// Where ids come from.
    pub clock: SharedClock,
    /// For whom the unit works: the daemon itself, unless it says otherwise.
    pub by: Identity,
    pub(super) drafts: Vec<Draft>,
}

impl Work<'_> {
    /// Publishes an event once the unit's batch is committed, after the unit's earlier ones.
    pub fn publish(&mut self, mut draft: Draft) {
        let by = &self.by;
        draft.actor.get_or_insert_with(|| by.actor().to_owned());
        self.drafts.push(draft);
    }

    /// How many events the unit publishes so far.
    pub const fn published(&self) -> usize {
        self.drafts.len()
    }

    /// Puts the events that were published since there were `middle` before those since there were `start`:
    /// for one that begins a story, and names what only the others' work made.
    pub fn put_first(&mut self, start: usize, middle: usize) {
        if let Some(part) = self.drafts.get_mut(start..) {
            part.rotate_left(middle.saturating_sub(start).min(part.len()));
        }
    }
}

/// The way in; cloning it is cheap.
#[derive(Clone)]
pub struct Lane {
    /// `None` ends the lane.
    jobs: mpsc::Sender<Option<Box<dyn Job>>>,
}

impl Lane {
    /// Starts the lane's thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(engine: Engine) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (jobs, inbox) = mpsc::channel(WAITING);
        let runtime = Handle::current();
        let thread = thread::Builder::new()
            .name("write-lane".into())
            .spawn(move || engine.run(inbox, &runtime))?;
        Ok((Self { jobs }, thread))
    }

    /// Runs a unit of work and waits for its commit; passes the turn once the unit is in the lane.
    ///
    /// # Errors
    /// The unit's own, or what kept the batch from being committed. Unless the text says that the
    /// write may have been stored, nothing was.
    pub async fn write<T, U>(&self, turn: &Turn, unit: U) -> Result<T>
    where
        T: Send + 'static,
        U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Ticket {
            unit: Some(unit),
            result: None,
            reply,
        };
        let entered = self.jobs.send(Some(Box::new(job))).await;
        turn.pass();
        entered.map_err(|_| Error::unavailable("The daemon is stopping; nothing was stored"))?;
        let unknown = |_| Error::unavailable("The daemon stopped; the write may have been stored");
        answer.await.map_err(unknown)?
    }

    /// Ends the lane's thread once all that was submitted before is done.
    pub async fn end(&self) {
        // If nobody receives, it has ended already.
        drop(self.jobs.send(None).await);
    }
}

/// A unit of work and who waits for it, whatever it returns.
pub(super) trait Job: Send {
    /// Does the work; keeps the result until [`answer`](Self::answer).
    fn run<'w>(&'w mut self, work: &'w mut Work<'_>) -> LocalBoxFuture<'w, Result<()>>;

    /// Hands over the result, or the failure that took its place.
    fn answer(self: Box<Self>, outcome: Result<()>);
}

struct Ticket<T, U> {
    unit: Option<U>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, U> Job for Ticket<T, U>
where
    T: Send,
    U: AsyncFnOnce(&mut Work<'_>) -> Result<T> + Send,
{
    fn run<'w>(&'w mut self, work: &'w mut Work<'_>) -> LocalBoxFuture<'w, Result<()>> {
        async move {
            if let Some(unit) = self.unit.take() {
                self.result = Some(unit(work).await?);
            }
            Ok(())
        }
        .boxed_local()
    }

    fn answer(self: Box<Self>, outcome: Result<()>) {
        let Self { result, reply, .. } = *self;
        let missing = || Error::general("The write ended without a result");
        // Whoever waited may be gone; the write stands all the same.
        drop(reply.send(outcome.and_then(|()| result.ok_or_else(missing))));
    }
}
