//! Which boards are private and who is a member: what an event's audience is judged by.
//!
//! Changes come with the events that publish them and take effect before those are delivered.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::sync::{Notify, futures::Notified};

use super::identity::{Agent, Identity, Key, Role, User};

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
    /// An API key is no longer good.
    NoKey(String),
    /// An agent is gone.
    NoAgent(String),
}

impl AccessChange {
    /// Whether it ends logins: somebody is gone, or a key is.
    pub const fn ends_logins(&self) -> bool {
        matches!(
            self,
            Self::Role { role: None, .. } | Self::NoKey(_) | Self::NoAgent(_)
        )
    }
}

/// Who may see which board. Boards that are gone stay: the log still speaks of them.
#[derive(Debug, Default)]
pub struct Access {
    /// Guards what is known between those who publish and those who look.
    known: RwLock<Known>,
    /// Told when logins end.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Known {
    private: HashSet<String>,
    members: HashMap<String, HashSet<String>>,
    logins: Logins,
}

/// What changed while somebody may be logged in.
#[derive(Debug, Default)]
struct Logins {
    /// Users.
    roles: HashMap<String, Option<Role>>,
    /// Keys that are no longer good.
    ended_keys: HashSet<String>,
    /// Agents that are gone.
    ended_agents: HashSet<String>,
}

impl Access {
    /// Starts anew with these changes.
    pub fn replace(&self, changes: impl IntoIterator<Item = AccessChange>) {
        let mut known = self.write();
        *known = Known {
            logins: std::mem::take(&mut known.logins),
            ..Known::default()
        };
        for change in changes {
            known.apply(&change);
        }
    }

    /// Applies changes.
    pub fn apply(&self, changes: &[AccessChange]) {
        if changes.is_empty() {
            return;
        }
        let mut known = self.write();
        for change in changes {
            known.apply(change);
        }
        drop(known);
        if changes.iter().any(AccessChange::ends_logins) {
            self.ended.notify_waiters();
        }
    }

    /// Done when logins end after it was made; whoever waits looks at its own then.
    pub fn logins_end(&self) -> Notified<'_> {
        self.ended.notified()
    }

    /// Who somebody is by now: a user's role may have changed since the login, or the user, or the
    /// key, is gone.
    pub fn current(&self, identity: &Identity) -> Identity {
        let user = match identity {
            Identity::User(user) => user,
            Identity::Agent(agent) if self.read().logins.have_ended(agent) => {
                return Identity::Nobody;
            }
            _ => return identity.clone(),
        };
        let known = self.read();
        let is_over = |key: &Key| known.logins.ended_keys.contains(&key.id);
        if user.key.as_ref().is_some_and(is_over) {
            return Identity::Nobody;
        }
        match known.logins.roles.get(&user.id) {
            None => identity.clone(),
            Some(None) => Identity::Nobody,
            Some(Some(role)) if *role == user.role => identity.clone(),
            Some(Some(role)) => Identity::User(Arc::new(User {
                id: user.id.clone(),
                role: *role,
                key: user.key.clone(),
            })),
        }
    }

    /// Whether everybody who is let in sees one of these boards.
    pub fn is_public(&self, boards: &[String]) -> bool {
        let known = self.read();
        boards.iter().any(|board| !known.private.contains(board))
    }

    /// Whether somebody sees one of these boards.
    pub fn sees(&self, identity: &Identity, boards: &[String]) -> bool {
        if sees_all(identity) {
            return true;
        }
        if identity.agent_id().is_some() {
            return false;
        }
        let known = self.read();
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

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody looks after the daemon and sees every board.
pub fn sees_all(identity: &Identity) -> bool {
    identity.role() >= Some(Role::Admin)
}

impl Logins {
    /// Whether an agent is gone, or its key, or the user whose agent it is.
    fn have_ended(&self, agent: &Agent) -> bool {
        let owner = agent.owner.as_ref().and_then(|user| self.roles.get(user));
        self.ended_keys.contains(&agent.key)
            || self.ended_agents.contains(&agent.id)
            || owner.is_some_and(Option::is_none)
    }
}

impl Known {
    fn apply(&mut self, change: &AccessChange) {
        match change {
            AccessChange::Private(board) => drop(self.private.insert(board.clone())),
            AccessChange::Public(board) => drop(self.private.remove(board)),
            AccessChange::Gone(_) => {}
            AccessChange::Member { board, user } => {
                let members = self.members.entry(board.clone()).or_default();
                members.insert(user.clone());
            }
            AccessChange::Role { user, role } => {
                self.logins.roles.insert(user.clone(), *role);
            }
            AccessChange::NoKey(key) => drop(self.logins.ended_keys.insert(key.clone())),
            AccessChange::NoAgent(agent) => {
                self.logins.ended_agents.insert(agent.clone());
            }
            AccessChange::NoMember { board, user } => {
                if let Some(members) = self.members.get_mut(board) {
                    members.remove(user);
                }
            }
        }
    }
}
