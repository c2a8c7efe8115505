//! Who is logged in on a socket, and whether it therefore hears anything.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use serde_json::value::RawValue;
use socketioxide::socket::Sid;

use super::{
    peers::Peers,
    resume::{Wishes, resume},
    rooms::{Socket, is_full},
    sockets::Server,
    visits::Visits,
};
use crate::core::{
    event::Event,
    identity::Identity,
    login::{LoggedIn, Login},
    stamp::{Seq, Since},
    viewer::Viewer,
};

/// A socket's login.
pub(super) struct SocketLogin {
    pub(super) server: Arc<Server>,
    /// Itself.
    pub(super) me: Weak<Self>,
    /// Which socket.
    pub(super) sid: Sid,
    /// What it is called while nobody's name is known.
    nickname: u32,
    /// Whether the client asked for stamps.
    pub(super) stamps: bool,
    pub(super) wishes: Wishes,
    /// Guards what changes with each login, and with each board that the socket is on. The crowd's
    /// index, the presence of viewers and their outbox may be locked meanwhile.
    state: Mutex<State>,
}

pub(super) struct State {
    login: Option<LoggedIn>,
    /// Where the client wants to start, or to go on, while it is not live.
    since: Option<Since>,
    /// How often it stopped hearing: what is sent for an earlier time must not be sent any more.
    stopped: u32,
    /// Whether it is, or is about to be, in its rooms.
    pub(super) hears: bool,
    /// Whether it is in its rooms.
    pub(super) live: bool,
    /// Whether the socket is closed.
    gone: bool,
    pub(super) visits: Visits,
}

impl SocketLogin {
    /// The login of a socket that wants to hear something.
    pub(super) fn new(
        server: &Arc<Server>,
        sid: Sid,
        mut wishes: Wishes,
        login: Option<LoggedIn>,
    ) -> Arc<Self> {
        let since = wishes.since.take();
        let id = server.app.store.clock().random_id();
        Arc::new_cyclic(|me| Self {
            server: Arc::clone(server),
            me: Weak::clone(me),
            sid,
            nickname: id.as_fields().0,
            stamps: since.is_some(),
            wishes,
            state: Mutex::new(State {
                login,
                since,
                stopped: 0,
                hears: false,
                live: false,
                gone: false,
                visits: Visits::default(),
            }),
        })
    }

    /// Who calls are from, and who listens.
    pub(super) fn identity(&self) -> Identity {
        self.identity_of(&self.lock())
    }

    /// Who listens. A login whose time is over hears until it is ended, so that its end has a place
    /// in the story.
    pub(super) fn listener(&self) -> Identity {
        self.listener_of(&self.lock())
    }

