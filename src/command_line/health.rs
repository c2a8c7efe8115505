//! `roost health`: whether the daemon is well, as container engines and monitors ask.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Outcome,
    daemon::Daemon,
    output::{say, text},
};
use crate::config::{Config, commands::Health};

/// Time that a daemon which is well has to say so.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `roost health`.
///
/// # Errors
/// A sentence that says why the daemon is not well.
pub async fn health(health: Health, config: Config) -> Outcome {
    let url = match health.url {
        Some(url) => url,
        None => config.local_url()?,
    };
    let daemon = Daemon::new(&url, None)?;
    let told = timeout(PATIENCE, daemon.look(["health"], &[])).await;
    let told =
        told.map_err(|_| format!("{url} does not answer within {} s", PATIENCE.as_secs()))?;
    let told = told.map_err(String::from)?;
    if health.json {
        return say(&told);
    }
    let [status, version, database] =
        ["status", "version", "database"].map(|name| text(&told, name));
    say(format_args!(
        "{url} is {status}: Roost {version} on {database}"
    ))
}
