//! Prunes the log: what is too old, or too much, goes from its start, a little at a time.
//!
//! A client whose stamp is older than what is left is told so when it comes back
//! ([`Reset`](crate::core::feed::Reset)). Records are not touched.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{Store, log};
use crate::{
    core::{clock::Timestamp, stamp::Seq, turn::Turn},
    error::Result,
};

/// Time between looks at the log's start.
const TICK: Duration = Duration::from_secs(1);

/// Events that go in one unit of work, and about how many bytes of them: few, since writes wait for it.
const CHUNK: usize = 500;
const BYTES: i64 = 1 << 20;

/// How much of the log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events older than this go; `None` for any age.
    pub age: Option<Duration>,
    /// Events beyond so many go, the oldest first; `None` for any number.
    pub events: Option<i64>,
}

/// Prunes until it is told to stop.
pub async fn run(store: Store, retention: Retention, stopping: CancellationToken) {
    if retention.age.is_none() && retention.events.is_none() {
        return;
    }
    let mut pruner = Pruner {
        store,
        retention,
        oldest: None,
    };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let pruning = async {
        loop {
            tick.tick().await;
            if let Err(error) = pruner.prune().await {
                tracing::warn!(%error, "the log could not be pruned; it is tried again");
            }
        }
    };
    stopping.run_until_cancelled(pruning).await;
}

struct Pruner {
    store: Store,
    retention: Retention,
    /// The log's first event and its time, once known: nobody else takes it away.
    oldest: Option<(Seq, Timestamp)>,
}

impl Pruner {
    /// Takes away what is due.
    async fn prune(&mut self) -> Result<()> {
        let mut pruned = 0;
        while let Some((first, last)) = self.due().await? {
            let began = Instant::now();
            let unit =
                async move |work: &mut super::lane::Work<'_>| log::prune(&mut *work.tx, last).await;
            self.oldest = None;
            self.store.write(&Turn::default(), unit).await?;
            let count = (last.0 - first.0 + 1).unsigned_abs();
            metrics::counter!("roost_events_pruned_total").increment(count);
            pruned += count;
            // At most half of the lane's time, also where much is due.
            sleep(began.elapsed()).await;
        }
        if pruned > 0 {
            tracing::debug!(pruned, "the log was pruned");
        }
        Ok(())
    }

    /// The next events that go at once: their first and last place; `None` if nothing is due.
    async fn due(&mut self) -> Result<Option<(Seq, Seq)>> {
        let mut db = self.store.reader();
        if self.oldest.is_none() {
            self.oldest = log::oldest(&mut db).await?;
        }
        let Some((oldest, at)) = self.oldest else {
            return Ok(None);
        };
        let head = self.store.story().hub.head();
        let kept = self.retention.events.unwrap_or(i64::MAX);
        let surplus = head.0.saturating_sub(kept);
        let now = self.store.clock().now();
        let cutoff = self.retention.age.and_then(|age| now.before(age));
        let cutoff = cutoff.filter(|cutoff| at < *cutoff);
        if surplus < oldest.0 && cutoff.is_none() {
            return Ok(None);
        }
        let fitting = log::fitting(&mut db, Seq(oldest.0 - 1), CHUNK, BYTES).await?;
        let chunk = oldest.0 - 1 + i64::try_from(fitting).unwrap_or(0);
        let outdated = match cutoff {
            Some(cutoff) => log::first_since(&mut db, (oldest, Seq(chunk)), cutoff)
                .await?
                .map_or(chunk, |young| young.0 - 1),
            None => 0,
        };
        let last = Seq(chunk.min(surplus.max(outdated)));
        Ok((last >= oldest).then_some((oldest, last)))
    }
}
