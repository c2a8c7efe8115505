//! Who is on which board, so that what concerns a board finds its sockets without asking all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use serde_json::Number;
use socketioxide::socket::Sid;

use super::{login::SocketLogin, outbox::Outbox};
use crate::core::access::AccessChange;

/// Sockets by board.
#[derive(Default)]
pub(super) struct Crowd {
    /// What they are told of each other.
    pub(super) outbox: Arc<Outbox>,
    /// Guards the index. Nothing else is locked meanwhile.
    index: Mutex<Index>,
}

type Sockets = HashMap<Sid, Weak<SocketLogin>>;

#[derive(Default)]
struct Index {
    boards: HashMap<Arc<str>, Sockets>,
    /// Those that never were on a board: they hear of all.
    anywhere: Sockets,
    /// Who shows a cursor on which board.
    cursors: HashMap<(Arc<str>, Arc<str>), Shown>,
}

/// A user's cursors on a board.
#[derive(Default)]
struct Shown {
    /// How many sockets show one.
    sockets: usize,
    /// When the newest of those that are gone moved last, by its client's clock.
    gone: Option<Number>,
}

impl Crowd {
    /// A socket is on no board yet.
    pub(super) fn arrive(&self, sid: Sid, login: Weak<SocketLogin>) {
        self.lock().anywhere.insert(sid, login);
    }

    /// A socket is on a board.
    pub(super) fn enter(&self, board: &Arc<str>, sid: Sid, login: Weak<SocketLogin>) {
        let mut index = self.lock();
        index.anywhere.remove(&sid);
        let sockets = index.boards.entry(Arc::clone(board)).or_default();
        sockets.insert(sid, login);
    }

    /// A socket is not on a board any more.
    pub(super) fn exit(&self, board: &Arc<str>, sid: Sid) {
        let mut index = self.lock();
        if let Some(sockets) = index.boards.get_mut(board) {
            sockets.remove(&sid);
            if sockets.is_empty() {
                index.boards.remove(board);
            }
        }
    }

    /// A socket hears nothing any more; it is on no board.
    pub(super) fn depart(&self, sid: Sid) {
        self.lock().anywhere.remove(&sid);
    }

    /// A socket shows somebody's cursor on a board.
    pub(super) fn cursor_came(&self, board: &Arc<str>, user: &Arc<str>) {
        let key = (Arc::clone(board), Arc::clone(user));
        self.lock().cursors.entry(key).or_default().sockets += 1;
    }

    /// A socket, whose cursor moved last at `moved`, does not show it any more. If it was the last,
    /// when the user's cursor moved last, by any of their clocks.
    pub(super) fn cursor_went(
        &self,
        board: &Arc<str>,
        user: &Arc<str>,
        moved: &Number,
    ) -> Option<Number> {
        let key = (Arc::clone(board), Arc::clone(user));
        let mut index = self.lock();
        let mut shown = index.cursors.remove(&key).unwrap_or_default();
        let is_newest = shown
            .gone
            .as_ref()
            .is_none_or(|gone| gone.as_f64() < moved.as_f64());
        if is_newest {
            shown.gone = Some(moved.clone());
        }
        if shown.sockets <= 1 {
            return shown.gone;
        }
        shown.sockets -= 1;
        index.cursors.insert(key, shown);
        None
    }

    /// Whether any other socket watches what happens on a board.
    pub(super) fn watches(&self, board: &str, sid: Sid) -> bool {
        let index = self.lock();
        let others = index
            .boards
            .get(board)
            .is_some_and(|sockets| sockets.len() > usize::from(sockets.contains_key(&sid)));
        others || index.anywhere.len() > usize::from(index.anywhere.contains_key(&sid))
    }

    /// Whether any socket is on a board.
    pub(super) fn is_anybody_on(&self, board: &str) -> bool {
        self.lock().boards.contains_key(board)
    }

    /// The sockets on a board.
    pub(super) fn on(&self, board: &str) -> Vec<Arc<SocketLogin>> {
        let index = self.lock();
        let sockets = index
            .boards
            .get(board)
            .into_iter()
            .flat_map(HashMap::values);
        sockets.filter_map(Weak::upgrade).collect()
    }

    /// The sockets that never were on any.
    pub(super) fn anywhere(&self) -> Vec<Arc<SocketLogin>> {
        let index = self.lock();
        index.anywhere.values().filter_map(Weak::upgrade).collect()
    }

    /// Takes from boards whoever may not see them any more.
    pub(super) fn apply(&self, changes: &[AccessChange]) {
        for change in changes {
            match change {
                AccessChange::Gone(board) => {
                    for login in self.on(board) {
                        login.leave_board(board);
                    }
                }
                AccessChange::Private(board) | AccessChange::NoMember { board, .. } => {
                    for login in self.on(board) {
                        login.leave_hidden(board);
                    }
                }
                AccessChange::Role { user, .. } => self.recheck(user),
                // Who came in with a key that is gone is logged out.
                AccessChange::Public(_)
                | AccessChange::Member { .. }
                | AccessChange::NoKey(_)
                | AccessChange::NoAgent(_) => {}
            }
        }
    }

    /// Looks at all boards that somebody is on.
    fn recheck(&self, user: &str) {
        let boards: Vec<_> = self.lock().boards.keys().cloned().collect();
        for board in boards {
            for login in self.on(&board) {
                if login.is(user) {
                    login.leave_hidden(&board);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
