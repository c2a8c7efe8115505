//! A bounded queue between those who publish and one connection that takes.
//!
//! Bounded by count and by weight. Pushing never waits; what happens to a taker that does not keep
//! up is the queue's [`Overflow`].

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// About how many bytes may wait in one queue.
const BYTES: usize = 4 << 20;

/// A queue that was longer than this gives its memory back when it is empty.
const KEPT: usize = 64;

/// With at most this many items, or bytes of them, waiting, a queue has room for more of a long story.
const ROOM: usize = 128;
const ROOM_BYTES: usize = 256 << 10;

/// What happens to a listener whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest waiting item gives way (MGX without `since`, as its original).
    DropOldest,
    /// The queue ends: what it holds is still taken, then the listener reads on from the log.
    ReadOn,
    /// The queue ends: what it holds is still taken, then the connection is closed.
    CutOff,
}

impl Overflow {
    /// Counts that a listener of a protocol did not keep up.
    pub fn count(self, protocol: &'static str) {
        let policy = match self {
            Self::DropOldest => "drop_oldest",
            Self::ReadOn => "read_on",
            Self::CutOff => "cut_off",
        };
        count_overflow(protocol, policy);
    }
}

/// Counts that a listener of a protocol did not keep up, and what was done about it.
pub fn count_overflow(protocol: &'static str, policy: &'static str) {
    metrics::counter!("roost_overflows_total", "protocol" => protocol, "policy" => policy)
        .increment(1);
}

/// Something that takes memory while it waits.
pub trait Weigh {
    /// About how many bytes it takes.
    fn weight(&self) -> usize;
}

/// The queue; shared by those who push and the one who takes.
pub struct Queue<T> {
    capacity: usize,
    overflow: Overflow,
    /// What the listener speaks.
    protocol: &'static str,
    /// Which items it wants; all, if nothing is said.
    wanted: Option<Wanted<T>>,
    /// Guards the items between those who push and the one who takes.
    waiting: Mutex<Waiting<T>>,
    arrived: Notify,
    taken: Notify,
}

/// Says whether a listener wants an item.
pub type Wanted<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

struct Waiting<T> {
    items: VecDeque<T>,
    bytes: usize,
    ended: bool,
}

impl<T: Weigh> Waiting<T> {
    /// One item may be as heavy as it likes.
    fn is_heavy(&self) -> bool {
        self.bytes > BYTES && self.items.len() > 1
    }

    fn has_room(&self) -> bool {
        self.ended || self.items.len() <= ROOM && self.bytes <= ROOM_BYTES
    }

    fn pop_front(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes -= item.weight();
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
        Some(item)
    }
}

impl<T: Weigh> Queue<T> {
    /// A queue that starts with some items, for a listener that speaks a protocol.
    pub fn new(
        capacity: usize,
        overflow: Overflow,
        protocol: &'static str,
        items: impl Iterator<Item = T>,
    ) -> Self {
        let items: VecDeque<_> = items.collect();
        let waiting = Waiting {
            bytes: items.iter().map(Weigh::weight).sum(),
            items,
            ended: false,
        };
        Self {
            capacity,
            overflow,
            protocol,
            wanted: None,
            waiting: Mutex::new(waiting),
            arrived: Notify::new(),
            taken: Notify::new(),
        }
    }

    /// The queue of a listener that wants some items only: others take no room in it.
    #[must_use]
    pub fn of(mut self, wanted: Wanted<T>) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// Adds an item, if it is wanted; `false` if the queue has ended or ends now.
    pub fn push(&self, item: T) -> bool {
        if self.wanted.as_ref().is_some_and(|wanted| !wanted(&item)) {
            return true;
        }
        let mut waiting = self.lock();
        if waiting.ended {
            return false;
        }
        waiting.bytes += item.weight();
        waiting.items.push_back(item);
        while waiting.items.len() > self.capacity || waiting.is_heavy() {
            self.overflow.count(self.protocol);
            match self.overflow {
                Overflow::DropOldest => drop(waiting.pop_front()),
                Overflow::ReadOn | Overflow::CutOff => {
                    if let Some(item) = waiting.items.pop_back() {
                        waiting.bytes -= item.weight();
                    }
                    waiting.ended = true;
                    break;
                }
            }
        }
        let open = !waiting.ended;
        drop(waiting);
        self.arrived.notify_one();
        if !open {
            self.taken.notify_waiters();
        }
        open
    }

    /// Lets no more in; what waits is still taken.
    pub fn end(&self) {
        self.lock().ended = true;
        self.arrived.notify_one();
        self.taken.notify_waiters();
    }

    /// Whether nothing more comes in.
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    /// The next item; `None` when the queue has ended and all that it held was taken.
    ///
    /// Cancel safe: an item is taken only when it is returned.
    pub async fn next(&self) -> Option<T> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut waiting = self.lock();
                if let Some(item) = self.pop(&mut waiting) {
                    return Some(item);
                }
                if waiting.ended {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// The next item, if one waits.
    pub fn take(&self) -> Option<T> {
        let mut waiting = self.lock();
        self.pop(&mut waiting)
    }

    /// Waits until little is waiting, or the queue has ended: who tells a long story tells it at the
    /// listener's pace.
    pub async fn room(&self) {
        loop {
            let mut taken = std::pin::pin!(self.taken.notified());
            taken.as_mut().enable();
            if self.lock().has_room() {
                return;
            }
            taken.await;
        }
    }

    fn pop(&self, waiting: &mut Waiting<T>) -> Option<T> {
        let had_room = waiting.has_room();
        let item = waiting.pop_front()?;
        if !had_room && waiting.has_room() {
            self.taken.notify_waiters();
        }
        Some(item)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
