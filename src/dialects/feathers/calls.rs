//! One socket's calls: in arrival order, many under way at a time, each answered.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use socketioxide::{
    SendError,
    extract::AckSender,
    handler::{FromMessageParts, MessageHandler},
    socket::Socket as IoSocket,
};
use socketioxide_core::Value as Packet;
use tokio::sync::{Notify, Semaphore};

use super::{
    attachments,
    cursors::Gesture,
    login::SocketLogin,
    peers::Peers,
    request::Request,
    rest::headers,
    rooms::{Adapter, PAUSE, is_full, when_there_is_room},
    sockets::Server,
};
use crate::{
    core::{
        Record,
        call::{Answer, Caller},
        login::Login,
        turn::Turn,
    },
    error::{Error, Result},
};

/// Calls of one socket under way at a time.
const UNDER_WAY: usize = 128;

/// Calls of one socket that may wait; more are refused.
const WAITING: usize = 16_384;

/// Reads of one socket under way at a time: their answers may be large.
const READING: usize = 16;

type Socket = Arc<IoSocket<Adapter>>;

/// Takes a socket's calls. The handler only enqueues, so it runs where frames are read, in order.
pub(super) struct Calls {
    login: Arc<SocketLogin>,
    /// Where the client is.
    address: Option<IpAddr>,
    /// Made at the first call: most sockets only listen.
    state: OnceLock<Arc<State>>,
}

struct State {
    server: Arc<Server>,
    login: Arc<SocketLogin>,
    address: Option<IpAddr>,
    /// The handshake's.
    headers: Arc<Record>,
    /// Guards the queue between the reader, which pushes, and the one task that drains it.
    inbox: Mutex<Inbox>,
    arrived: Notify,
    reading: Semaphore,
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    draining: bool,
}

struct Waiting {
    text: Box<str>,
    attachments: Vec<Bytes>,
    reply: Reply,
}

