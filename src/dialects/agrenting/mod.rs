//! Agents for hire: `/api/v1`, and the Phoenix sockets of agents and of those who hire them.
//!
//! Source: docs/protocols/agrenting.md.

mod own_channel;
mod rest;
mod sockets;
mod stream_channel;

pub(super) use rest::routes as rest;
pub(super) use sockets::routes as sockets;
