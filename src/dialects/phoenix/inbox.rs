//! What waits for one channel: the client's messages, bounded by holding back the client; and
//! broadcasts that it intercepts, bounded by ending a connection that does not keep up.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    message::{Body, Name, Payload, Ref},
    outbox::Outbox,
};

/// KiB of messages, and one for each, that may wait for the channels of one connection; no more is
/// read from its socket then.
const MESSAGES: u32 = 4_096;

/// Intercepted broadcasts that may wait for the channels of one connection.
const BROADCASTS: usize = 1_024;

/// Something for a channel to do.
pub(super) enum Task {
    /// The client sent an event.
    Event {
        reference: Ref,
        event: Name,
        body: Body,
    },
    /// The client leaves.
    Leave { join_ref: Ref, reference: Ref },
    /// An event that the channel intercepts was broadcast.
    Intercepted {
        event: Arc<str>,
        payload: Arc<Payload>,
    },
}

/// A task and the room that it takes.
pub(super) struct Letter {
    pub(super) task: Task,
    _room: OwnedSemaphorePermit,
}

/// Boxed, since a queue keeps room for some before the first comes.
pub(super) type Sender = mpsc::UnboundedSender<Box<Letter>>;
pub(super) type Inbox = mpsc::UnboundedReceiver<Box<Letter>>;

/// How much room the channels of one connection have left.
#[derive(Clone)]
pub(super) struct Room {
    messages: Arc<Semaphore>,
    broadcasts: Arc<Semaphore>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            messages: Arc::new(Semaphore::new(MESSAGES as usize)),
            broadcasts: Arc::new(Semaphore::new(BROADCASTS)),
        }
    }

    /// Puts a message's task into an inbox.
    pub(super) fn put(&self, inbox: &Sender, task: Task) -> Put {
        let cost = cost(&task);
        match Arc::clone(&self.messages).try_acquire_many_owned(cost) {
            Ok(room) => send(inbox, task, room).map_or_else(Put::Ended, |()| Put::Done),
            Err(_) => Put::Full(task),
        }
    }

    /// As [`put`](Self::put), once there is room; the task comes back if the channel has ended.
    pub(super) async fn put_later(self, inbox: Sender, task: Task) -> Option<Task> {
        // The semaphore is never closed.
        let room = self.messages.acquire_many_owned(cost(&task)).await.ok()?;
        send(&inbox, task, room).err()
    }

    /// Where broadcasts are put.
    pub(super) fn post(&self, inbox: &Sender) -> Post {
        Post {
            inbox: inbox.downgrade(),
            room: Arc::clone(&self.broadcasts),
        }
    }
}

/// What became of a task.
pub(super) enum Put {
    /// It waits for the channel.
    Done,
    /// The channel has ended.
    Ended(Task),
    /// There is no room.
    Full(Task),
}

/// Takes broadcasts for a channel, without keeping it alive.
pub(super) struct Post {
    inbox: mpsc::WeakUnboundedSender<Box<Letter>>,
    room: Arc<Semaphore>,
}

impl Post {
    /// Hands over a broadcast, or ends the connection.
    pub(super) fn intercepted(&self, event: &str, payload: &Arc<Payload>, outbox: &Outbox) {
        let Some(inbox) = self.inbox.upgrade() else {
            return;
        };
        let task = Task::Intercepted {
            event: event.into(),
            payload: Arc::clone(payload),
        };
        match Arc::clone(&self.room).try_acquire_owned() {
            // A channel that has ended needs no more broadcasts.
            Ok(room) => drop(send(&inbox, task, room)),
            Err(_) => outbox.overflow(),
        }
    }
}

fn cost(task: &Task) -> u32 {
    let bytes = match task {
        Task::Event { body, .. } => body.len(),
        Task::Leave { .. } | Task::Intercepted { .. } => 0,
    };
    u32::try_from(1 + bytes / 1_024).map_or(MESSAGES, |cost| cost.min(MESSAGES))
}

fn send(inbox: &Sender, task: Task, room: OwnedSemaphorePermit) -> Result<(), Task> {
    let letter = Box::new(Letter { task, _room: room });
    inbox.send(letter).map_err(|refused| refused.0.task)
}
