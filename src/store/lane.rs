//! The write lane: the one ordered way into the database.
//!
//! It gathers the units of work that wait, runs them in one transaction, commits once, then
//! publishes their events and answers them, in order. It never waits to enlarge a batch. A unit
//! does database statements only; a failing one harms only itself (a savepoint each).

use std::{panic::AssertUnwindSafe, sync::Arc, thread};

use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::{DatabaseConnection, TransactionTrait};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{log, pool, postgres::Postgres, sqlite::Sqlite, transaction::Transaction};
use crate::{
    core::{
        clock::{SharedClock, Timestamp},
        event::{Draft, Event},
        hub::Hub,
        stamp::Seq,
        turn::Turn,
    },
    error::{Error, Result},
};

/// Units in one transaction at most.
const BATCH: usize = 128;

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
    drafts: Vec<Draft>,
}

impl Work<'_> {
    /// Publishes an event once the unit's batch is committed, after the unit's earlier ones.
    pub fn publish(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }
}

/// The way in; cloning it is cheap.
#[derive(Clone)]
pub struct Lane {
    /// `None` ends the lane.
    jobs: mpsc::Sender<Option<Box<dyn Job>>>,
}

/// A writing connection.
pub enum Writer {
    /// The lane's own connection.
    Sqlite(Sqlite),
    /// A pool, from which each batch takes a transaction.
    Postgres(DatabaseConnection),
}

/// What the lane's thread owns.
pub struct Engine {
    /// Where it writes.
    pub writer: Writer,
    /// Where it publishes.
    pub hub: Arc<Hub>,
    /// Where moments and ids come from.
    pub clock: SharedClock,
    /// The newest event's place.
    pub head: Seq,
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
    /// The unit's own, or what kept the batch from being committed: then nothing was stored.
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
}

impl Lane {
    /// Ends the lane's thread once all that was submitted before is done.
    pub async fn end(&self) {
        // If nobody receives, it has ended already.
        drop(self.jobs.send(None).await);
    }
}

/// A unit of work and who waits for it, whatever it returns.
trait Job: Send {
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

impl Engine {
    fn run(mut self, mut inbox: mpsc::Receiver<Option<Box<dyn Job>>>, runtime: &Handle) {
        let mut jobs = Vec::with_capacity(BATCH);
        let mut ended = false;
        while !ended {
            let Some(Some(first)) = inbox.blocking_recv() else {
                return;
            };
            jobs.push(first);
            while jobs.len() < BATCH {
                match inbox.try_recv() {
                    Ok(Some(job)) => jobs.push(job),
                    Ok(None) => ended = true,
                    Err(_) => break,
                }
            }
            metrics::counter!("roost_lane_batches_total").increment(1);
            metrics::counter!("roost_lane_units_total").increment(jobs.len() as u64);
            let outcomes = runtime.block_on(self.batch(&mut jobs));
            for (job, outcome) in jobs.drain(..).zip(outcomes) {
                job.answer(outcome);
            }
        }
    }

    /// Runs one transaction and publishes what it committed; an outcome for each job.
    async fn batch(&mut self, jobs: &mut [Box<dyn Job>]) -> Vec<Result<()>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        let now = self.clock.now();
        match self.transact(jobs, now, &mut outcomes).await {
            Ok(events) => {
                if let Some(last) = events.last() {
                    self.head = last.seq;
                    self.hub.publish(events);
                }
            }
            Err(error) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "a batch of writes was not committed");
                outcomes.resize_with(jobs.len(), || Ok(()));
                for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                    *outcome = Err(error.clone());
                }
            }
        }
        outcomes
    }

    async fn transact(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        now: Timestamp,
        outcomes: &mut Vec<Result<()>>,
    ) -> Result<Vec<Arc<Event>>> {
        let clock = &self.clock;
        match &mut self.writer {
            Writer::Sqlite(sqlite) => {
                sqlite.control("BEGIN IMMEDIATE").await?;
                let written = fill(sqlite, jobs, self.head, now, clock, outcomes).await;
                let committed = written.and_then(|events| sqlite.commit().map(|()| events));
                if committed.is_err() && sqlite.in_transaction() {
                    sqlite.control("ROLLBACK").await?;
                }
                committed
            }
            Writer::Postgres(connection) => {
                let mut tx = Postgres(connection.begin().await.map_err(pool::convert)?);
                let head = log::lock_head(&mut tx).await?;
                // Another node's events, or a commit whose answer was lost: they come first.
                while self.head < head {
                    let missed = log::page(&mut tx, self.head, BATCH).await?;
                    self.head = missed.last().map_or(head, |event| event.seq);
                    self.hub.publish(missed);
                }
                let events = fill(&mut tx, jobs, head, now, clock, outcomes).await?;
                tx.0.commit().await.map_err(pool::convert)?;
                Ok(events)
            }
        }
    }
}

/// Runs the jobs inside an open transaction and writes their events after `head`.
async fn fill(
    tx: &mut dyn Transaction,
    jobs: &mut [Box<dyn Job>],
    head: Seq,
    now: Timestamp,
    clock: &SharedClock,
    outcomes: &mut Vec<Result<()>>,
) -> Result<Vec<Arc<Event>>> {
    let mut drafts = Vec::new();
    for job in jobs {
        tx.control("SAVEPOINT unit").await?;
        let mut work = Work {
            tx,
            now,
            clock: Arc::clone(clock),
            drafts: Vec::new(),
        };
        let outcome = guarded(job.as_mut(), &mut work).await;
        let published = work.drafts;
        if outcome.is_ok() {
            tx.control("RELEASE SAVEPOINT unit").await?;
            drafts.extend(published);
        } else {
            tx.control("ROLLBACK TO SAVEPOINT unit").await?;
            tx.control("RELEASE SAVEPOINT unit").await?;
        }
        outcomes.push(outcome);
    }
    let number = |(index, draft)| {
        let seq = Seq(head.0 + 1 + i64::try_from(index).unwrap_or(i64::MAX));
        Arc::new(Event {
            seq,
            id: clock.ordered_id(),
            at: now,
            draft,
        })
    };
    let events: Vec<_> = drafts.into_iter().enumerate().map(number).collect();
    log::append(tx, &events).await?;
    Ok(events)
}

/// Runs a unit; a panic or a wait for anything but the database fails it.
async fn guarded(job: &mut dyn Job, work: &mut Work<'_>) -> Result<()> {
    let sqlite = work.tx.backend() == sea_orm::DbBackend::Sqlite;
    let unit = AssertUnwindSafe(job.run(work)).catch_unwind();
    let outcome = if sqlite {
        unit.now_or_never()
    } else {
        Some(unit.await)
    };
    match outcome {
        Some(Ok(outcome)) => outcome,
        Some(Err(_)) => Err(Error::general(
            "The write failed unexpectedly; the daemon's log says more",
        )),
        None => Err(Error::general(
            "A unit of work waited for something other than the database",
        )),
    }
}
