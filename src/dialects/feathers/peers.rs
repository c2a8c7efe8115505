//! The connections behind the sockets: who they are, and how one that fell behind is ended.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use socketioxide::socket::Sid;

use super::{
    super::task_streams::WATCHED,
    backlog::{Backlog, on_the_wire},
    login::SocketLogin,
    rooms::Broadcast,
};
use crate::core::{
    access::Access,
    connection::Connection,
    event::{Delta, View},
    queue::{Overflow, count_overflow},
    scope::Audience,
};

/// The connections behind the sockets, so that one which fell behind can be ended or held back.
#[derive(Default)]
pub(super) struct Peers {
    /// Guards what is known of each socket.
    known: Mutex<Known>,
    /// The sockets' adapter, once there is one.
    rooms: OnceLock<Weak<dyn Broadcast>>,
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

impl Known {
    /// What is known of a socket, which may be on this WebSocket.
    fn peer(&mut self, sid: Sid, connection: Option<Connection>) -> &mut Peer {
        let early = &mut self.early;
        let new = || Peer::new(connection.or_else(|| early.remove(&sid)));
        self.peers.entry(sid).or_insert_with(new)
    }

    /// Forgets a socket that is connected to no namespace, but not on which WebSocket it still may be.
    fn forget(&mut self, sid: Sid) {
        if let Entry::Occupied(peer) = self.peers.entry(sid)
            && peer.get().login.is_none()
            && peer.get().streams == 0
        {
            let connection = peer.remove().connection;
            let open = connection.filter(|connection| !connection.closed());
            self.early.extend(open.map(|connection| (sid, connection)));
        }
    }
}

struct Peer {
    /// The WebSocket; none while the client polls.
    connection: Option<Connection>,
    /// Cut off while polling: its next request is refused.
    refused: bool,
    /// Bytes of answers since the peer was last seen to take what there was.
    unsent: usize,
    /// The deltas that may wait for it.
    backlog: Backlog,
    /// What it lacks deltas of: it is given no more of them.
    lacks: Vec<Arc<str>>,
    /// It may lack deltas of whatever began up to this.
    lacks_until: Option<Arc<str>>,
    /// Who is logged in at the root namespace; none while it is not connected there.
    login: Option<Arc<SocketLogin>>,
    /// How many tasks' namespaces it is connected to.
    streams: usize,
    /// Whether the library did not know it at the root when it was asked last.
    missing: bool,
}

/// Deltas that may wait for a peer: the rest of its queue is left to what must not be lost.
const DELTAS: usize = 1_024;

/// Chunks of tasks' streams that may wait for a peer, and about how many bytes of them: the rest of its queue
/// is left to who cannot wait.
const CHUNKS: usize = 256;
const CHUNK_BYTES: usize = 1 << 20;

/// Growing things that a peer may lack deltas of, each known by its id. Their ids sort by their making: of
/// more, the oldest are known by the newest among them, and with it whatever is older.
const LACKS: usize = 64;

/// Bytes of a delta's name and payload as a JSON list: `["messages streaming:chunk",{…}]`.
fn list_bytes(delta: &Delta) -> usize {
    delta.source.len() + delta.name.len() + delta.data.get().len() + r#"[" ",]"#.len()
}

impl Peer {
    fn new(connection: Option<Connection>) -> Self {
        let mut backlog = Backlog::default();
        backlog.clear(connection.as_ref().map_or(0, Connection::taken));
        Self {
            connection,
            refused: false,
            unsent: 0,
            backlog,
            lacks: Vec::new(),
            lacks_until: None,
            login: None,
            streams: 0,
            missing: false,
        }
    }

    /// How many deltas and chunks wait for it.
    fn waiting(&mut self) -> usize {
        match &self.connection {
            Some(connection) => self.backlog.look(connection),
            None => self.backlog.len(),
        }
    }

