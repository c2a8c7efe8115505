//! The whole story for one listener: what it missed, from the log; then what comes, from the hub.

use std::{collections::VecDeque, sync::Arc};

use futures_util::stream::{Stream, unfold};
use serde_json::{Value, json};

use super::{
    BoxFuture,
    event::Event,
    hub::Hub,
    stamp::{LogId, Seq, Since},
    subscription::{Overflow, Subscription},
};
use crate::error::Result;

/// Events read from the log at a time.
pub const PAGE: usize = 500;

/// Events that wait in memory for a listener that keeps up; a slower one reads on from the log.
const CAPACITY: usize = 1_024;

/// The durable log, as listeners read it.
pub trait Log: Send + Sync {
    /// Which log this is.
    fn id(&self) -> LogId;

    /// Up to `limit` events after a place, in order.
    fn after(&self, seq: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Event>>>>;
}

/// The log and the hub over it: what a listener needs.
#[derive(Clone)]
pub struct Story {
    /// What is durable.
    pub log: Arc<dyn Log>,
    /// What is new.
    pub hub: Arc<Hub>,
}

/// What a listener is given.
#[derive(Clone, Debug)]
pub enum Item {
    /// The next event.
    Event(Arc<Event>),
    /// Events are gone that the listener should have had: it must read its records anew. What
    /// follows comes after `latest`.
    Reset(Reset),
}

/// Why a listener cannot resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// `too_old` or `other_log`.
    pub reason: &'static str,
    /// The oldest place that the log still has.
    pub oldest: Seq,
    /// The place after which events follow.
    pub latest: Seq,
}

impl Reset {
    /// What the listener is told, in stamps: `{reason, oldest, latest}`.
    pub fn told(&self, log: &LogId) -> Value {
        let (oldest, latest) = (log.stamp(self.oldest), log.stamp(self.latest));
        json!({"reason": self.reason, "oldest": oldest, "latest": latest})
    }

    /// Where the log starts by now, for a listener that asked for all of it and was given nothing yet:
    /// it misses nothing that it could have had.
    pub const fn start(&self) -> Seq {
        Seq(self.oldest.0 - 1)
    }
}

impl Story {
    /// Where a listener starts: a place in this log, or the reset that it must be told first.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn start(&self, since: &Since) -> Result<std::result::Result<Seq, Reset>> {
        match since {
            Since::Now => Ok(Ok(self.hub.head())),
            Since::Start => {
                let first = self.log.after(Seq(0), 1).await?;
                Ok(Ok(first.first().map_or_else(
                    || self.hub.head(),
                    |event| Seq(event.seq.0 - 1),
                )))
            }
            Since::After(log, seq) if *log == self.log.id() && *seq <= self.hub.head() => {
                Ok(Ok(*seq))
            }
            Since::After(..) => Ok(Err(self.reset("other_log").await?)),
        }
    }

    /// As [`start`](Self::start), for who reads the log alone: also a reset if the place was pruned.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn place(&self, since: &Since) -> Result<std::result::Result<Seq, Reset>> {
        let seq = match self.start(since).await? {
            Ok(seq) => seq,
            Err(reset) => return Ok(Err(reset)),
        };
        Ok(self.read(seq, 1).await?.map(|_| seq))
    }

    /// Published events after a place, from the log; a [`Reset`] if some of them were pruned.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn page(&self, after: Seq) -> Result<std::result::Result<Vec<Arc<Event>>, Reset>> {
        self.read(after, PAGE).await
    }

    async fn read(
        &self,
        after: Seq,
        limit: usize,
    ) -> Result<std::result::Result<Vec<Arc<Event>>, Reset>> {
        let head = self.hub.head();
        let mut page = self.log.after(after, limit).await?;
        // What is committed and not published yet is the hub's to tell: nobody reads ahead of it.
        page.retain(|event| event.seq <= head);
        match page.first() {
            Some(first) if first.seq == after.next() => Ok(Ok(page)),
            None if head <= after => Ok(Ok(page)),
            _ => Ok(Err(self.reset("too_old").await?)),
        }
    }

    async fn reset(&self, reason: &'static str) -> Result<Reset> {
        let latest = self.hub.head();
        let oldest = self
            .log
            .after(Seq(0), 1)
            .await?
            .first()
            .map_or_else(|| latest.next(), |event| event.seq);
        Ok(Reset {
            reason,
            oldest,
            latest,
        })
    }
}

/// A listener's place in the story.
///
/// A listener that falls behind never loses an event: it reads on from the log.
pub struct Feed {
    story: Story,
    /// What the listener speaks.
    protocol: &'static str,
    cursor: Seq,
    /// Where the log started, for a listener that asked for all of it.
    start: Option<Seq>,
    reset: Option<Reset>,
    page: VecDeque<Arc<Event>>,
    live: Option<Subscription>,
}

