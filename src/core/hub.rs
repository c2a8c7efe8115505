//! Hands committed events, in order, to everybody who listens on this node.
//!
//! `publish` never waits for a listener. One lock keeps publishing and joining apart, so a listener
//! that joins after a place in the log misses nothing and receives nothing twice.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::{
    access::Access,
    event::{Delta, Event},
    stamp::Seq,
    subscription::{Events, Overflow, Subscription},
};

/// How many events, and about how many bytes of them, are kept for listeners that join.
const RECENT_EVENTS: usize = 2_048;
const RECENT_BYTES: usize = 4 << 20;

/// A dialect that delivers to its connections itself; called in `seq` order, must not block.
pub trait Sink: Send + Sync {
    /// Delivers events that follow each other; what they changed in who may see what is in force.
    fn deliver(&self, events: &[Arc<Event>]);

    /// Tells a delta to who has room for it.
    fn whisper(&self, delta: &Delta);
}

/// The node's publisher. Cheap to share behind an `Arc`.
pub struct Hub {
    /// Who may see what, as of the newest published event.
    access: Access,
    /// Guards the order: whoever publishes or joins holds it.
    state: Mutex<State>,
}

struct State {
    head: Seq,
    /// The newest events, without gap up to `head`.
    recent: VecDeque<Arc<Event>>,
    recent_bytes: usize,
    sinks: Vec<Arc<dyn Sink>>,
    queues: Vec<Weak<Events>>,
}

impl Hub {
    /// A hub whose last event was `head`.
    pub fn new(head: Seq) -> Self {
        let state = State {
            head,
            recent: VecDeque::new(),
            recent_bytes: 0,
            sinks: Vec::new(),
            queues: Vec::new(),
        };
        Self {
            access: Access::default(),
            state: Mutex::new(state),
        }
    }

    /// Adds a sink, which receives every event from now on.
    pub fn add_sink(&self, sink: Arc<dyn Sink>) {
        self.lock().sinks.push(sink);
    }

    /// Lets go of every sink and subscription: the daemon ends.
    pub fn close(&self) {
        let mut state = self.lock();
        let (sinks, queues) = (
            std::mem::take(&mut state.sinks),
            std::mem::take(&mut state.queues),
        );
        drop(state);
        drop((sinks, queues));
    }

    /// Who may see what.
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// The place of the newest published event.
    pub fn head(&self) -> Seq {
        self.lock().head
    }

    /// Delivers committed events, which follow the ones published before without gap.
    pub fn publish(&self, events: &[Arc<Event>]) {
        metrics::counter!("roost_events_published_total").increment(events.len() as u64);
        let mut state = self.lock();
        // What an event changes in who may see what is in force before it is delivered.
        for burst in events.chunk_by(|_, next| next.access.is_empty()) {
            for event in burst {
                debug_assert_eq!(event.seq, state.head.next(), "the log has no gap");
                state.head = event.seq;
                self.access.apply(&event.access);
            }
            for sink in &state.sinks {
                sink.deliver(burst);
            }
            for event in burst {
                state.queues.retain(|queue| {
                    queue
                        .upgrade()
                        .is_some_and(|queue| queue.push(Arc::clone(event)))
                });
                state.remember(Arc::clone(event));
            }
        }
    }

    /// Tells a delta to who listens now: after the events published before, before those that follow.
    pub fn whisper(&self, delta: &Delta) {
        let state = self.lock();
        for sink in &state.sinks {
            sink.whisper(delta);
        }
    }

