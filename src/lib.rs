//! Roost: one realtime daemon for agent workspaces.
//!
//! FeathersJS services over Socket.IO and REST, plain-JSON WebSockets and SSE from one binary, over
//! one ordered, durable event log.
//!
//! # Layout
//! - [`core`]: the two narrow waists, calls in and events out; knows no protocol and no database
//! - [`auth`]: passwords, tokens and keys, pure
//! - [`store`]: the database: the write lane, the log, tables, Feathers queries
//! - [`runner`]: who answers a prompt: a child process, or the built-in echo agent
//! - [`services`]: what Roost does; knows calls and events, no frames
//! - [`dialects`]: the protocols; know frames, no database
//! - [`app`], [`serve`](mod@serve), [`stream`]: the parts put together, listened for and drained
//! - [`command_line`]: the commands that look after users and keys
//! - [`config`], [`error`], [`log`]: what an operator can set, what can go wrong, and what is said of it
//! - [`tls`]: encryption for HTTP clients
//!
//! Dependencies point one way: `main → dialects → services → {store, auth, runner} → core → error`.

pub mod app;
pub mod auth;
pub mod command_line;
pub mod config;
pub mod core;
pub mod dialects;
pub mod error;
pub mod log;
pub mod runner;
pub mod serve;
pub mod services;
pub mod store;
pub mod stream;
pub mod tls;

pub use app::App;
pub use serve::serve;
