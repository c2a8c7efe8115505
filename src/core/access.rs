//! Which boards are private and who is a member: what an event's audience is judged by.
//!
//! Changes come with the events that publish them and take effect before those are delivered.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use super::identity::{Identity, Role, User};

/// A change to who may see what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessChange {
    /// Only members see a board from now on.
    Private(String),
    /// Everybody sees a board from now on.
    Public(String),
    /// A board is gone; the log still speaks of it, to whom it spoke before.
    Gone(String),
    /// A user became a member of a board.
    Member {
        /// The board.
        board: String,
        /// The user.
        user: String,
    },
    /// A user may do something else than before.
    Role {
        /// The user.
        user: String,
        /// What, from now on; `None` if the user is gone.
        role: Option<Role>,
    },
    /// A user is no longer a member of a board.
    NoMember {
        /// The board.
        board: String,
        /// The user.
        user: String,
    },
}

impl AccessChange {
    /// Whether somebody who may be logged in is gone.
    pub const fn ends_logins(&self) -> bool {
        matches!(self, Self::Role { role: None, .. })
    }
}

/// Who may see which board. Boards that are gone stay: the log still speaks of them.
#[derive(Debug, Default)]
pub struct Access(RwLock<Boards>);

#[derive(Debug, Default)]
struct Boards {
    private: HashSet<String>,
    members: HashMap<String, HashSet<String>>,
    /// Users who changed while they may be logged in.
    roles: HashMap<String, Option<Role>>,
}

impl Access {
    /// Starts anew with these changes.
    pub fn replace(&self, changes: impl IntoIterator<Item = AccessChange>) {
        let mut boards = Boards {
            roles: std::mem::take(
                &mut self.0.write().unwrap_or_else(PoisonError::into_inner).roles,
            ),
            ..Boards::default()
        };
        for change in changes {
            boards.apply(&change);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = boards;
    }

    /// Applies changes.
    pub fn apply(&self, changes: &[AccessChange]) {
        if changes.is_empty() {
            return;
        }
        let mut boards = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            boards.apply(change);
        }
    }

    /// Who somebody is by now: a user's role may have changed since the login, or the user is gone.
    pub fn current(&self, identity: &Identity) -> Identity {
        let Identity::User(user) = identity else {
            return identity.clone();
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match known.roles.get(&user.id) {
            None => identity.clone(),
            Some(None) => Identity::Nobody,
            Some(Some(role)) => Identity::User(Arc::new(User {
                id: user.id.clone(),
                role: *role,
            })),
        }
    }

    /// Whether everybody who is let in sees one of these boards.
    pub fn is_public(&self, boards: &[String]) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        boards.iter().any(|board| !known.private.contains(board))
    }

    /// Whether somebody sees one of these boards.
    pub fn sees(&self, identity: &Identity, boards: &[String]) -> bool {
        if sees_all(identity) {
            return true;
        }
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_member = |board: &String| {
            let members = known.members.get(board);
            let user = identity.user_id();
            members
                .zip(user)
                .is_some_and(|(members, user)| members.contains(user))
        };
        boards
            .iter()
            .any(|board| !known.private.contains(board) || is_member(board))
    }
}

/// Whether somebody looks after the daemon and sees every board.
pub fn sees_all(identity: &Identity) -> bool {
    identity.role() >= Some(Role::Admin)
}

impl Boards {
    fn apply(&mut self, change: &AccessChange) {
        match change {
            AccessChange::Private(board) => drop(self.private.insert(board.clone())),
            AccessChange::Public(board) => drop(self.private.remove(board)),
            AccessChange::Gone(_) => {}
            AccessChange::Member { board, user } => {
                let members = self.members.entry(board.clone()).or_default();
                members.insert(user.clone());
            }
            AccessChange::Role { user, role } => drop(self.roles.insert(user.clone(), *role)),
            AccessChange::NoMember { board, user } => {
                if let Some(members) = self.members.get_mut(board) {
                    members.remove(user);
                }
            }
        }
    }
}
