//! What every test needs: a daemon, databases, clients.

pub mod callers;
pub mod command;
pub mod daemon;
pub mod databases;
pub mod market;
pub mod phoenix;
pub mod process;
pub mod rest;
pub mod socketio;
pub mod streams;
pub mod transcript;

use std::time::Duration;

/// How long a test waits for what must come.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for something that must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {DEADLINE:?}"),
    }
}

/// Asks again and again until a question is answered with yes.
pub async fn until(what: &str, mut question: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
