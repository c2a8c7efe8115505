//! Whether anybody uses a session: nobody says goodbye who is cut off.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How long a session stays that nobody uses.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// A session's use, until it ends.
pub(super) struct Usage {
    now: Mutex<Now>,
    ended: CancellationToken,
}

struct Now {
    /// Requests and streams that are open.
    open: usize,
    /// When the last one began or ended.
    last: Instant,
}

/// One request or stream; it is over when this is dropped.
pub(super) struct InUse(Arc<Usage>);

impl Usage {
    /// A session that was opened just now.
    pub(super) fn new() -> Arc<Self> {
        let last = Instant::now();
        Arc::new(Self {
            now: Mutex::new(Now { open: 0, last }),
            ended: CancellationToken::new(),
        })
    }

    /// A request or stream begins.
    pub(super) fn begin(self: &Arc<Self>) -> InUse {
        self.lock().open += 1;
        InUse(Arc::clone(self))
    }

    /// The session has ended.
    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Done when the session has ended, or nobody has used it for long.
    pub(super) async fn over(&self) {
        tokio::select! {
            () = self.ended.cancelled() => {}
            () = self.idle() => {}
        }
    }

    async fn idle(&self) {
        loop {
            let (open, due) = {
                let now = self.lock();
                (now.open, now.last + IDLE)
            };
            if open > 0 {
                sleep_until(Instant::now() + IDLE).await;
            } else if due > Instant::now() {
                sleep_until(due).await;
            } else {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut now = self.0.lock();
        now.open -= 1;
        now.last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_that_nobody_uses_and_no_other() {
        let usage = Usage::new();
        let stream = usage.begin();
        let waited = timeout(IDLE * 10, usage.over()).await;
        assert!(waited.is_err(), "a stream is open");
        drop(stream);
        advance(IDLE / 2).await;
        drop(usage.begin());
        let begun = Instant::now();
        usage.over().await;
        assert!(begun.elapsed() >= IDLE, "a request starts the time anew");
    }

    #[tokio::test]
    async fn a_session_that_ended_is_over() {
        let usage = Usage::new();
        usage.end();
        usage.over().await;
    }
}