impl Feed {
    /// A feed that starts where the listener, which speaks a protocol, asked.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn open(story: Story, since: &Since, protocol: &'static str) -> Result<Self> {
        let (cursor, reset) = match story.start(since).await? {
            Ok(cursor) => (cursor, None),
            Err(reset) => (reset.latest, Some(reset)),
        };
        let mut feed = Self {
            story,
            protocol,
            cursor,
            start: (*since == Since::Start).then_some(cursor),
            reset,
            page: VecDeque::new(),
            live: None,
        };
        feed.go_live();
        Ok(feed)
    }

    /// A feed of what comes from now on and is wanted, for a listener that gives up the oldest of more
    /// than `capacity` waiting events.
    pub fn lossy(
        story: Story,
        capacity: usize,
        protocol: &'static str,
        wanted: impl Fn(&Arc<Event>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let overflow = Overflow::DropOldest;
        let (cursor, live) = story.hub.subscribe_to(capacity, overflow, protocol, wanted);
        Self {
            cursor,
            story,
            protocol,
            start: None,
            reset: None,
            page: VecDeque::new(),
            live: Some(live),
        }
    }

    /// The next item.
    ///
    /// Cancel safe: dropping the future loses nothing.
    ///
    /// # Errors
    /// If the log cannot be read; the feed can be asked again.
    pub async fn next(&mut self) -> Result<Item> {
        loop {
            if let Some(item) = self.take() {
                return Ok(item);
            }
            if let Some(live) = &self.live {
                match live.next().await {
                    Some(event) => return Ok(self.step(event)),
                    None => self.live = None,
                }
            }
            self.go_live();
            if self.live.is_none() {
                match self.story.page(self.cursor).await? {
                    Ok(page) => self.page = page.into(),
                    // The log's start was pruned before it was read.
                    Err(reset) if self.start == Some(self.cursor) => {
                        self.cursor = reset.start();
                        self.start = Some(self.cursor);
                    }
                    Err(reset) => {
                        self.cursor = reset.latest;
                        self.reset = Some(reset);
                    }
                }
            }
        }
    }

    /// Its items, one after the other; it goes on after a failure.
    pub fn into_stream(self) -> impl Stream<Item = Result<Item>> + Send {
        unfold(self, |mut feed| async move {
            let item = feed.next().await;
            Some((item, feed))
        })
    }

    /// The place after which its next event is.
    pub const fn place(&self) -> Seq {
        self.cursor
    }

    /// Whether the listener was given all up to a place.
    pub const fn has_given(&self, place: Seq) -> bool {
        self.reset.is_none() && self.cursor.0 >= place.0
    }

    /// The next item, if it is at hand.
    pub fn take(&mut self) -> Option<Item> {
        if let Some(reset) = self.reset.take() {
            return Some(Item::Reset(reset));
        }
        let event = self
            .page
            .pop_front()
            .or_else(|| self.live.as_ref()?.take())?;
        Some(self.step(event))
    }

    fn step(&mut self, event: Arc<Event>) -> Item {
        self.cursor = event.seq;
        Item::Event(event)
    }

    fn go_live(&mut self) {
        if self.live.is_none() && self.page.is_empty() {
            self.live = self.story.hub.subscribe(
                Some(self.cursor),
                CAPACITY,
                Overflow::ReadOn,
                self.protocol,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::core::{clock::Timestamp, event::Draft, scope::Audience};

    /// A log of which one event more is pruned before each of these looks.
    struct Shrinking {
        looks: Mutex<Vec<i64>>,
        last: i64,
    }

    fn event(seq: i64) -> Arc<Event> {
        let data = RawValue::NULL.to_owned().into();
        Arc::new(Event {
            seq: Seq(seq),
            id: Uuid::nil(),
            at: Timestamp::from_millis(0).unwrap(),
            draft: Draft::new("tests", "told", Audience::Everyone, data),
        })
    }

    impl Log for Shrinking {
        fn id(&self) -> LogId {
            LogId("log".into())
        }

        fn after(&self, seq: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<Arc<Event>>>> {
            let mut looks = self.looks.lock().unwrap();
            let first = looks.pop().unwrap_or(self.last);
            let seqs = (seq.next().0.max(first)..=9).take(limit);
            let page = seqs.map(event).collect();
            Box::pin(async { Ok(page) })
        }
    }

    fn story(looks: &[i64], last: i64) -> Story {
        let looks = looks.iter().rev().copied().collect();
        Story {
            log: Arc::new(Shrinking {
                looks: Mutex::new(looks),
                last,
            }),
            hub: Arc::new(Hub::new(Seq(9))),
        }
    }

    #[tokio::test]
    async fn a_start_that_is_pruned_before_it_is_read_is_looked_for_again() {
        // Looks: the start; a page and the start for the reset, twice; a page.
        let mut feed = Feed::open(story(&[1, 2, 3, 4, 5], 5), &Since::Start, "tests")
            .await
            .unwrap();
        for expected in 5..=9 {
            let item = feed.next().await.unwrap();
            assert!(
                matches!(&item, Item::Event(event) if event.seq == Seq(expected)),
                "{item:?}"
            );
        }
        // All of it.
        let mut feed = Feed::open(story(&[1], 10), &Since::Start, "tests")
            .await
            .unwrap();
        let hub = Arc::clone(&feed.story.hub);
        let published = async { hub.publish(&[event(10)]) };
        let (item, ()) = tokio::join!(biased; feed.next(), published);
        let item = item.unwrap();
        assert!(
            matches!(&item, Item::Event(event) if event.seq == Seq(10)),
            "{item:?}"
        );
    }

    #[tokio::test]
    async fn who_has_something_is_told_of_what_was_pruned() {
        let since = Since::After(LogId("log".into()), Seq(2));
        let mut feed = Feed::open(story(&[], 5), &since, "tests").await.unwrap();
        let item = feed.next().await.unwrap();
        let expected = Reset {
            reason: "too_old",
            oldest: Seq(5),
            latest: Seq(9),
        };
        assert!(matches!(item, Item::Reset(reset) if reset == expected));
    }
}