    /// Whether it is given a delta.
    fn takes(&mut self, delta: &Delta) -> bool {
        if let Some(place) = self.lacks.iter().position(|of| *of == delta.of) {
            if delta.is_last {
                self.lacks.swap_remove(place);
            }
            return false;
        }
        if self.lacks_until.as_ref() >= Some(&delta.of) {
            return false;
        }
        let has_room = self.waiting() < DELTAS;
        if has_room {
            self.backlog.delta(on_the_wire(list_bytes(delta)));
        } else {
            self.lack(delta);
        }
        has_room
    }

    fn lack(&mut self, delta: &Delta) {
        count_overflow("socketio", "drop_deltas");
        if delta.is_last {
            return;
        }
        self.lacks.push(Arc::clone(&delta.of));
        if self.lacks.len() > LACKS {
            self.lacks.sort_unstable_by(|one, other| other.cmp(one));
            self.lacks_until = self.lacks.pop().max(self.lacks_until.take());
        }
    }
}

impl Peers {
    /// Notes a socket's login, and its WebSocket if it has one.
    pub(super) fn add(&self, login: Arc<SocketLogin>, connection: Option<Connection>) {
        self.count(login.stamps).fetch_add(1, Ordering::Relaxed);
        let mut known = self.lock();
        let peer = known.peer(login.sid, connection);
        peer.missing = false;
        peer.login = Some(login);
    }

    /// Notes that a socket connects to a task's namespace; whether it may connect to one more.
    pub(super) fn enter_stream(&self, sid: Sid, connection: Option<Connection>) -> bool {
        let mut known = self.lock();
        let peer = known.peer(sid, connection);
        let may = peer.streams < WATCHED;
        peer.streams += usize::from(may);
        may
    }

    /// Notes that it left one.
    pub(super) fn leave_stream(&self, sid: Sid) {
        let mut known = self.lock();
        if let Some(peer) = known.peers.get_mut(&sid) {
            peer.streams -= 1;
            known.forget(sid);
        }
    }

    /// Whether a socket has room for another chunk of a stream: more wait until those before were taken.
    pub(super) fn has_room(&self, sid: Sid) -> bool {
        self.lock().peers.get_mut(&sid).is_none_or(|peer| {
            let waiting = peer.waiting();
            waiting == 0 || waiting < CHUNKS && peer.backlog.bytes() < CHUNK_BYTES
        })
    }

