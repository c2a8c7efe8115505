//! FeathersJS 5 over Socket.IO and REST.
//!
//! Source: docs/protocols/feathers.md.

mod attachments;
mod calls;
mod cors;
mod events;
mod login;
mod peers;
mod query_string;
mod refusals;
mod request;
mod rest;
mod resume;
mod rooms;
mod sockets;

pub(super) use cors::{cors, options};
pub(super) use rest::{ErrorResponse, rest};
pub(super) use sockets::SocketIo;
