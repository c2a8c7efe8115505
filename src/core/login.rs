//! A connection that can log in: who is logged in is kept where the connection is.

use std::{fmt, sync::Arc};

use super::{access::Access, clock::Timestamp, identity::Identity, viewer::Viewer};

/// Who logged in, and with what.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who.
    pub identity: Identity,
    /// The token or key that proved it.
    pub credential: Credential,
    /// When the login ends; `None` if it does not.
    pub ends: Option<Timestamp>,
}

impl LoggedIn {
    /// Whether it is over: its time, its user or its key.
    pub fn has_ended(&self, now: Timestamp, access: &Access) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
            || access.current(&self.identity) == Identity::Nobody
    }
}

/// What somebody proves who they are with; never shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token.
    Token(String),
    /// An API key.
    Key(String),
}

impl Credential {
    /// The text that was shown.
    pub fn text(&self) -> &str {
        match self {
            Self::Token(text) | Self::Key(text) => text,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[a credential]")
    }
}

/// A connection, as authentication sees it.
pub trait Login: Send + Sync + fmt::Debug {
    /// Who is logged in, if the login has not ended.
    fn login(&self) -> Option<LoggedIn>;

    /// Logs somebody in: from now on calls are theirs, and the connection hears what they may.
    fn log_in(self: Arc<Self>, login: LoggedIn);

    /// Logs out: the connection hears nothing more.
    fn log_out(&self);

    /// The boards it is on.
    fn viewer(&self) -> &dyn Viewer;
}
