//! What a program writes to let Phoenix clients in: who may connect, and which topics there are.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, StatusCode};
use secrecy::SecretString;

use super::channel::Channel;
use crate::core::{BoxFuture, Record};

/// Decides who may connect, as Phoenix's `connect/3` does.
pub trait Connect: Send + Sync + 'static {
    /// Answers an attempt to connect. A panic is answered 500, and nobody is let in.
    fn connect<'a>(
        &'a self,
        attempt: &'a Attempt,
    ) -> BoxFuture<'a, Result<Box<dyn Socket>, Refused>>;
}

/// Somebody who was let in.
pub trait Socket: Send + Sync + 'static {
    /// What [`Endpoint::disconnect`](super::Endpoint::disconnect) calls the connection, such as
    /// `users:<id>`; several may have one id.
    fn id(&self) -> Option<String> {
        None
    }

    /// Done when the connection is to be closed, because a login ended, for example; with a code after
    /// which clients come back. `None` if that never happens.
    fn left(&self) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// A channel for a topic, or `None` if there is no such topic. Who may join is decided by
    /// [`Channel::join`].
    fn channel(&self, topic: &str) -> Option<Box<dyn Channel>>;
}

/// An attempt to connect. Holds secrets, so it cannot be printed.
pub struct Attempt {
    /// The query's parameters, nested as Plug nests them.
    pub params: Record,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The `authToken` of the client, if the mount takes one.
    pub auth_token: Option<SecretString>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
}

impl Attempt {
    /// A parameter that is a string.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name)?.as_str()
    }
}

/// An attempt is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub StatusCode);

impl Default for Refused {
    fn default() -> Self {
        Self(StatusCode::FORBIDDEN)
    }
}

/// How a mount's transports behave.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A WebSocket whose client sends nothing for so long is closed.
    pub idle: Duration,
    /// The largest frame that a client may send, in bytes; the daemon's largest message by default.
    pub max_frame: Option<usize>,
    /// How long a poll waits for messages; `None` turns long polling off.
    pub poll_window: Option<Duration>,
    /// Whether clients may send an `authToken`, by subprotocol or header.
    pub auth_token: bool,
    /// Channels that one connection may have joined.
    pub channels: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            max_frame: None,
            poll_window: Some(Duration::from_secs(10)),
            auth_token: false,
            channels: 100,
        }
    }
}
