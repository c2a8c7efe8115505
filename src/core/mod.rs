//! The two narrow waists: [`Call`](call::Call) in, [`Event`](event::Event) out, and what stands between them.
//!
//! Knows no protocol and no database: dialects and the store depend on this module, never the other way.

pub mod access;
pub mod call;
pub mod clock;
pub mod connection;
pub mod event;
pub mod feed;
pub mod group;
pub mod hub;
pub mod identity;
pub mod login;
pub mod panics;
pub mod presence;
pub mod queue;
pub mod scope;
pub mod stamp;
pub mod subscription;
pub mod told;
pub mod turn;
pub mod viewer;

/// A record or another JSON object, its keys in wire order.
pub type Record = serde_json::Map<String, serde_json::Value>;

/// A future that owns its place on the heap and can move between threads.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
