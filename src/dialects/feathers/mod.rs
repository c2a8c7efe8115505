//! FeathersJS 5 over Socket.IO and REST.
//!
//! Source: docs/protocols/feathers.md.

mod calls;
mod events;
mod request;
mod rest;
mod resume;
mod rooms;
mod sockets;

pub(super) use rest::{ErrorResponse, cors, rest};
pub(super) use sockets::SocketIo;
