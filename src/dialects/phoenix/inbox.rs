//! What waits for one channel: the client's messages, bounded by holding back the client; and
//! broadcasts that it intercepts, bounded by ending a connection that does not keep up.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    message::{Body, Name, Payload, Ref},
    outbox::Outbox,
    replies,
};

/// KiB of messages, and one for each, that may wait for the channels of one connection; no more is
/// read from its socket then.
const MESSAGES: u32 = 4_096;

/// KiB of intercepted broadcasts, and one for each, that may wait for the channels of one connection.
const BROADCASTS: u32 = 4_096;

/// Something for a channel to do.
pub(super) enum Task {
    /// The client sent an event.
    Event {
        reference: Ref,
        event: Name,
        body: Body,
        /// Bytes of the frame, all of which are kept while it waits.
        size: usize,
    },
    /// The client leaves.
    Leave { join_ref: Ref, reference: Ref },
    /// An event that the channel intercepts was broadcast.
    Intercepted {
        event: Arc<str>,
        payload: Arc<Payload>,
    },
}

impl Task {
    /// Answers a message whose channel is not there (any more).
    pub(super) fn refuse(self, outbox: &Outbox, topic: &Name) {
        match self {
            Self::Event { reference, .. } => replies::unmatched(outbox, &reference, topic),
            Self::Leave {
                join_ref,
                reference,
            } => replies::ok(outbox, (&join_ref, &reference), topic),
            Self::Intercepted { .. } => {}
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::Event { size, .. } => cost(*size, MESSAGES),
            Self::Leave { .. } | Self::Intercepted { .. } => 1,
        }
    }
}

/// A task and the room that it takes.
pub(super) struct Letter {
    pub(super) task: Task,
    _room: OwnedSemaphorePermit,
}

/// Boxed, since a queue keeps room for some before the first comes.
pub(super) type Sender = mpsc::UnboundedSender<Box<Letter>>;

/// What one channel reads. What still waits when it goes is refused: the channel is not there any more.
pub(super) struct Inbox {
    letters: mpsc::UnboundedReceiver<Box<Letter>>,
    outbox: Arc<Outbox>,
    topic: Name,
}

impl Inbox {
    /// An empty inbox of a topic's channel, and where to put into it.
    pub(super) fn new(topic: &Arc<str>, outbox: &Arc<Outbox>) -> (Sender, Self) {
        let (sender, letters) = mpsc::unbounded_channel();
        let inbox = Self {
            letters,
            outbox: Arc::clone(outbox),
            topic: Name::Text(Arc::clone(topic)),
        };
        (sender, inbox)
    }

    /// The next letter; `None` if the connection is gone. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Box<Letter>> {
        self.letters.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.letters.close();
        while let Ok(letter) = self.letters.try_recv() {
            letter.task.refuse(&self.outbox, &self.topic);
        }
    }
}

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
            broadcasts: Arc::new(Semaphore::new(BROADCASTS as usize)),
        }
    }

    /// Puts a message's task into an inbox.
    pub(super) fn put(&self, inbox: &Sender, task: Task) -> Put {
        match Arc::clone(&self.messages).try_acquire_many_owned(task.cost()) {
            Ok(room) => send(inbox, task, room).map_or_else(Put::Ended, |()| Put::Done),
            Err(_) => Put::Full(task),
        }
    }

    /// As [`put`](Self::put), once there is room; the task comes back if the channel has ended.
    pub(super) async fn put_later(self, inbox: Sender, task: Task) -> Option<Task> {
        // The semaphore is never closed.
        let room = self.messages.acquire_many_owned(task.cost()).await.ok()?;
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
    /// Hands over a broadcast of about so many bytes, or ends the connection.
    pub(super) fn intercepted(
        &self,
        event: &str,
        payload: &Arc<Payload>,
        size: usize,
        outbox: &Outbox,
    ) {
        let Some(inbox) = self.inbox.upgrade() else {
            return;
        };
        let task = Task::Intercepted {
            event: event.into(),
            payload: Arc::clone(payload),
        };
        match Arc::clone(&self.room).try_acquire_many_owned(cost(size, BROADCASTS)) {
            // A channel that has ended needs no more broadcasts.
            Ok(room) => drop(send(&inbox, task, room)),
            Err(_) => outbox.overflow(),
        }
    }
}

/// What so many bytes cost; what is heavier than all the room there is takes all of it.
fn cost(bytes: usize, all: u32) -> u32 {
    u32::try_from(1 + bytes / 1_024).map_or(all, |cost| cost.min(all))
}

fn send(inbox: &Sender, task: Task, room: OwnedSemaphorePermit) -> Result<(), Task> {
    let letter = Box::new(Letter { task, _room: room });
    inbox.send(letter).map_err(|refused| refused.0.task)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialects::phoenix::serializer::Version;

    #[test]
    fn a_message_takes_as_much_room_as_its_frame() {
        let outbox = Outbox::new(Version::Two);
        let (sender, _inbox) = Inbox::new(&"topic".into(), &outbox);
        let long = "x".repeat(1 << 20);
        let frames = [
            format!(r#"["1","2","topic","{long}",{{}}]"#),
            format!(r#"["1","2","topic","event","{long}"]"#),
            format!(r#"["1","2","topic","event",{{}},"{long}"]"#),
        ];
        for frame in frames {
            let room = Room::new();
            let put = || {
                let message = Version::Two.read(&frame.as_str().into()).ok()?;
                let task = Task::Event {
                    reference: message.reference,
                    event: message.event,
                    body: message.body,
                    size: message.size,
                };
                Some(matches!(room.put(&sender, task), Put::Done))
            };
            assert_eq!([(); 4].map(|()| put()), [true, true, true, false].map(Some));
        }
    }

    #[test]
    fn heavy_broadcasts_that_wait_end_a_connection_too() {
        let outbox = Outbox::new(Version::Two);
        let (sender, _inbox) = Inbox::new(&"topic".into(), &outbox);
        let post = Room::new().post(&sender);
        let payload = Arc::new(Payload::from(json!({"list": [["x".repeat(1 << 20)]]})));
        let mut put = 0;
        while !outbox.ended() {
            post.intercepted("event", &payload, payload.size(), &outbox);
            put += 1;
        }
        assert_eq!(put, 4);
    }
}
