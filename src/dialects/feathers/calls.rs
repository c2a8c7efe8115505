//! One socket's calls: in arrival order, many under way at a time, each answered.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use socketioxide::{handler::MessageHandler, socket::Socket as IoSocket};
use socketioxide_core::Value as Packet;
use tokio::sync::Semaphore;

use super::{
    attachments,
    cursors::Gesture,
    line::{Answer as Answers, Line, Reply, Waiting},
    login::SocketLogin,
    request::Request,
    rest::headers,
    rooms::{Adapter, PAUSE},
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

/// Reads of one socket under way at a time: their answers may be large.
const READING: usize = 16;

type Socket = Arc<IoSocket<Adapter>>;

/// Takes a socket's calls. The handler only enqueues, so it runs where frames are read, in order.
pub(super) struct Calls {
    login: Arc<SocketLogin>,
    /// Where the client is.
    address: Option<IpAddr>,
    /// Made at the first call: most sockets only listen.
    line: OnceLock<Arc<Line<State>>>,
}

struct State {
    server: Arc<Server>,
    login: Arc<SocketLogin>,
    address: Option<IpAddr>,
    /// The handshake's.
    headers: Arc<Record>,
    reading: Semaphore,
}

impl Calls {
    /// What takes the calls of a socket with this login, and of a client at this address.
    pub(super) const fn new(login: Arc<SocketLogin>, address: Option<IpAddr>) -> Self {
        Self {
            login,
            address,
            line: OnceLock::new(),
        }
    }

    fn line(&self, socket: &Socket) -> &Arc<Line<State>> {
        self.line.get_or_init(|| {
            let server = &self.login.server;
            let state = State {
                server: Arc::clone(server),
                login: Arc::clone(&self.login),
                address: self.address,
                headers: Arc::new(headers(&socket.req_parts().headers)),
                reading: Semaphore::new(READING),
            };
            Arc::new(Line::new(server, state))
        })
    }
}

impl MessageHandler<Adapter, ()> for Calls {
    fn call(&self, socket: Socket, packet: Packet, ack_id: Option<i64>) {
        let line = self.line(&socket);
        let peers = &self.login.server.peers;
        let reply = Reply { socket, ack_id };
        let Packet::Str(text, attachments) = packet else {
            let refused = Error::bad_request("A call is text, with bytes beside it at most");
            return reply.at_once(&[refused], peers);
        };
        let is_gesture = Gesture::is(&text);
        if is_gesture && let Err(error) = line.answers.count() {
            return reply.at_once(&[error], peers);
        }
        // A cursor that is on its board already moves here, where frames are read. Whatever takes longer,
        // or wants an answer, waits among the calls.
        if is_gesture && reply.ack_id.is_none() && Gesture::is_done(&text, &self.login) {
            return;
        }
        let waiting = Waiting {
            text: text.as_str().into(),
            attachments: attachments.into_iter().flatten().collect(),
            reply,
        };
        if let Err(waiting) = line.push(waiting) {
            let refused = Error::too_many_requests(
                "Too many calls wait on this connection; wait for answers first",
            );
            waiting.reply.at_once(&[refused], peers);
        }
    }
}

impl Answers for State {
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
        match &outcome {
            Ok(answer) => reply.in_time(&((), answer)).await,
            Err(error) => reply.in_time(&[error]).await,
        }
    }
}

impl State {
    /// Counts a gesture.
    fn count(&self) -> Result<()> {
        let connection: Arc<dyn Login> = Arc::<SocketLogin>::clone(&self.login);
        let identity = || self.login.identity();
        let limits = &self.server.app.services.limits;
        limits.count_message(Some(&connection), self.address, identity)
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
