//! Socket.IO's rooms, on an adapter that knows which socket fell behind.
//!
//! socketioxide's own broadcast drops a packet for a socket whose queue is full without saying which
//! socket it was. This adapter keeps the library's rooms and sends to their sockets one by one, so
//! the answer to each send belongs to a socket (docs/decisions/0004).

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use socketioxide::{
    SendError, SocketError,
    adapter::Emitter,
    extract::SocketRef,
    socket::{Sid, Socket as IoSocket},
};
use socketioxide_core::{
    adapter::{
        BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, SocketEmitter,
        errors::BroadcastError,
    },
    packet::Packet,
};

use super::login::SocketLogin;
use crate::core::{
    access::Access,
    connection::Connection,
    event::{Event, View},
};

/// The adapter that this dialect's sockets use.
pub(super) type Adapter = Rooms<Emitter>;

/// A socket on that adapter.
pub(super) type Socket = SocketRef<Adapter>;

/// Every connected client.
pub(super) const EVERYBODY: &str = "everybody";

/// Those of them who get each event's stamp as a second argument.
pub(super) const STAMPED: &str = "everybody+stamps";

/// Rooms whose sockets are sent to one by one.
pub(super) struct Rooms<E> {
    local: CoreLocalAdapter<E>,
    peers: Arc<Peers>,
}

impl<E: SocketEmitter> CoreAdapter<E> for Rooms<E> {
    type Error = Infallible;
    type State = Arc<Peers>;
    type AckStream = E::AckStream;
    type InitRes = ();

    fn new(peers: &Arc<Peers>, local: CoreLocalAdapter<E>) -> Self {
        Self {
            local,
            peers: Arc::clone(peers),
        }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        on_success();
    }

    async fn broadcast(
        &self,
        packet: Packet,
        options: BroadcastOptions,
    ) -> Result<(), BroadcastError> {
        let only = self.peers.meant();
        let is_meant = |sid: &Sid| only.as_ref().is_none_or(|only| only.contains(sid));
        for sid in self.local.sockets(options).into_iter().filter(is_meant) {
            if let Err(errors) = self
                .local
                .broadcast(packet.clone(), BroadcastOptions::new(sid))
            {
                // A closed socket is on its way out by itself.
                if errors
                    .iter()
                    .any(|error| matches!(error, SocketError::InternalChannelFull))
                {
                    self.local.del_all(sid);
                    self.peers.cut_off(sid);
                }
            }
        }
        Ok(())
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        options: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, options, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<E> {
        &self.local
    }
}

impl<E> DefinedAdapter for Rooms<E> {}

/// The connections behind the sockets, so that one which fell behind can be ended or held back.
#[derive(Default)]
pub(super) struct Peers {
    /// Guards what is known of each socket.
    known: Mutex<Known>,
    /// Those whom the broadcast that is being made is for; everybody in its rooms if nobody is named.
    /// Written and read by who publishes.
    only: Mutex<Option<HashSet<Sid>>>,
    /// How many sockets get no stamps, and how many do.
    plain: AtomicUsize,
    stamped: AtomicUsize,
}

#[derive(Default)]
struct Known {
    peers: HashMap<Sid, Peer>,
    /// WebSockets of clients that moved to them before they connected to a namespace.
    early: HashMap<Sid, Connection>,
}

struct Peer {
    /// The WebSocket; none while the client polls.
    connection: Option<Connection>,
    /// Whether it gets stamps.
    stamps: bool,
    /// Cut off while polling: its next request is refused.
    refused: bool,
    /// Bytes of answers since the peer was last seen to take what there was.
    unsent: usize,
    login: Weak<SocketLogin>,
}

impl Peers {
    /// Notes a socket, its WebSocket if it has one, and whether it gets stamps.
    pub(super) fn add(&self, sid: Sid, connection: Option<Connection>, stamps: bool) {
        self.count(stamps).fetch_add(1, Ordering::Relaxed);
        let mut known = self.lock();
        let connection = connection.or_else(|| known.early.remove(&sid));
        let peer = Peer {
            connection,
            stamps,
            refused: false,
            unsent: 0,
            login: Weak::new(),
        };
        known.peers.insert(sid, peer);
    }

