//! What one socket asks for: in arrival order, many under way at a time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;
use socketioxide::{
    SendError, extract::AckSender, handler::FromMessageParts, socket::Socket as IoSocket,
};
use socketioxide_core::Value as Packet;
use tokio::sync::Notify;

use super::{
    peers::Peers,
    rooms::{Adapter, is_full, when_there_is_room},
    sockets::Server,
};
use crate::core::turn::Turn;

/// Calls of one socket under way at a time.
const UNDER_WAY: usize = 128;

/// Calls of one socket that may wait; more are refused.
const WAITING: usize = 16_384;

/// The calls of one socket, which somebody answers.
pub(super) struct Line<A> {
    server: Arc<Server>,
    pub(super) answers: A,
    /// Guards the queue between the reader, which pushes, and the one task that drains it.
    inbox: Mutex<Inbox>,
    arrived: Notify,
}

/// Whoever answers.
pub(super) trait Answer: Send + Sync + 'static {
    /// Answers a call; the next one starts when its turn has passed.
    fn answer(&self, waiting: Waiting, turn: Turn) -> impl Future<Output = ()> + Send;
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    draining: bool,
}

/// A call that waits.
pub(super) struct Waiting {
    /// The event's name and arguments.
    pub(super) text: Box<str>,
    pub(super) attachments: Vec<Bytes>,
    pub(super) reply: Reply,
}

impl Waiting {
    fn size(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

impl<A: Answer> Line<A> {
    pub(super) fn new(server: &Arc<Server>, answers: A) -> Self {
        Self {
            server: Arc::clone(server),
            answers,
            inbox: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Adds a call; gives it back if too many wait.
    pub(super) fn push(self: &Arc<Self>, waiting: Waiting) -> Result<(), Waiting> {
        let size = waiting.size();
        let budget = 4 * self.server.app.config.max_message as usize;
        let mut inbox = self.lock();
        if inbox.waiting.len() >= WAITING || inbox.bytes + size > budget {
            return Err(waiting);
        }
        inbox.bytes += size;
        inbox.waiting.push_back(waiting);
        if inbox.draining {
            drop(inbox);
            self.arrived.notify_one();
        } else {
            inbox.draining = true;
            drop(inbox);
            let (this, answering) = (Arc::clone(self), self.server.answering.token());
            self.server.app.tasks.spawn(async move {
                this.drain().await;
                drop(answering);
            });
        }
        Ok(())
    }

    /// Runs what waits and ends when nothing is left: an idle socket keeps no task.
    async fn drain(self: Arc<Self>) {
        let mut running = FuturesUnordered::new();
        loop {
            match self.pop(running.is_empty()) {
                Next::Call(waiting) => {
                    let turn = Turn::default();
                    running.push(self.answers.answer(waiting, turn.clone()));
                    loop {
                        tokio::select! {
                            biased;
                            Some(()) = running.next() => {}
                            () = turn.passed() => break,
                        }
                    }
                    while running.len() >= UNDER_WAY {
                        running.next().await;
                    }
                }
                Next::Nothing => tokio::select! {
                    Some(()) = running.next() => {}
                    () = self.arrived.notified() => {}
                },
                Next::Done => return,
            }
        }
    }

    fn pop(&self, idle: bool) -> Next {
        let mut inbox = self.lock();
        match inbox.waiting.pop_front() {
            Some(waiting) => {
                inbox.bytes -= waiting.size();
                Next::Call(waiting)
            }
            None if idle => {
                inbox.draining = false;
                Next::Done
            }
            None => Next::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    Call(Waiting),
    Nothing,
    Done,
}

/// Where a call's answer goes; nowhere without an ack id.
pub(super) struct Reply {
    pub(super) socket: Arc<IoSocket<Adapter>>,
    pub(super) ack_id: Option<i64>,
}

impl Reply {
    /// Answers now, or ends the connection: a call without an answer would hang for ever.
    pub(super) fn at_once(&self, answer: &impl Serialize, peers: &Peers) {
        if is_full(&self.send(answer)) {
            peers.cut_off(self.socket.id);
        }
    }

    /// Answers once there is room.
    pub(super) async fn in_time(&self, answer: &impl Serialize) {
        when_there_is_room(&self.socket, || self.send(answer)).await;
    }

    /// Tries to answer; a tuple or array is several arguments.
    fn send(&self, answer: &impl Serialize) -> Result<(), SendError> {
        if self.ack_id.is_none() {
            return Ok(());
        }
        let mut nothing = Packet::Str("".into(), None);
        let Ok(ack) = AckSender::from_message_parts(&self.socket, &mut nothing, &self.ack_id);
        ack.send(answer)
    }
}
