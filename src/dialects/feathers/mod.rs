//! FeathersJS 5 over Socket.IO and REST.
//!
//! Source: docs/protocols/feathers.md.

mod attachments;
mod backlog;
mod calls;
mod cors;
mod crowd;
mod cursors;
mod emitting;
mod events;
mod line;
mod login;
mod namespaces;
mod outbox;
mod peers;
mod refusals;
mod request;
mod rest;
mod resume;
mod rooms;
mod sockets;
mod visits;

pub(super) use cors::{cors, options};
pub(super) use rest::{ErrorResponse, rest};
pub(super) use sockets::SocketIo;