    /// Runs `join` with the events after a place, while nothing is published; `None`, without
    /// running it, if they are no longer all at hand (then read the log first).
    ///
    /// A listener that `join` adds to a sink's rooms receives the events that follow. `None` as
    /// place stands for the newest event.
    pub fn join<R>(&self, after: Option<Seq>, join: impl FnOnce(Tail<'_>) -> R) -> Option<R> {
        let state = self.lock();
        let tail = state.tail(after)?;
        Some(join(tail))
    }

    /// Runs `act` with the newest event's place while nothing is published: a listener that it takes
    /// from a sink's rooms has received everything up to there. `act` must not call the hub.
    pub fn pause<R>(&self, act: impl FnOnce(Seq) -> R) -> R {
        let state = self.lock();
        act(state.head)
    }

    /// Subscribes to the events after a place, as [`join`](Self::join) does for sinks.
    pub fn subscribe(
        &self,
        after: Option<Seq>,
        capacity: usize,
        overflow: Overflow,
        protocol: &'static str,
    ) -> Option<Subscription> {
        let mut state = self.lock();
        let tail = state.tail(after)?;
        let queue = Arc::new(Events::new(
            capacity,
            overflow,
            protocol,
            tail.events().cloned(),
        ));
        Some(state.add(queue))
    }

    /// Subscribes to those of the events from now on that a listener wants, and says after which place that
    /// is. `wanted` must not call the hub.
    pub fn subscribe_to(
        &self,
        capacity: usize,
        overflow: Overflow,
        protocol: &'static str,
        wanted: impl Fn(&Arc<Event>) -> bool + Send + Sync + 'static,
    ) -> (Seq, Subscription) {
        let none = std::iter::empty();
        let queue = Events::new(capacity, overflow, protocol, none).of(Box::new(wanted));
        let mut state = self.lock();
        (state.head, state.add(Arc::new(queue)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, queue: Arc<Events>) -> Subscription {
        self.queues.retain(|queue| queue.strong_count() > 0);
        self.queues.push(Arc::downgrade(&queue));
        Subscription::new(queue)
    }

    fn remember(&mut self, event: Arc<Event>) {
        self.recent_bytes += event.weight();
        self.recent.push_back(event);
        while self.recent.len() > RECENT_EVENTS || self.recent_bytes > RECENT_BYTES {
            let Some(forgotten) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= forgotten.weight();
        }
    }

    fn tail(&self, after: Option<Seq>) -> Option<Tail<'_>> {
        let after = after.unwrap_or(self.head);
        let missing = usize::try_from(self.head.0 - after.0).unwrap_or(0);
        let start = self.recent.len().checked_sub(missing)?;
        let tail = Tail {
            recent: &self.recent,
            start,
        };
        // Who joins must never be given what lies behind a gap.
        let first = tail.events().next();
        first
            .is_none_or(|first| first.seq == after.next())
            .then_some(tail)
    }
}

/// The events that a joining listener has not seen yet.
pub struct Tail<'a> {
    recent: &'a VecDeque<Arc<Event>>,
    start: usize,
}

impl Tail<'_> {
    /// The events, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.recent.range(self.start..)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.recent.len() - self.start
    }

    /// Whether the listener is up to date.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;
    use crate::core::{clock::Timestamp, event::Draft, scope::Audience};

    fn event(seq: i64) -> Arc<Event> {
        let data = RawValue::NULL.to_owned().into();
        Arc::new(Event {
            seq: Seq(seq),
            id: Uuid::nil(),
            at: Timestamp::from_millis(0).unwrap(),
            draft: Draft::new("tests", "told", Audience::Everyone, data),
        })
    }

    #[test]
    fn nobody_joins_over_a_gap() {
        let hub = Hub::new(Seq(0));
        for seq in (1..=3).chain(7..=9) {
            let mut state = hub.lock();
            state.head = Seq(seq);
            state.remember(event(seq));
        }
        for (after, expected) in [
            (9, Some(vec![])),
            (8, Some(vec![9])),
            (6, Some(vec![7, 8, 9])),
            (5, None),
            (3, None),
            (2, None),
            (0, None),
        ] {
            let seqs = |tail: Tail<'_>| tail.events().map(|event| event.seq.0).collect::<Vec<_>>();
            assert_eq!(hub.join(Some(Seq(after)), seqs), expected, "after {after}");
        }
    }
}
