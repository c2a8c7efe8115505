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
            Self::Owner => "owner",
            Self::System => "system",
        }
    }

    /// What it may do; `None` if nothing.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Anonymous => Some(Role::Viewer),
            Self::User(user) => Some(user.role),
            Self::Owner | Self::System => Some(Role::Owner),
        }
    }

    /// The user's id, if it is a user.
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.id),
            _ => None,
        }
    }
}
