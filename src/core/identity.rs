//! Who calls and who listens.

use std::sync::Arc;

/// How much a user may do; each may do what those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees.
    Viewer,
    /// Works.
    Member,
    /// Looks after users and everything else.
    Admin,
    /// Makes admins.
    Owner,
}

impl Role {
    const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The role's word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Reads a role's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A user, as far as calls ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// What the user may do.
    pub role: Role,
    /// The API key with which the user came in, if with one.
    pub key: Option<Key>,
}

/// An agent that works for others, as far as calls ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The agent's id.
    pub id: String,
    /// The user whose agent it is, if anybody's.
    pub owner: Option<String>,
    /// The id of the API key with which it came in.
    pub key: String,
}

/// An API key that stands for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key's id.
    pub id: String,
    /// The most that it lets its user do.
    pub scope: KeyScope,
}

/// What an API key leaves of its user's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyScope {
    /// Reading.
    Read,
    /// What a member may do, but nothing that concerns logins: no users, no keys.
    Write,
    /// Everything.
    Admin,
}

impl KeyScope {
    /// Every scope, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The scope's word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// Reads a scope's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// The highest role that it leaves.
    const fn role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Write => Role::Member,
            Self::Admin => Role::Owner,
        }
    }
}

/// Who stands behind a call or a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Somebody who did not log in where that is required: sees nothing, does nothing.
    Nobody,
    /// Somebody without a name who was let in to look.
    Anonymous,
    /// A user.
    User(Arc<User>),
    /// An agent: sees its own work and what is addressed to it, nothing else.
    Agent(Arc<Agent>),
    /// The local owner: everybody who reaches an open daemon.
    Owner,
    /// The daemon itself.
    System,
}

impl Identity {
    /// The name that an event row keeps: a user's id, or what else it is.
    pub fn actor(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Anonymous => "anonymous",
            Self::User(user) => &user.id,
            Self::Agent(agent) => &agent.id,
            Self::Owner => "owner",
            Self::System => "system",
        }
    }

    /// What it may do; `None` if nothing.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            // Of an agent, each service says whether it may do more.
            Self::Anonymous | Self::Agent(_) => Some(Role::Viewer),
            Self::User(user) => {
                let most = user
                    .key
                    .as_ref()
                    .map_or(Role::Owner, |key| key.scope.role());
                Some(user.role.min(most))
            }
            Self::Owner | Self::System => Some(Role::Owner),
        }
    }

    /// The scope of the API key that it came in with; without one there is no limit but the role.
    pub fn scope(&self) -> KeyScope {
        match self {
            Self::User(user) => user.key.as_ref().map_or(KeyScope::Admin, |key| key.scope),
            _ => KeyScope::Admin,
        }
    }

    /// The user's id, if it is a user.
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.id),
            _ => None,
        }
    }

    /// The agent's id, if it is an agent.
    pub fn agent_id(&self) -> Option<&str> {
        match self {
            Self::Agent(agent) => Some(&agent.id),
            _ => None,
        }
    }

    /// The id that it is addressed by, if it has a name: a user's or an agent's.
    pub fn id(&self) -> Option<&str> {
        self.user_id().or_else(|| self.agent_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_away_and_never_adds() {
        let by = |role, scope| {
            let key = Some(Key {
                id: "k".to_owned(),
                scope,
            });
            let id = "u".to_owned();
            Identity::User(Arc::new(User { id, role, key })).role()
        };
        for (role, scope, left) in [
            (Role::Viewer, KeyScope::Admin, Role::Viewer),
            (Role::Member, KeyScope::Read, Role::Viewer),
            (Role::Owner, KeyScope::Write, Role::Member),
            (Role::Owner, KeyScope::Admin, Role::Owner),
        ] {
            assert_eq!(by(role, scope), Some(left), "{role:?} with {scope:?}");
        }
    }
}