    /// Notes where a socket's login is.
    pub(super) fn knows(&self, sid: Sid, login: &Arc<SocketLogin>) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.login = Arc::downgrade(login);
        }
    }

    /// Ends the logins whose time is over, or whose user is gone.
    pub(super) fn end_logins(&self) {
        for login in self.logins() {
            if login.has_ended() {
                login.end();
            }
        }
    }

    /// Every socket's login.
    fn logins(&self) -> Vec<Arc<SocketLogin>> {
        let known = self.lock();
        let logins = known.peers.values().map(|peer| peer.login.upgrade());
        logins.flatten().collect()
    }

    /// The sockets that get each form of an event.
    pub(super) fn by_view<'e>(
        &self,
        event: &'e Event,
        access: &Access,
    ) -> Vec<(&'e View, HashSet<Sid>)> {
        let mut views: Vec<_> = event
            .views
            .iter()
            .map(|view| (view, HashSet::new()))
            .collect();
        for login in self.logins() {
            let identity = login.identity();
            let mut views = views.iter_mut();
            if let Some((_, sids)) = views.find(|(view, _)| view.audience.admits(&identity, access))
            {
                sids.insert(login.sid);
            }
        }
        views
    }

    /// Says whom the next broadcasts are for.
    pub(super) fn only(&self, sids: Option<HashSet<Sid>>) {
        *self.meant() = sids;
    }

    fn meant(&self) -> MutexGuard<'_, Option<HashSet<Sid>>> {
        self.only.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody listens with stamps, or without.
    pub(super) fn anybody(&self, stamps: bool) -> bool {
        self.count(stamps).load(Ordering::Relaxed) > 0
    }

    /// Notes that a polling client moves to a WebSocket, maybe before it is added.
    pub(super) fn upgraded(&self, sid: Sid, connection: Connection) {
        let mut known = self.lock();
        if let Some(peer) = known.peers.get_mut(&sid) {
            peer.connection = Some(connection);
        } else {
            known.early.retain(|_, connection| !connection.closed());
            known.early.insert(sid, connection);
        }
    }

    /// Notes that a polling client fetches what there is for it; whether the socket was cut off.
    pub(super) fn polled(&self, sid: Sid) -> bool {
        self.lock().peers.get_mut(&sid).is_some_and(|peer| {
            peer.unsent = 0;
            peer.refused
        })
    }

    /// Notes an answer on its way.
    pub(super) fn answered(&self, sid: Sid, bytes: usize) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.unsent += bytes;
        }
    }

    /// Whether a socket takes its answers: another call of it may start.
    pub(super) fn keeps_up(&self, sid: Sid, budget: usize) -> bool {
        let mut known = self.lock();
        let Some(peer) = known.peers.get_mut(&sid) else {
            return true;
        };
        if peer.unsent > budget
            && peer
                .connection
                .as_ref()
                .is_some_and(Connection::takes_bytes)
        {
            peer.unsent = 0;
        }
        peer.unsent <= budget
    }

    /// Ends a socket that fell behind: its WebSocket now, its polling at the next request.
    pub(super) fn cut_off(&self, sid: Sid) {
        metrics::counter!("roost_socketio_overflows_total").increment(1);
        tracing::info!(%sid, "cut off a Socket.IO client that fell behind");
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.refused = true;
            if let Some(connection) = &peer.connection {
                connection.abort();
            }
        }
    }

    /// Forgets a socket that is gone.
    pub(super) fn remove(&self, sid: Sid) {
        if let Some(peer) = self.lock().peers.remove(&sid) {
            self.count(peer.stamps).fetch_sub(1, Ordering::Relaxed);
        }
    }

    const fn count(&self, stamps: bool) -> &AtomicUsize {
        if stamps { &self.stamped } else { &self.plain }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time between looks at a socket that takes nothing.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Tries again as long as the socket's queue is full: nothing is dropped while it is connected.
pub(super) async fn when_there_is_room(
    socket: &IoSocket<Adapter>,
    mut send: impl FnMut() -> Result<(), SendError>,
) {
    while is_full(&send()) && socket.connected() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a packet was refused because the socket's queue is full.
pub(super) const fn is_full(sent: &Result<(), SendError>) -> bool {
    matches!(
        sent,
        Err(SendError::Socket(SocketError::InternalChannelFull))
    )
}
