//! Swarms as Genswarms' clients know them: the Phoenix socket `/swarm`, their REST, and what their dashboard
//! asks.
//!
//! Source: docs/protocols/genswarms.md.

mod channel;
mod rest;
mod sockets;

pub(super) use rest::routes as rest;
pub(super) use sockets::routes as sockets;
