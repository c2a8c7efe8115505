//! Agrenting: agents that are hired, and what they stream.
//!
//! Source: docs/protocols/agrenting.md.

mod own_channel;
mod sockets;
mod stream_channel;

pub(super) use sockets::routes as sockets;