impl Waiting {
    fn size(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

impl Calls {
    /// What takes the calls of a socket with this login, and of a client at this address.
    pub(super) const fn new(login: Arc<SocketLogin>, address: Option<IpAddr>) -> Self {
        Self {
            login,
            address,
            state: OnceLock::new(),
        }
    }

    fn state(&self, socket: &Socket) -> &Arc<State> {
        self.state.get_or_init(|| {
            Arc::new(State {
                server: Arc::clone(&self.login.server),
                login: Arc::clone(&self.login),
                address: self.address,
                headers: Arc::new(headers(&socket.req_parts().headers)),
                inbox: Mutex::default(),
                arrived: Notify::new(),
                reading: Semaphore::new(READING),
            })
        })
    }
}

impl MessageHandler<Adapter, ()> for Calls {
    fn call(&self, socket: Socket, packet: Packet, ack_id: Option<i64>) {
        let state = self.state(&socket);
        let reply = Reply { socket, ack_id };
        match packet {
            Packet::Str(text, _) if Gesture::is(&text) => state.gesture(state, &text, reply),
            Packet::Str(text, attachments) => state.push(
                state,
                Waiting {
                    text: text.as_str().into(),
                    attachments: attachments.into_iter().flatten().collect(),
                    reply,
                },
            ),
            Packet::Bytes(_) => reply.at_once(
                &Error::bad_request("A call is text, with bytes beside it at most"),
                &state.server.peers,
            ),
        }
    }
}

impl State {
    fn push(&self, this: &Arc<Self>, waiting: Waiting) {
        let size = waiting.size();
        let budget = 4 * self.server.app.config.max_message as usize;
        let mut inbox = self.lock();
        if inbox.waiting.len() >= WAITING || inbox.bytes + size > budget {
            drop(inbox);
            let refused = Error::too_many_requests(
                "Too many calls wait on this connection; wait for answers first",
            );
            return waiting.reply.at_once(&refused, &self.server.peers);
        }
        inbox.bytes += size;
        inbox.waiting.push_back(waiting);
        if inbox.draining {
            drop(inbox);
            self.arrived.notify_one();
        } else {
            inbox.draining = true;
            drop(inbox);
            let (this, answering) = (Arc::clone(this), self.server.answering.token());
            self.server.app.tasks.spawn(async move {
                this.drain().await;
                drop(answering);
            });
        }
    }

    /// A cursor that is on its board already moves here, where frames are read. Whatever takes longer,
    /// or wants an answer, waits among the calls.
    fn gesture(&self, this: &Arc<Self>, text: &str, reply: Reply) {
        let connection: Arc<dyn Login> = Arc::<SocketLogin>::clone(&self.login);
        let identity = || self.login.identity();
        let limits = &self.server.app.services.limits;
        if let Err(error) = limits.count_message(Some(&connection), self.address, identity) {
            return reply.at_once(&error, &self.server.peers);
        }
        if reply.ack_id.is_some() || !Gesture::is_done(text, &self.login) {
            let (text, attachments) = (text.into(), Vec::new());
            self.push(
                this,
                Waiting {
                    text,
                    attachments,
                    reply,
                },
            );
        }
    }

    /// Runs what waits and ends when nothing is left: an idle socket keeps no task.
    async fn drain(self: Arc<Self>) {
        let mut running = FuturesUnordered::new();
        loop {
            match self.pop(running.is_empty()) {
                Next::Call(waiting) => {
                    let turn = Turn::default();
                    running.push(self.answer(waiting, turn.clone()));
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

    async fn answer(&self, waiting: Waiting, turn: Turn) {
        let Waiting {
            text,
            attachments,
            reply,
        } = waiting;
        let budget = self.server.app.config.max_message as usize;
        // Who takes no answers gets no more of them made.
        while !self.server.peers.keeps_up(reply.socket.id, budget) && reply.socket.connected() {
            tokio::time::sleep(PAUSE).await;
        }
        let caller = self.caller();
        let outcome = self.run(&text, attachments, caller, turn.clone()).await;
        // Whatever kind of call it was, the next one may start now.
        turn.pass();
        let bytes = outcome.as_ref().map_or(0, Outgoing::size);
        self.server.peers.answered(reply.socket.id, bytes);
        when_there_is_room(&reply.socket, || reply.send(&outcome)).await;
    }

    fn caller(&self) -> Caller {
        // Who is told that the login is over hears nothing more.
        if self.login.has_ended() {
            let hub = &self.server.app.store.story().hub;
            hub.pause(|head| self.login.end(head));
        }
        Caller {
            identity: self.login.identity(),
            provider: Some("socketio"),
            headers: Arc::clone(&self.headers),
            connection: Some(Arc::<SocketLogin>::clone(&self.login)),
            login: None,
            address: self.address,
        }
    }

    async fn run(
        &self,
        text: &str,
        attachments: Vec<Bytes>,
        caller: Caller,
        turn: Turn,
    ) -> Result<Outgoing> {
        if self.server.app.stopping.is_cancelled() {
            return Err(Error::unavailable(
                "The daemon is stopping; nothing was stored",
            ));
        }
        if Gesture::is(text) {
            Gesture::read(text)?
                .perform(&self.server.app, &self.login)
                .await?;
            return Ok(Outgoing::Text(RawValue::NULL.to_owned()));
        }
        let request = Request::read(text)?;
        let (entry, mut call) = request.resolve(&self.server.app, caller, turn)?;
        if !attachments.is_empty() && !entry.takes_bytes() {
            return Err(Error::bad_request(
                "This service takes no binary attachments",
            ));
        }
        call.attachments = attachments;
        let reading = if call.method.reads() {
            self.reading.acquire().await.ok()
        } else {
            None
        };
        let answer = self
            .server
            .app
            .services
            .run(entry, call, &self.server.app.store)
            .await?;
        drop(reading);
        if !answer.attachments.is_empty() {
            return Ok(Outgoing::Bytes(answer));
        }
        let unwritable = |error| Error::general("The answer cannot be written").caused_by(error);
        to_raw_value(&answer.data)
            .map(Outgoing::Text)
            .map_err(unwritable)
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

/// An answer on its way.
enum Outgoing {
    /// Text alone, serialised once.
    Text(Box<RawValue>),
    /// With bytes in it.
    Bytes(Answer),
}

impl Outgoing {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.get().len(),
            Self::Bytes(answer) => answer.attachments.iter().map(Bytes::len).sum(),
        }
    }
}

impl Serialize for Outgoing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Bytes(answer) => attachments::fill(answer, serializer),
        }
    }
}

/// Where a call's answer goes; nowhere without an ack id.
struct Reply {
    socket: Socket,
    ack_id: Option<i64>,
}

impl Reply {
    /// Answers now, or ends the connection: a call without an answer would hang for ever.
    fn at_once(&self, error: &Error, peers: &Peers) {
        if is_full(&self.send(&Err(error.clone()))) {
            peers.cut_off(self.socket.id);
        }
    }

    /// Tries to answer.
    fn send(&self, outcome: &Result<Outgoing>) -> Result<(), SendError> {
        if self.ack_id.is_none() {
            return Ok(());
        }
        let mut nothing = Packet::Str("".into(), None);
        let Ok(ack) = AckSender::from_message_parts(&self.socket, &mut nothing, &self.ack_id);
        match outcome {
            Ok(answer) => ack.send(&((), answer)),
            Err(error) => ack.send(&[error]),
        }
    }
}
