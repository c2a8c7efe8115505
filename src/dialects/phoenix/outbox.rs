//! What waits to be sent to one connection, and how the connection is ended.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use axum::extract::ws::Message;

use super::serializer::{Outgoing, Unwritable, Version};
use crate::{
    core::queue::{Overflow, Queue, Weigh},
    dialects::ws::{Close, Source},
};

/// Frames that may wait for a connection. One that does not keep up is closed, so that it comes back:
/// its client joins its channels again, and each join tells it how things stand.
const CAPACITY: usize = 4_096;

/// What overflows are counted as.
const PROTOCOL: &str = "phoenix";

/// About what a frame takes beside its bytes.
const OVERHEAD: usize = 64;

impl Weigh for Message {
    fn weight(&self) -> usize {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(_) => 0,
        };
        OVERHEAD + bytes
    }
}

/// A connection's queue. Pushing never waits; what is pushed after the end is dropped.
pub(super) struct Outbox {
    pub(super) version: Version,
    queue: Queue<Message>,
    /// The close code; 0 while nobody ended the connection.
    code: AtomicU16,
}

impl Outbox {
    pub(super) fn new(version: Version) -> Arc<Self> {
        Arc::new(Self {
            version,
            queue: Queue::new(CAPACITY, Overflow::CutOff, PROTOCOL, std::iter::empty()),
            code: AtomicU16::new(0),
        })
    }

    /// Queues a frame.
    pub(super) fn push(&self, frame: Message) {
        self.queue.push(frame);
    }

    /// Queues what the server says.
    pub(super) fn say(&self, outgoing: &Outgoing<'_>) -> Result<(), Unwritable> {
        self.push(self.version.write(outgoing)?);
        Ok(())
    }

    /// Ends the connection once what waits was sent.
    pub(super) fn end(&self, Close(code, _): Close) {
        // The first reason counts.
        self.code
            .compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed)
            .ok();
        self.queue.end();
    }

    /// Lets nothing wait any more: the connection is gone. Who waits for room need not.
    pub(super) fn close(&self) {
        self.queue.end();
        while self.take().is_some() {}
    }

    /// Whether the connection ends, or has.
    pub(super) fn ended(&self) -> bool {
        self.queue.ended()
    }

    /// Ends a connection that does not keep up.
    pub(super) fn overflow(&self) {
        Overflow::CutOff.count(PROTOCOL);
        self.end(TOO_SLOW);
    }

    /// Waits until little waits.
    pub(super) async fn room(&self) {
        self.queue.room().await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn next(&self) -> Option<Message> {
        self.queue.next().await
    }

    /// The next frame, if one waits.
    pub(super) fn take(&self) -> Option<Message> {
        self.queue.take()
    }
}

/// The client does not read what it is sent. Old clients come back after any code but 1000.
const TOO_SLOW: Close = Close(1013, "frames were not read in time; come back");

/// [`Endpoint::disconnect`](super::Endpoint::disconnect) ended it.
pub(super) const DISCONNECTED: Close = Close(1001, "disconnected");

/// The sending side of a connection.
pub(super) struct Sending(pub(super) Arc<Outbox>);

impl Source for Sending {
    type Item = Message;

    async fn next(&mut self) -> Result<Message, Close> {
        let frame = self.0.next().await;
        let disconnected = self.0.code.load(Ordering::Relaxed) == DISCONNECTED.0;
        frame.ok_or(if disconnected { DISCONNECTED } else { TOO_SLOW })
    }

    fn take(&mut self) -> Option<Message> {
        self.0.take()
    }
}
