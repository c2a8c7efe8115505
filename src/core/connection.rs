//! An accepted connection, as the daemon can end it whatever library holds it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;

/// A handle on an accepted connection: aborts it, and knows since when the peer takes no bytes.
#[derive(Clone, Debug)]
pub struct Connection(Arc<State>);

#[derive(Debug)]
struct State {
    peer: SocketAddr,
    local: SocketAddr,
    aborted: AtomicBool,
    closed: AtomicBool,
    /// Milliseconds on the process's clock since a write was refused; 0 while none is.
    unsent_since: AtomicU64,
    /// How many bytes were taken.
    taken: AtomicUsize,
    /// Milliseconds on the process's clock at the last write.
    wrote: AtomicU64,
    /// Woken by [`Connection::abort`]; registered by the stream that this handle belongs to.
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Connection {
    /// A handle for a connection between two addresses.
    pub fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        Self(Arc::new(State {
            peer,
            local,
            aborted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            unsent_since: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
            wrote: AtomicU64::new(0),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }))
    }

    /// The other side's address.
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }

    /// This side's address.
    pub fn local(&self) -> SocketAddr {
        self.0.local
    }

    /// Ends the connection at once: what is unsent is dropped, the peer sees a reset.
    pub fn abort(&self) {
        self.0.aborted.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    /// Whether [`abort`](Self::abort) was called.
    pub fn aborted(&self) -> bool {
        self.0.aborted.load(Ordering::Acquire)
    }

    /// Notes that the stream is gone.
    pub fn note_closed(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
    }

    /// Whether the stream is gone.
    pub fn closed(&self) -> bool {
        self.0.closed.load(Ordering::Relaxed)
    }

    /// How long bytes have been waiting that the peer does not take.
    pub fn unsent_for(&self) -> Option<Duration> {
        match self.0.unsent_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(
                process_millis().saturating_sub(since),
            )),
        }
    }

    /// Whether the last write was taken.
    pub fn takes_bytes(&self) -> bool {
        self.unsent_for().is_none()
    }

    /// How many bytes were taken; counts around.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// How long nothing was written although the peer takes bytes.
    pub fn quiet_for(&self) -> Option<Duration> {
        let wrote = self.0.wrote.load(Ordering::Relaxed);
        let quiet = Duration::from_millis(process_millis().saturating_sub(wrote));
        self.takes_bytes().then_some(quiet)
    }

    /// Notes how many bytes of the last write were taken; `None` if the peer takes none now.
    pub fn note_write(&self, taken: Option<usize>) {
        let now = process_millis();
        self.0.wrote.store(now, Ordering::Relaxed);
        if let Some(bytes) = taken {
            self.0.taken.fetch_add(bytes, Ordering::Relaxed);
            self.0.unsent_since.store(0, Ordering::Relaxed);
        } else if self.0.unsent_since.load(Ordering::Relaxed) == 0 {
            self.0.unsent_since.store(now, Ordering::Relaxed);
        }
    }

    /// Where the stream leaves the waker of its reading task.
    pub fn reader(&self) -> &AtomicWaker {
        &self.0.reader
    }

    /// Where the stream leaves the waker of its writing task.
    pub fn writer(&self) -> &AtomicWaker {
        &self.0.writer
    }
}

/// Milliseconds since the process first asked, from 1.
fn process_millis() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}
