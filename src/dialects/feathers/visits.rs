//! The boards that a socket is on: what it shows there, and what it therefore hears.
//!
//! A socket is on a board that it views (`presence`), points at (`cursor-move`), read (`get`) or named
//! at the handshake, until the last of these reasons is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Number;

use super::{
    events::stream_room,
    login::{SocketLogin, State},
    outbox::Cursor,
    rooms::{EVERYBODY, STAMPED, Socket},
};
use crate::core::{Record, event::Event, presence::Stay, viewer::Viewer};

/// Sessions whose deltas a socket may ask for.
const STREAMS: usize = 1_000;

/// The boards that a socket is on.
#[derive(Default)]
pub(super) struct Visits {
    boards: BTreeMap<Arc<str>, Visit>,
    /// Whether it ever was on one.
    begun: bool,
    /// Under what name it shows itself.
    name: Arc<str>,
    /// The sessions whose deltas it asked for.
    streams: BTreeSet<String>,
}

/// Why a socket is on a board.
#[derive(Default)]
struct Visit {
    /// What it shows who views the board.
    stay: Option<Stay>,
    /// When its cursor moved last, while it is there.
    moved: Option<Number>,
    /// It read the board, or named it at the handshake.
    read: bool,
}

impl Visit {
    const fn is_over(&self) -> bool {
        self.stay.is_none() && self.moved.is_none() && !self.read
    }
}

impl SocketLogin {
    /// Begins with the boards that the handshake named. The socket joins its rooms later.
    pub(super) fn arrive(&self, state: &mut State) {
        self.server.crowd.arrive(self.sid, self.me.clone());
        for board in &self.wishes.boards {
            let board = Arc::from(board.as_str());
            self.server.crowd.enter(&board, self.sid, self.me.clone());
            state.visits.boards.entry(board).or_default().read = true;
            state.visits.begun = true;
        }
    }

    /// Leaves all boards, as if it had never been on one.
    pub(super) fn depart(&self, state: &mut State) {
        for (board, visit) in std::mem::take(&mut state.visits.boards) {
            self.finish(&board, visit, &state.visits.name);
        }
        state.visits.begun = false;
        state.visits.streams.clear();
        self.server.crowd.depart(self.sid);
    }

    /// Shows itself nowhere any more: who shows something under a name must be who has it.
    pub(super) fn hide(&self, state: &mut State) {
        let boards: Vec<_> = state.visits.boards.keys().cloned().collect();
        for board in boards {
            self.without(state, &board, |visit| {
                visit.stay = None;
                visit.moved = None;
            });
        }
    }

    /// Joins the rooms of what it hears.
    pub(super) fn join_rooms(&self, socket: &Socket, state: &State) {
        let streams = state.visits.streams.iter();
        socket.join(streams.map(|id| stream_room(id)).collect::<Vec<_>>());
        if self.is_scoped(state) {
            let boards = state.visits.boards.keys();
            socket.join(boards.map(|board| self.room(board)).collect::<Vec<_>>());
        } else {
            socket.join(common_room(self.stamps));
        }
    }

    /// Whether an event is one of those that the client wants: of its boards, once it is on one.
    pub(super) fn wants(&self, event: &Event, state: &State) -> bool {
        let boards = &state.visits.boards;
        !self.is_scoped(state) || event.topics_of("board").any(|id| boards.contains_key(id))
    }

    /// Whether it views a board.
    pub(super) fn views(&self, board: &str) -> bool {
        let state = self.lock();
        let visit = state.visits.boards.get(board);
        visit.is_some_and(|visit| visit.stay.is_some())
    }

    /// Leaves a board that whoever is there may not see any more.
    pub(super) fn leave_hidden(&self, board: &str) {
        let mut state = self.lock();
        if !self.sees(&state, board) {
            self.leave(&mut state, board);
        }
    }

    /// Leaves a board; whether it was there.
    pub(super) fn leave_board(&self, board: &str) -> bool {
        self.leave(&mut self.lock(), board)
    }

