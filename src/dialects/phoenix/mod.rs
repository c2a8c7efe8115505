//! Phoenix Channels, for clients of any version: JSON and binary frames over WebSocket and long polling.
//!
//! A program mounts a [`Connect`] at a path of an [`Endpoint`]; whoever it lets in is a [`Socket`], whose
//! topics are served by [`Channel`]s, one value for each join. Source: docs/protocols/phoenix.md.
//!
//! - `websocket`, `longpoll`, `session`, `admission`, `params`: the transports and who is let in
//! - `connection`, `inbox`, `outbox`: one connection, and what waits for its channels and for it
//! - `joining`, `serving`, `over`, `crash`: one channel's life: joined, served, ended, and its panics
//! - `topics`, `presence`: who is told of what
//! - `message`, `serializer`, `binary`, `replies`: what is said, and how it is written

mod admission;
mod binary;
mod channel;
mod connection;
mod context;
mod crash;
mod endpoint;
mod inbox;
mod joining;
mod longpoll;
mod message;
mod outbox;
mod over;
mod params;
mod presence;
mod replies;
mod serializer;
mod serving;
mod session;
mod socket;
mod topics;
mod websocket;

pub use channel::{Channel, Join, Outcome, Push, Reply};
pub use context::Context;
pub use endpoint::Endpoint;
pub use message::Payload;
pub(in crate::dialects) use replies::reason as refusal;
pub use socket::{Attempt, Connect, Options, Refused, Socket};

/// What calls over these sockets come through.
pub(in crate::dialects) const PROVIDER: &str = "phoenix";