    /// Whether the login's time is over, or its user or key gone.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended_in(&self.lock())
    }

    fn has_ended_in(&self, state: &State) -> bool {
        let store = &self.server.app.store;
        let (now, access) = (store.clock().now(), store.story().hub.access());
        state
            .login
            .as_ref()
            .is_some_and(|login| login.has_ended(now, access))
    }

    /// Ends a login that has ended, while nothing is published after `place`; one that took its place
    /// meanwhile stays. Where one is required the client hears nothing more; else it is a stranger
    /// again, who hears everything.
    pub(super) fn end(&self, place: Seq) {
        let mut state = self.lock();
        if self.has_ended_in(&state) {
            self.become_stranger(&mut state, place);
        }
    }

    fn become_stranger(&self, state: &mut State, place: Seq) {
        if self.server.app.services.door.is_open() {
            self.hide(state);
            state.login = None;
        } else {
            self.stop(state, place);
        }
    }

    /// The socket is closed.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.hears = false;
        self.depart(&mut state);
    }

    /// Lets the client hear what it may: before CONNECT is answered, what comes from now on.
    pub(super) fn listen(self: &Arc<Self>, socket: &Socket, connected: bool) {
        let mut state = self.lock();
        let resumes = matches!(state.since, Some(Since::Start | Since::After(..)));
        // What was missed is sent after CONNECT was answered.
        let is_early = resumes && !connected;
        if state.hears || state.gone || is_early || self.name_of(&state).is_none() {
            return;
        }
        state.hears = true;
        self.arrive(&mut state);
        match state.since.clone().filter(|_| resumes) {
            Some(since) => {
                let hearing = Hearing {
                    login: Arc::clone(self),
                    stopped: state.stopped,
                };
                let app = Arc::clone(&self.server.app);
                let tasks = &self.server.app.tasks;
                tasks.spawn(resume(app, socket.clone(), hearing, since));
            }
            None => self.go_live(socket, &mut state),
        }
    }

    /// Whether the client is to be told what happens.
    pub(super) fn hears(&self) -> bool {
        self.lock().hears
    }

    /// Puts a client that has everything by now into its rooms.
    fn go_live(&self, socket: &Socket, state: &mut State) {
        state.live = true;
        state.since = None;
        self.join_rooms(socket, state);
    }

    /// Lets the client hear nothing more, while nothing is published after `place`. One with stamps
    /// goes on from there once somebody has logged in again.
    fn stop(&self, state: &mut State, place: Seq) {
        if state.live && self.stamps {
            let log = self.server.app.store.story().log.id();
            state.since = Some(Since::After(log, place));
        }
        state.login = None;
        state.hears = false;
        state.live = false;
        state.stopped += 1;
        self.depart(state);
        self.with_socket(|socket| socket.leave_all());
    }

    /// Whether a user is logged in.
    pub(super) fn is(&self, user: &str) -> bool {
        let state = self.lock();
        let login = state.login.as_ref();
        login.is_some_and(|login| login.identity.user_id() == Some(user))
    }

    /// Whether whoever is there may see a board.
    pub(super) fn sees(&self, state: &State, board: &str) -> bool {
        let identity = self.identity_of(state);
        let access = self.server.app.store.story().hub.access();
        identity != Identity::Nobody && access.sees(&identity, &[board.to_owned()])
    }

    /// By what name others see who is there.
    pub(super) fn name_of(&self, state: &State) -> Option<String> {
        match self.identity_of(state) {
            Identity::Nobody => None,
            Identity::User(user) => Some(user.id.clone()),
            _ => Some(format!("anonymous-{:08x}", self.nickname)),
        }
    }

    /// Sends what happens on a board, if whoever is there hears of it; whether there was no room for it,
    /// and the socket is out of its rooms.
    pub(super) fn is_full_after(&self, board: &str, name: &str, data: &RawValue) -> bool {
        // Nobody logs out between the look and the sending.
        let state = self.lock();
        if !(state.hears && self.sees(&state, board)) {
            return false;
        }
        let Some(socket) = self.socket() else {
            return false;
        };
        let is_full = is_full(&socket.emit(name, data));
        if is_full {
            socket.leave_all();
        }
        is_full
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.server.app.store.clock().now().millis()
    }

    /// The socket; none if it is closed, or all are.
    fn socket(&self) -> Option<Socket> {
        self.server.io.of("/")?.get_socket(self.sid)
    }

    /// Does something with the socket, if it is still there.
    pub(super) fn with_socket(&self, act: impl FnOnce(&Socket)) {
        if let Some(socket) = self.socket() {
            act(&socket);
        }
    }

    fn identity_of(&self, state: &State) -> Identity {
        let access = self.server.app.store.story().hub.access();
        match state.login.as_ref().filter(|login| self.is_good(login)) {
            Some(login) => access.current(&login.identity),
            None => self.server.app.services.door.stranger(),
        }
    }

    fn listener_of(&self, state: &State) -> Identity {
        match &state.login {
            Some(login) => login.identity.clone(),
            None => self.server.app.services.door.stranger(),
        }
    }

    fn is_good(&self, login: &LoggedIn) -> bool {
        let now = self.server.app.store.clock().now();
        login.ends.is_none_or(|ends| ends > now)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that is being sent what it missed, until it stops hearing.
pub(super) struct Hearing {
    login: Arc<SocketLogin>,
    /// How often it had stopped when this began.
    stopped: u32,
}

impl Hearing {
    /// Whether the client still is to be sent what it missed.
    pub(super) fn goes_on(&self) -> bool {
        self.state().is_some()
    }

    /// Hands over an event that the client may see and wants, and notes that it has it; nothing, if it
    /// stopped hearing.
    ///
    /// # Errors
    /// As `send`: then it does not have it.
    pub(super) fn hand<E>(
        &self,
        event: &Event,
        send: impl FnOnce(&RawValue) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(mut state) = self.state() else {
            return Ok(());
        };
        let identity = self.login.listener_of(&state);
        let access = self.login.server.app.store.story().hub.access();
        let view = event.view(&identity, access);
        if let Some(data) = view.filter(|_| self.login.wants(event, &state)) {
            send(data)?;
        }
        self.reach(event.seq, &mut state);
        Ok(())
    }

    /// Notes that the client has everything up to a place.
    pub(super) fn reached(&self, place: Seq) {
        if let Some(mut state) = self.state() {
            self.reach(place, &mut state);
        }
    }

    /// Where the connection behind the socket is known.
    pub(super) fn peers(&self) -> &Peers {
        &self.login.server.peers
    }

    /// Puts a client that has everything by now into its rooms.
    pub(super) fn ends(&self, socket: &Socket) {
        if let Some(mut state) = self.state() {
            self.login.go_live(socket, &mut state);
        }
    }

    fn reach(&self, place: Seq, state: &mut State) {
        let log = self.login.server.app.store.story().log.id();
        state.since = Some(Since::After(log, place));
    }

    fn state(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.login.lock();
        (state.hears && state.stopped == self.stopped).then_some(state)
    }
}

impl Login for SocketLogin {
    fn login(&self) -> Option<LoggedIn> {
        let state = self.lock();
        state.login.clone().filter(|login| self.is_good(login))
    }

    fn log_in(self: Arc<Self>, login: LoggedIn) {
        let mut state = self.lock();
        let name = self.name_of(&state);
        state.login = Some(login);
        if self.name_of(&state) != name {
            self.hide(&mut state);
        }
        drop(state);
        if let Some(socket) = self.socket() {
            self.listen(&socket, true);
        }
    }

    fn log_out(&self) {
        let hub = &self.server.app.store.story().hub;
        hub.pause(|head| self.become_stranger(&mut self.lock(), head));
    }

    fn viewer(&self) -> &dyn Viewer {
        self
    }
}

impl fmt::Debug for SocketLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket's login")
    }
}