    /// Moves the cursor on a board where it is; whether it is there.
    pub(super) fn move_cursor(&self, board: &str, x: &Number, y: &Number, at: &Number) -> bool {
        let mut state = self.lock();
        if self.name_of(&state).as_deref() != Some(&*state.visits.name) {
            return false;
        }
        let State { visits, .. } = &mut *state;
        let Some((board, _)) = visits.boards.get_key_value(board) else {
            return false;
        };
        let board = Arc::clone(board);
        match visits.boards.get_mut(&board) {
            Some(Visit {
                moved: Some(moved), ..
            }) => moved.clone_from(at),
            _ => return false,
        }
        if self.server.crowd.watches(&board, self.sid) {
            let cursor = Cursor {
                from: self.sid,
                place: Some((x.clone(), y.clone())),
                timestamp: at.clone(),
            };
            self.server.crowd.outbox.put(&board, &visits.name, cursor);
        }
        true
    }

    /// Brings the cursor to a board; whether that is allowed. What is older than the cursor is
    /// forgotten.
    pub(super) fn bring_cursor(&self, board: &str, x: &Number, y: &Number, at: &Number) -> bool {
        let mut is_newest = true;
        let allowed = self.visit(board, |visit, board, name| match &visit.moved {
            Some(moved) => is_newest = moved.as_f64() <= at.as_f64(),
            None => {
                self.server.crowd.cursor_came(board, name);
                visit.moved = Some(at.clone());
            }
        });
        if allowed && is_newest {
            self.move_cursor(board, x, y, at);
        }
        allowed
    }

    /// Takes the cursor from a board; whether it was there.
    pub(super) fn take_cursor(&self, board: &str) -> bool {
        self.without(&mut self.lock(), board, |visit| visit.moved = None)
    }

    /// Is on a board for a reason; whether whoever is there may.
    fn visit(&self, board: &str, reason: impl FnOnce(&mut Visit, &Arc<str>, &Arc<str>)) -> bool {
        if !self.wishes.scoped {
            return self.enter(board, reason);
        }
        // It changes rooms: no event may find it in both, or in neither.
        let hub = &self.server.app.store.story().hub;
        hub.pause(|_| self.enter(board, reason))
    }

    fn enter(&self, board: &str, reason: impl FnOnce(&mut Visit, &Arc<str>, &Arc<str>)) -> bool {
        let mut state = self.lock();
        let Some(name) = self.name_of(&state).filter(|_| state.hears) else {
            return false;
        };
        if *state.visits.name != *name {
            self.hide(&mut state);
            state.visits.name = name.into();
        }
        let board: Arc<str> = board.into();
        let was_scoped = self.is_scoped(&state);
        let is_new = !state.visits.boards.contains_key(&board);
        self.server.crowd.enter(&board, self.sid, self.me.clone());
        // Looked up after that: whoever takes the right away meanwhile finds the socket there.
        if !self.sees(&state, &board) {
            self.leave(&mut state, &board);
            self.server.crowd.exit(&board, self.sid);
            if !state.visits.begun {
                self.server.crowd.arrive(self.sid, self.me.clone());
            }
            return false;
        }
        let State { visits, .. } = &mut *state;
        visits.begun = true;
        let visit = visits.boards.entry(Arc::clone(&board)).or_default();
        reason(visit, &board, &visits.name);
        if is_new && state.live && self.is_scoped(&state) {
            self.with_socket(|socket| {
                socket.join(self.room(&board));
                if !was_scoped {
                    socket.leave(common_room(self.stamps));
                }
            });
        }
        true
    }

    /// Takes reasons to be on a board away; whether that changed anything.
    fn without(&self, state: &mut State, board: &str, change: impl FnOnce(&mut Visit)) -> bool {
        let Some((board, mut visit)) = state.visits.boards.remove_entry(board) else {
            return false;
        };
        let was = (visit.stay.is_some(), visit.moved.is_some());
        let moved = visit.moved.clone();
        change(&mut visit);
        let is = (visit.stay.is_some(), visit.moved.is_some());
        if let (Some(moved), None) = (moved, &visit.moved) {
            self.cursor_left(&board, &state.visits.name, &moved);
        }
        if visit.is_over() {
            self.finish(&board, visit, &state.visits.name);
        } else {
            state.visits.boards.insert(board, visit);
        }
        was != is
    }

