//! Who is logged in on a socket, and what it therefore hears.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use socketioxide::socket::Sid;

use super::{
    resume::resume,
    rooms::{EVERYBODY, STAMPED, Socket},
    sockets::Server,
};
use crate::core::{
    identity::Identity,
    login::{LoggedIn, Login},
    stamp::Since,
};

/// A socket's login.
pub(super) struct SocketLogin {
    server: Arc<Server>,
    /// Which socket.
    pub(super) sid: Sid,
    /// Whether the client asked for stamps.
    pub(super) stamps: bool,
    /// Guards what changes with each login.
    state: Mutex<State>,
}

struct State {
    login: Option<LoggedIn>,
    /// Where the client wants to start, until somebody is there to whom it may be told.
    since: Option<Since>,
    /// Whether it is, or is about to be, in its rooms.
    hears: bool,
}

impl SocketLogin {
    /// The login of a socket that asked to start somewhere, or for no stamps.
    pub(super) fn new(
        server: &Arc<Server>,
        sid: Sid,
        since: Option<Since>,
        login: Option<LoggedIn>,
    ) -> Arc<Self> {
        let stamps = since.is_some();
        Arc::new(Self {
            server: Arc::clone(server),
            sid,
            stamps,
            state: Mutex::new(State {
                login,
                since,
                hears: false,
            }),
        })
    }

    /// Who calls are from, and who listens.
    pub(super) fn identity(&self) -> Identity {
        let access = self.server.app.store.story().hub.access();
        match self.login() {
            Some(login) => access.current(&login.identity),
            None => self.server.app.services.door.stranger(),
        }
    }

    /// Whether the login's time is over, or its user gone.
    pub(super) fn has_ended(&self) -> bool {
        let state = self.lock();
        let access = self.server.app.store.story().hub.access();
        let is_gone = |login: &LoggedIn| access.current(&login.identity) == Identity::Nobody;
        let login = state.login.as_ref();
        login.is_some_and(|login| !self.is_good(login) || is_gone(login))
    }

    /// Ends the login. Where one is required the client hears nothing more; else it is a stranger
    /// again, who hears everything.
    pub(super) fn end(&self) {
        if self.server.app.services.door.settings.required {
            self.log_out();
        } else {
            self.lock().login = None;
        }
    }

    /// Lets the client hear what it may: before CONNECT is answered, what comes from now on.
    pub(super) fn listen(self: &Arc<Self>, socket: &Socket, connected: bool) {
        let mut state = self.lock();
        if state.hears || matches!(self.identity_of(&state), Identity::Nobody) {
            return;
        }
        match state.since.take() {
            // What was missed is sent after CONNECT was answered.
            Some(since @ (Since::Start | Since::After(..))) if !connected => {
                state.since = Some(since);
                return;
            }
            Some(since @ (Since::Start | Since::After(..))) => {
                let (app, login) = (Arc::clone(&self.server.app), Arc::clone(self));
                self.server
                    .app
                    .tasks
                    .spawn(resume(app, socket.clone(), login, since));
            }
            _ => socket.join(if self.stamps { STAMPED } else { EVERYBODY }),
        }
        state.hears = true;
    }

    /// Whether the client is to be told what happens.
    pub(super) fn hears(&self) -> bool {
        self.lock().hears
    }

    /// Puts a client that has everything by now into its room, unless it logged out meanwhile.
    pub(super) fn join(&self, socket: &Socket) {
        let state = self.lock();
        if state.hears {
            socket.join(STAMPED);
        }
    }

    fn identity_of(&self, state: &State) -> Identity {
        match state.login.as_ref().filter(|login| self.is_good(login)) {
            Some(login) => login.identity.clone(),
            None => self.server.app.services.door.stranger(),
        }
    }

    fn is_good(&self, login: &LoggedIn) -> bool {
        let now = self.server.app.store.clock().now();
        login.ends.is_none_or(|ends| ends > now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Login for SocketLogin {
    fn login(&self) -> Option<LoggedIn> {
        let state = self.lock();
        state.login.clone().filter(|login| self.is_good(login))
    }

    fn log_in(self: Arc<Self>, login: LoggedIn) {
        self.lock().login = Some(login);
        if let Some(socket) = self.server.io.get_socket(self.sid) {
            self.listen(&socket, true);
        }
    }

    fn log_out(&self) {
        let mut state = self.lock();
        state.login = None;
        state.hears = false;
        if let Some(socket) = self.server.io.get_socket(self.sid) {
            socket.leave_all();
        }
    }
}

impl fmt::Debug for SocketLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket's login")
    }
}
