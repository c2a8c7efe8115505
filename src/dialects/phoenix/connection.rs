//! One connection's channels, whatever transport carries its frames.
//!
//! Source: docs/protocols/phoenix.md, "Channels".

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::extract::ws::Message;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    admission::Admitted,
    channel::Channel,
    crash::{Crashed, caught},
    endpoint::{Endpoint, Mount, Named},
    inbox::{Inbox, Put, Room, Sender, Task},
    joining::{Joining, Replaced},
    message::{Incoming, Name, Ref},
    outbox::{DISCONNECTED, Outbox, Sending},
    over::Over,
    replies,
    serializer::Malformed,
    socket::{Options, Socket},
};
use crate::{
    core::BoxFuture,
    dialects::ws::{Close, Dialect, Inbound, Step},
};

/// Joined topics are kept: longer ones match nothing.
const MAX_TOPIC: usize = 64 * 1024;

/// A frame cannot be read.
const MALFORMED: Close = Close(1011, "the frame cannot be read");

/// One client's connection. Dropping it ends its channels.
pub(super) struct Connection {
    endpoint: Endpoint,
    socket: Box<dyn Socket>,
    options: Options,
    outbox: Arc<Outbox>,
    channels: HashMap<Arc<str>, Entry>,
    room: Room,
    _named: Option<Named>,
    /// Ends the wait for whoever is there to leave.
    _watched: Option<DropGuard>,
}

/// A channel that was joined, and may have ended since.
struct Entry {
    join_ref: Ref,
    inbox: Sender,
    leaving: bool,
    over: Over,
    task: JoinHandle<()>,
}

impl Connection {
    pub(super) fn new(mount: &Mount, admitted: Admitted) -> Self {
        let Mount {
            endpoint, options, ..
        } = mount;
        let outbox = Outbox::new(admitted.version);
        let left = admitted.socket.left();
        Self {
            endpoint: endpoint.clone(),
            _named: admitted.id.map(|id| endpoint.name(id, &outbox)),
            _watched: left.map(|left| watch(endpoint, left, &outbox)),
            socket: admitted.socket,
            options: *options,
            outbox,
            channels: HashMap::new(),
            room: Room::new(),
        }
    }

    /// What waits to be sent to it.
    pub(super) const fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    fn read(&self, frame: &Inbound) -> Result<Incoming, Malformed> {
        match frame {
            Inbound::Text(text) => self.outbox.version.read(text),
            Inbound::Binary(bytes) => self.outbox.version.read_binary(bytes),
        }
    }

    fn dispatch(&mut self, message: Incoming) -> Step {
        let Incoming {
            reference, topic, ..
        } = &message;
        if topic.is("phoenix") && message.event.is("heartbeat") {
            replies::ok(&self.outbox, (&Ref::null(), reference), topic);
            return Step::Next;
        }
        if message.event.is("phx_join") {
            return self.join(message);
        }
        let entry = topic.text().and_then(|topic| self.channels.get_mut(topic));
        match entry.filter(|entry| !entry.over.is_told()) {
            Some(entry) if entry.expects(&message.join_ref) => {
                let task = task(&message);
                entry.leaving |= matches!(task, Task::Leave { .. });
                let inbox = entry.inbox.clone();
                self.hand_over(inbox, task, message.topic)
            }
            // It belongs to an earlier join of the topic.
            Some(_) => Step::Next,
            None => {
                task(&message).refuse(&self.outbox, topic);
                Step::Next
            }
        }
    }

    /// Gives a channel its task; while there is no room, nothing more is read.
    fn hand_over(&self, inbox: Sender, task: Task, topic: Name) -> Step {
        match self.room.put(&inbox, task) {
            Put::Done => Step::Next,
            Put::Ended(task) => {
                task.refuse(&self.outbox, &topic);
                Step::Next
            }
            Put::Full(task) => {
                let (room, outbox) = (self.room.clone(), Arc::clone(&self.outbox));
                Step::Wait(Box::pin(async move {
                    if let Some(task) = room.put_later(inbox, task).await {
                        task.refuse(&outbox, &topic);
                    }
                }))
            }
        }
    }