    fn leave(&self, state: &mut State, board: &str) -> bool {
        let Some((board, visit)) = state.visits.boards.remove_entry(board) else {
            return false;
        };
        self.finish(&board, visit, &state.visits.name);
        true
    }

    /// The end of a visit. What it showed goes with it.
    fn finish(&self, board: &Arc<str>, visit: Visit, name: &Arc<str>) {
        self.server.crowd.exit(board, self.sid);
        if let Some(moved) = &visit.moved {
            self.cursor_left(board, name, moved);
        }
        drop(visit);
        if self.wishes.scoped {
            self.with_socket(|socket| socket.leave(self.room(board)));
        }
    }

    /// Tells that a cursor left, unless the same user has another there.
    fn cursor_left(&self, board: &Arc<str>, name: &Arc<str>, moved: &Number) {
        let newest = self.server.crowd.cursor_went(board, name, moved);
        if let Some(moved) = newest.filter(|_| self.server.crowd.watches(board, self.sid)) {
            // Clients ignore what is older than what they know.
            let now = Number::from(self.now());
            let is_ahead = moved.as_f64() > now.as_f64();
            let cursor = Cursor {
                from: self.sid,
                place: None,
                timestamp: if is_ahead { moved } else { now },
            };
            self.server.crowd.outbox.put(board, name, cursor);
        }
    }

    const fn is_scoped(&self, state: &State) -> bool {
        self.wishes.scoped && state.visits.begun
    }

    fn room(&self, board: &str) -> String {
        board_room(board, self.stamps)
    }
}

/// The room of those who hear of everything.
pub(super) const fn common_room(stamps: bool) -> &'static str {
    if stamps { STAMPED } else { EVERYBODY }
}

/// The room of those who hear of their boards only and are on this one.
pub(super) fn board_room(board: &str, stamps: bool) -> String {
    let kind = if stamps { "board+stamps" } else { "board" };
    format!("{kind}-{board}")
}

impl Viewer for SocketLogin {
    fn name(&self) -> Option<String> {
        self.name_of(&self.lock())
    }

    fn look_at(&self, board: &str) -> bool {
        self.visit(board, |visit, _, _| visit.read = true)
    }

    fn show(&self, board: &str, data: Record) -> bool {
        self.visit(board, |visit, board, name| {
            let viewers = &self.server.app.services.viewers;
            let stay = visit
                .stay
                .get_or_insert_with(|| viewers.enter(Arc::clone(board)));
            stay.track(name, data);
        })
    }

    fn shown(&self, board: &str) -> Option<Record> {
        let state = self.lock();
        let stay = state.visits.boards.get(board)?.stay.as_ref()?;
        stay.tracked(&state.visits.name)
    }

    fn shows_on(&self) -> Vec<String> {
        let state = self.lock();
        let shown = state
            .visits
            .boards
            .iter()
            .filter(|(_, visit)| visit.stay.is_some());
        shown.map(|(board, _)| board.to_string()).collect()
    }

    fn leave(&self, board: &str) -> bool {
        self.leave_board(board)
    }

    fn follow(&self, session: &str) -> bool {
        let mut state = self.lock();
        let streams = &state.visits.streams;
        if !state.hears || streams.len() >= STREAMS && !streams.contains(session) {
            return false;
        }
        if state.visits.streams.insert(session.to_owned()) && state.live {
            self.with_socket(|socket| socket.join(stream_room(session)));
        }
        true
    }

    fn unfollow(&self, session: &str) -> bool {
        let followed = self.lock().visits.streams.remove(session);
        self.with_socket(|socket| socket.leave(stream_room(session)));
        followed
    }
}
