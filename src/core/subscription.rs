//! One listener's bounded queue between the hub and its connection.

use std::sync::Arc;

use super::{
    event::Event,
    queue::{Queue, Weigh},
};

pub use super::queue::Overflow;

/// The hub's side of a subscription.
pub(super) type Events = Queue<Arc<Event>>;

impl Weigh for Arc<Event> {
    fn weight(&self) -> usize {
        Event::weight(self)
    }
}

/// The listener's side: events in `seq` order. Dropping it unsubscribes.
pub struct Subscription {
    queue: Arc<Events>,
}

impl Subscription {
    pub(super) const fn new(queue: Arc<Events>) -> Self {
        Self { queue }
    }

    /// The next event; `None` when the queue overflowed and all that it held was taken.
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&self) -> Option<Arc<Event>> {
        self.queue.next().await
    }

    /// The next event, if one waits.
    pub fn take(&self) -> Option<Arc<Event>> {
        self.queue.take()
    }

    /// Whether the queue overflowed: what it holds is all that is still taken.
    pub fn ended(&self) -> bool {
        self.queue.ended()
    }
}