    /// Notes a chunk on its way to a socket, in a list of so many bytes.
    pub(super) fn streamed(&self, sid: Sid, list: usize) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.backlog.delta(on_the_wire(list));
        }
    }

    /// A socket's login, as long as it is connected.
    pub(super) fn login(&self, sid: Sid) -> Option<Arc<SocketLogin>> {
        let known = self.lock();
        known.peers.get(&sid)?.login.clone()
    }

    /// The logins whose time is over, or whose user is gone.
    pub(super) fn ended(&self) -> Vec<Arc<SocketLogin>> {
        let mut logins = self.logins();
        logins.retain(|login| login.has_ended());
        logins
    }

    /// Forgets the sockets that are not there now and were not the last time; returns their logins. One
    /// that closes while it is let in says no goodbye.
    pub(super) fn strays(&self, is_there: impl Fn(Sid) -> bool) -> Vec<Arc<SocketLogin>> {
        let mut known = self.lock();
        known.early.retain(|_, connection| !connection.closed());
        let mut strays = Vec::new();
        let at_root = known.peers.iter_mut();
        for (sid, peer) in at_root.filter(|(_, peer)| peer.login.is_some()) {
            let is_missing = !is_there(*sid);
            if is_missing && peer.missing {
                strays.push(*sid);
            }
            peer.missing = is_missing;
        }
        drop(known);
        strays
            .into_iter()
            .filter_map(|sid| self.remove(sid))
            .collect()
    }

    /// Every socket's login.
    fn logins(&self) -> Vec<Arc<SocketLogin>> {
        let known = self.lock();
        let logins = known.peers.values().filter_map(|peer| peer.login.clone());
        logins.collect()
    }

    /// The sockets that get each form of an event: a socket gets the first that is for who listens.
    pub(super) fn by_view(&self, views: &[View], access: &Access) -> Vec<HashSet<Sid>> {
        let mut forms = vec![HashSet::new(); views.len()];
        for login in self.logins() {
            let identity = login.listener();
            let admits = |view: &View| view.audience.admits(&identity, access);
            if let Some(form) = views.iter().position(admits) {
                forms[form].insert(login.sid);
            }
        }
        forms
    }

    /// The sockets of whom an audience admits.
    pub(super) fn admitted(&self, audience: &Audience, access: &Access) -> HashSet<Sid> {
        let mut logins = self.logins();
        logins.retain(|login| audience.admits(&login.listener(), access));
        logins.iter().map(|login| login.sid).collect()
    }

    /// Keeps the sockets that are given a delta: those that take what they are sent, and lack nothing
    /// of what it is a part of.
    pub(super) fn leave_out_slow(&self, sockets: &mut Vec<Sid>, delta: &Delta) {
        let mut known = self.lock();
        sockets.retain(|sid| {
            known
                .peers
                .get_mut(sid)
                .is_some_and(|peer| peer.takes(delta))
        });
    }

    /// Notes that a socket was not given a delta.
    pub(super) fn lacks(&self, sid: Sid, delta: &Delta) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.lack(delta);
        }
    }

    /// Says which rooms the sockets join.
    pub(super) fn are_in<B: Broadcast + 'static>(&self, rooms: &Arc<B>) {
        let weak = Arc::downgrade(rooms);
        self.rooms.get_or_init(|| weak);
    }

    /// The sockets' rooms; `None` before the daemon serves, and at its end.
    pub(super) fn rooms(&self) -> Option<Arc<dyn Broadcast>> {
        self.rooms.get()?.upgrade()
    }

    /// Whether anybody listens with stamps, or without.
    pub(super) fn anybody(&self, stamps: bool) -> bool {
        self.count(stamps).load(Ordering::Relaxed) > 0
    }

    /// Notes that a polling client moves to a WebSocket, maybe before it is added.
    pub(super) fn upgraded(&self, sid: Sid, connection: Connection) {
        let mut known = self.lock();
        if let Some(peer) = known.peers.get_mut(&sid) {
            peer.backlog.clear(connection.taken());
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
            let taken = peer.connection.as_ref().map_or(0, Connection::taken);
            peer.backlog.clear(taken);
            peer.refused
        })
    }

    /// Notes an answer on its way.
    pub(super) fn answered(&self, sid: Sid, bytes: usize) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.unsent += bytes;
            peer.backlog.other(bytes);
        }
    }

    /// Notes events on their way to sockets, so many bytes to each.
    pub(super) fn sent(&self, sockets: &[Sid], bytes: usize) {
        let mut known = self.lock();
        for sid in sockets {
            if let Some(peer) = known.peers.get_mut(sid) {
                peer.backlog.other(bytes);
            }
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

    /// Ends a socket that fell behind.
    pub(super) fn cut_off(&self, sid: Sid) {
        Overflow::CutOff.count("socketio");
        tracing::info!(%sid, "cut off a Socket.IO client that fell behind");
        self.end(sid);
    }

    /// Ends a socket, its WebSocket now, its polling at the next request: its client comes back, as it
    /// would not after a goodbye.
    pub(super) fn end(&self, sid: Sid) {
        if let Some(peer) = self.lock().peers.get_mut(&sid) {
            peer.refused = true;
            if let Some(connection) = &peer.connection {
                connection.abort();
            }
        }
    }

    /// Forgets a socket that left the root namespace; returns its login.
    pub(super) fn remove(&self, sid: Sid) -> Option<Arc<SocketLogin>> {
        let mut known = self.lock();
        let login = known.peers.get_mut(&sid)?.login.take()?;
        known.forget(sid);
        drop(known);
        self.count(login.stamps).fetch_sub(1, Ordering::Relaxed);
        Some(login)
    }

    const fn count(&self, stamps: bool) -> &AtomicUsize {
        if stamps { &self.stamped } else { &self.plain }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
