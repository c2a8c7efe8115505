//! Runs the write lane's units of work.
//!
//! It gathers those that wait, runs each under a savepoint in one transaction, commits once, then
//! publishes their events and answers them, in order. It never waits to enlarge a batch.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DbBackend, TransactionTrait};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    access,
    lane::{Job, Work},
    log, pool,
    postgres::Postgres,
    sqlite::{self, Sqlite},
    transaction::Transaction,
};
use crate::{
    core::{
        clock::{SharedClock, Timestamp},
        event::Event,
        hub::Hub,
        identity::Identity,
        stamp::Seq,
    },
    error::{Error, Result},
};

/// Units in one transaction at most.
const BATCH: usize = 128;

/// Time that a PostgreSQL server has for a batch.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between looks at a log whose last commit was not confirmed.
const DOUBT: Duration = Duration::from_secs(1);

type Inbox = mpsc::Receiver<Option<Box<dyn Job>>>;

/// A writing connection.
pub enum Writer {
    /// The lane's own connection.
    Sqlite(Sqlite),
    /// The lane's own pool of one connection.
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
    /// The newest published event's place.
    pub head: Seq,
    /// Whether a commit was not confirmed: its events, if it happened, are in the log only.
    pub doubt: bool,
    /// Cancelled if the lane cannot go on: a daemon that cannot write must not stay.
    pub broken: CancellationToken,
}

impl Engine {
    /// Runs units until it is told to end.
    pub(super) fn run(mut self, mut inbox: Inbox, runtime: &Handle) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.work(&mut inbox, runtime)));
        if ended.is_err() {
            tracing::error!("the write lane failed; the daemon stops");
            self.broken.cancel();
        }
    }

    fn work(&mut self, inbox: &mut Inbox, runtime: &Handle) {
        let mut jobs = Vec::with_capacity(BATCH);
        while !self.broken.is_cancelled() && self.gather(inbox, runtime, &mut jobs) {
            metrics::counter!("roost_lane_batches_total").increment(1);
            metrics::counter!("roost_lane_units_total").increment(jobs.len() as u64);
            let outcomes = runtime.block_on(self.batch(&mut jobs));
            for (job, outcome) in jobs.drain(..).zip(outcomes) {
                job.answer(outcome);
            }
        }
    }

    /// Waits for a unit and takes those that wait behind it; `false` at the end.
    fn gather(&self, inbox: &mut Inbox, runtime: &Handle, jobs: &mut Vec<Box<dyn Job>>) -> bool {
        let first = if self.doubt {
            match runtime.block_on(timeout(DOUBT, inbox.recv())) {
                Ok(first) => first,
                // Nobody writes: look whether there is something to publish.
                Err(_) => return true,
            }
        } else {
            inbox.blocking_recv()
        };
        let Some(Some(first)) = first else {
            return false;
        };
        jobs.push(first);
        while jobs.len() < BATCH {
            match inbox.try_recv() {
                Ok(Some(job)) => jobs.push(job),
                Ok(None) => {
                    // What was submitted before the end is still done; nothing else comes.
                    inbox.close();
                    break;
                }
                Err(_) => break,
            }
        }
        true
    }

    /// Runs one transaction and publishes what it committed; an outcome for each job.
    async fn batch(&mut self, jobs: &mut [Box<dyn Job>]) -> Vec<Result<()>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        let now = self.clock.now();
        let transacted = match &self.writer {
            Writer::Sqlite(_) => self.on_sqlite(jobs, now, &mut outcomes).await,
            Writer::Postgres(_) => {
                match timeout(PATIENCE, self.on_postgres(jobs, now, &mut outcomes)).await {
                    Ok(transacted) => transacted,
                    Err(_) => {
                        self.doubt = true;
                        Err(unconfirmed())
                    }
                }
            }
        };
        match transacted {
            Ok(events) => self.publish(&events),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::error!(%error, cause, "a batch of writes was not committed");
                outcomes.resize_with(jobs.len(), || Ok(()));
                for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
                    *outcome = Err(error.clone());
                }
            }
        }
        outcomes
    }

    fn publish(&mut self, events: &[Arc<Event>]) {
        if let Some(last) = events.last() {
            self.head = last.seq;
            self.hub.publish(events);
        }
    }

    async fn on_sqlite(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        now: Timestamp,
        outcomes: &mut Vec<Result<()>>,
    ) -> Result<Vec<Arc<Event>>> {
        let Writer::Sqlite(sqlite) = &mut self.writer else {
            return Ok(Vec::new());
        };
        if !sqlite.is_there() {
            self.broken.cancel();
            return Err(sqlite::gone());
        }
        sqlite.control("BEGIN IMMEDIATE").await?;
        let written = fill(sqlite, jobs, self.head, now, &self.clock, outcomes).await;
        let committed = written.and_then(|events| sqlite.commit().map(|()| events));
        if committed.is_err() && sqlite.in_transaction() {
            // If this fails as well, the first failure says more.
            drop(sqlite.control("ROLLBACK").await);
        }
        committed
    }

    async fn on_postgres(
        &mut self,
        jobs: &mut [Box<dyn Job>],
        now: Timestamp,
        outcomes: &mut Vec<Result<()>>,
    ) -> Result<Vec<Arc<Event>>> {
        let Writer::Postgres(connection) = &self.writer else {
            return Ok(Vec::new());
        };
        let mut tx = Postgres(connection.begin().await.map_err(pool::convert)?);
        let head = log::lock_head(&mut tx).await?;
        if head < self.head {
            log::renew(&mut tx, &self.clock).await?;
            tx.0.commit().await.map_err(pool::convert)?;
            self.broken.cancel();
            return Err(Error::unavailable(
                "The database went back to an earlier state; the daemon stops",
            ));
        }
        // Another node's events, or those of a commit that was not confirmed: they come first.
        if self.head < head {
            // What they changed in who may see what is in the tables.
            self.hub.access().replace(access::load(&mut tx).await?);
        }
        while self.head < head {
            let missed = log::page(&mut tx, self.head, BATCH).await?;
            let next = missed.first().map(|event| event.seq);
            if next != Some(self.head.next()) {
                // Whoever listens here would miss them without a word; who comes back is told.
                self.broken.cancel();
                return Err(Error::unavailable(
                    "Another daemon's events were pruned before this one told them; the daemon stops",
                ));
            }
            self.publish(&missed);
        }
        self.doubt = false;
        let events = fill(&mut tx, jobs, head, now, &self.clock, outcomes).await?;
        let committed = tx.0.commit().await;
        committed.map_err(|error| {
            self.doubt = true;
            unconfirmed().caused_by(error)
        })?;
        Ok(events)
    }
}

fn unconfirmed() -> Error {
    Error::unavailable("The database did not confirm the write; it may have been stored")
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
            by: Identity::System,
            drafts: Vec::new(),
        };
        let outcome = guarded(job.as_mut(), &mut work).await;
        let published = work.drafts;
        let succeeded = outcome.is_ok();
        outcomes.push(outcome);
        if succeeded {
            tx.control("RELEASE SAVEPOINT unit").await?;
            drafts.extend(published);
        } else {
            tx.control("ROLLBACK TO SAVEPOINT unit").await?;
            tx.control("RELEASE SAVEPOINT unit").await?;
        }
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
    let sqlite = work.tx.backend() == DbBackend::Sqlite;
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