    fn join(&mut self, message: Incoming) -> Step {
        let refs = (&message.join_ref, &message.reference);
        let refuse = |refs, why| {
            replies::refuse(&self.outbox, refs, &message.topic, why);
            Step::Next
        };
        let channel = match &message.topic {
            Name::Text(topic) if topic.len() <= MAX_TOPIC => self.channel(topic),
            _ => Ok(None),
        };
        let channel = match channel {
            Ok(Some(channel)) => channel,
            Ok(None) => return refuse((&Ref::null(), refs.1), "unmatched topic"),
            Err(Crashed) => return refuse(refs, "join crashed"),
        };
        let Name::Text(topic) = &message.topic else {
            return Step::Next;
        };
        let replaced = self.channels.remove(topic);
        if self.channels.len() >= self.options.channels {
            self.channels.retain(|_, entry| !entry.over.is_told());
        }
        if self.channels.len() >= self.options.channels {
            return refuse(refs, "too many channels joined");
        }
        let topic = Arc::clone(topic);
        self.start(channel, topic, message, replaced.map(Entry::replace))
    }

    /// Joins run one after another: frames behind one wait until it is answered.
    fn start(
        &mut self,
        channel: Box<dyn Channel>,
        topic: Arc<str>,
        message: Incoming,
        replaces: Option<Replaced>,
    ) -> Step {
        let (sender, inbox) = Inbox::new(&topic, &self.outbox);
        let (answered, answer) = oneshot::channel();
        let over = Over::default();
        let joining = Joining {
            endpoint: self.endpoint.clone(),
            outbox: Arc::clone(&self.outbox),
            channel,
            topic: Arc::clone(&topic),
            join_ref: message.join_ref.clone(),
            reference: message.reference,
            body: message.body,
            inbox,
            post: self.room.post(&sender),
            replaces,
            over: over.clone(),
            _answered: answered,
        };
        let entry = Entry {
            join_ref: message.join_ref,
            inbox: sender,
            leaving: false,
            over,
            task: self.endpoint.app().tasks.spawn(joining.run()),
        };
        self.channels.insert(topic, entry);
        Step::Wait(Box::pin(async move { drop(answer.await) }))
    }

    fn channel(&self, topic: &str) -> Result<Option<Box<dyn Channel>>, Crashed> {
        caught(|| self.socket.channel(topic))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

/// Ends a connection when whoever is there is to leave; dropping the result ends the watch.
fn watch(endpoint: &Endpoint, left: BoxFuture<'static, ()>, outbox: &Arc<Outbox>) -> DropGuard {
    let gone = CancellationToken::new();
    let (outbox, over) = (Arc::clone(outbox), gone.clone());
    endpoint.app().tasks.spawn(async move {
        if over.run_until_cancelled(left).await.is_some() {
            outbox.end(DISCONNECTED);
        }
    });
    gone.drop_guard()
}

/// What a channel has to do about a message.
fn task(message: &Incoming) -> Task {
    let reference = message.reference.clone();
    if message.event.is("phx_leave") {
        Task::Leave {
            join_ref: message.join_ref.clone(),
            reference,
        }
    } else {
        Task::Event {
            reference,
            event: message.event.clone(),
            body: message.body.clone(),
            size: message.size,
        }
    }
}

impl Entry {
    /// Whether a message is for this join of the topic; one that names none is.
    fn expects(&self, join_ref: &Ref) -> bool {
        join_ref.is_null() || self.join_ref.is_null() || *join_ref == self.join_ref
    }

    fn replace(self) -> Replaced {
        Replaced {
            task: self.task,
            join_ref: self.join_ref,
            leaving: self.leaving,
            over: self.over,
        }
    }
}

impl Dialect for Connection {
    type Source = Sending;

    fn receive(&mut self, frame: Inbound) -> Step {
        match self.read(&frame) {
            Ok(message) => self.dispatch(message),
            Err(Malformed) => Step::Close(MALFORMED),
        }
    }

    fn frame(&self, frame: Message) -> Option<Message> {
        Some(frame)
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.options.idle)
    }
}
