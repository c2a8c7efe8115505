//! One listener's bounded queue between the hub and its connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::event::Event;

/// About how many bytes of events may wait for one listener.
const BYTES: usize = 4 << 20;

/// What happens to a listener whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest waiting event gives way (MGX without `since`, as its original).
    DropOldest,
    /// The subscription ends; the listener reads on from the log.
    End,
}

/// The hub's side of a subscription.
pub(super) struct Queue {
    capacity: usize,
    overflow: Overflow,
    /// Guards the queue between the hub, which pushes, and the listener, which takes.
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

struct Waiting {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    ended: bool,
}

impl Waiting {
    /// One event may be as heavy as it likes.
    fn is_heavy(&self) -> bool {
        self.bytes > BYTES && self.events.len() > 1
    }

    fn pop_front(&mut self) -> Option<Arc<Event>> {
        let event = self.events.pop_front()?;
        self.bytes -= event.weight();
        Some(event)
    }
}

impl Queue {
    pub(super) fn new(
        capacity: usize,
        overflow: Overflow,
        tail: impl Iterator<Item = Arc<Event>>,
    ) -> Self {
        let events: VecDeque<_> = tail.collect();
        let waiting = Waiting {
            bytes: events.iter().map(|event| event.weight()).sum(),
            events,
            ended: false,
        };
        Self {
            capacity,
            overflow,
            waiting: Mutex::new(waiting),
            arrived: Notify::new(),
        }
    }

    /// Adds an event; `false` once the subscription has ended.
    pub(super) fn push(&self, event: &Arc<Event>) -> bool {
        let mut waiting = self.lock();
        waiting.bytes += event.weight();
        waiting.events.push_back(Arc::clone(event));
        while waiting.events.len() > self.capacity || waiting.is_heavy() {
            metrics::counter!("roost_subscription_overflows_total").increment(1);
            match self.overflow {
                Overflow::DropOldest => drop(waiting.pop_front()),
                Overflow::End => {
                    waiting.events.pop_back();
                    waiting.ended = true;
                    break;
                }
            }
        }
        let open = !waiting.ended;
        drop(waiting);
        self.arrived.notify_one();
        open
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listener's side: events in `seq` order. Dropping it unsubscribes.
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// The next event; `None` when the queue overflowed and all that it held was taken.
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&self) -> Option<Arc<Event>> {
        loop {
            let arrived = self.queue.arrived.notified();
            match self.take() {
                Some(event) => return Some(event),
                None if self.queue.lock().ended => return None,
                None => arrived.await,
            }
        }
    }

    /// The next event, if one waits.
    pub fn take(&self) -> Option<Arc<Event>> {
        self.queue.lock().pop_front()
    }
}
