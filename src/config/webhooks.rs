//! How webhooks are called.

use std::time::Duration;

use clap::Args;

/// How webhooks are called.
#[derive(Clone, Debug, Args)]
pub struct WebhooksConfig {
    /// Call webhooks at private, loopback and link-local addresses, too
    #[arg(long, env = "WEBHOOKS_PRIVATE", global = true)]
    pub webhooks_private: bool,

    /// Seconds after which a webhook that failed is called again; four times as many each time, an hour at most
    #[arg(long, env = "WEBHOOK_RETRY_SECS", default_value = "1", value_parser = super::seconds, global = true)]
    pub webhook_retry_secs: Duration,
}
