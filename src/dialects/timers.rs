//! The two silences of a connection: one after which there is a heartbeat, ours or, where heartbeats ask
//! whether the client is there, the client's; and the client's, which ends the connection.
//!
//! Activity only notes the time. The timer stays where it is and is moved when it rings, so a busy
//! connection costs the runtime's timer wheel nothing.

use std::{future::pending, pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// Which silence has lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ring {
    /// The one that a heartbeat ends.
    Silence,
    /// The client's.
    Patience,
}

/// One connection's silences.
pub(super) struct Timers {
    silence: Option<Duration>,
    /// Whether the silence is the client's.
    asks: bool,
    patience: Option<Duration>,
    /// When the silence began.
    sent: Instant,
    heard: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    /// Both silences start now.
    pub(super) fn new(silence: Option<Duration>, asks: bool, patience: Option<Duration>) -> Self {
        let now = Instant::now();
        let mut timers = Self {
            silence,
            asks,
            patience,
            sent: now,
            heard: now,
            timer: None,
        };
        timers.timer = timers.next().map(|(due, _)| Box::pin(sleep_until(due)));
        timers
    }

    /// Something was sent.
    pub(super) fn sent(&mut self) {
        if self.silence.is_some() && !self.asks {
            self.sent = Instant::now();
        }
    }

    /// A heartbeat was sent.
    pub(super) fn beat(&mut self) {
        self.sent = Instant::now();
    }

    /// Something was heard.
    pub(super) fn heard(&mut self) {
        if self.patience.is_some() {
            self.heard = Instant::now();
        }
        if self.asks {
            self.sent = Instant::now();
        }
    }

    /// Waits until a silence has lasted too long. Cancel safe.
    pub(super) async fn ring(&mut self) -> Ring {
        loop {
            let Some(timer) = self.timer.as_mut() else {
                return pending().await;
            };
            // The clock is read when it rings only: a silence can have begun since, never ended before.
            timer.as_mut().await;
            let Some((due, ring)) = self.next() else {
                return pending().await;
            };
            if due <= Instant::now() {
                return ring;
            }
            if let Some(timer) = self.timer.as_mut() {
                timer.as_mut().reset(due);
            }
        }
    }

    fn next(&self) -> Option<(Instant, Ring)> {
        let silence = self.silence.map(|time| (self.sent + time, Ring::Silence));
        let patience = self
            .patience
            .map(|time| (self.heard + time, Ring::Patience));
        silence
            .into_iter()
            .chain(patience)
            .min_by_key(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// S3-17: heartbeats are not sent while events flow.
    #[tokio::test(start_paused = true)]
    async fn what_is_sent_puts_the_heartbeat_off() {
        let mut timers = Timers::new(Some(10 * SECOND), false, None);
        let begun = Instant::now();
        for _ in 0..100 {
            let rings = tokio::time::timeout(9 * SECOND, timers.ring()).await;
            assert!(rings.is_err(), "it rang after {:?}", begun.elapsed());
            timers.sent();
        }
        assert_eq!(timers.ring().await, Ring::Silence);
        assert_eq!(begun.elapsed(), 910 * SECOND);
        timers.beat();
        advance(3 * SECOND).await;
        assert_eq!(timers.ring().await, Ring::Silence);
        assert_eq!(begun.elapsed(), 920 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_heard_is_given_up_whatever_is_sent_to_it() {
        let mut timers = Timers::new(Some(10 * SECOND), true, Some(25 * SECOND));
        let begun = Instant::now();
        assert_eq!(timers.ring().await, Ring::Silence);
        timers.beat();
        timers.sent();
        assert_eq!(timers.ring().await, Ring::Silence);
        timers.beat();
        assert_eq!(timers.ring().await, Ring::Patience);
        assert_eq!(begun.elapsed(), 25 * SECOND);
    }
}
