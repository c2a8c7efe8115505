//! The daemon's parts, put together once and shared by every dialect.

use std::{path::Path, sync::Arc};

use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::Config,
    core::clock::{SharedClock, SystemClock},
    error::Result,
    services::{self, Services, Workspace},
    store::{self, Store, connect::Closing},
};

/// Everything a dialect needs.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database, the log and the hub.
    pub store: Store,
    /// What can be called.
    pub services: Services,
    /// Every long-lived task.
    pub tasks: TaskTracker,
    /// Cancelled when the daemon stops.
    pub stopping: CancellationToken,
    /// Cancelled by the write lane if it cannot go on.
    pub broken: CancellationToken,
}

/// Roost's own services, set as the configuration says.
///
/// # Errors
/// If the data folder has no absolute path.
pub fn own_services(config: &Config) -> Result<Services, String> {
    let folder = config
        .data_dir
        .clone()
        .unwrap_or_else(|| store::folder(config.database_url.expose_secret()));
    // An empty path is the current folder.
    let folder = std::path::absolute(Path::new(".").join(folder))
        .map_err(|error| format!("DATA_DIR cannot be used: {error}"))?;
    let mut services = Services::default();
    let workspace = Workspace::new(folder, true);
    services::register(&mut services, &workspace);
    Ok(services)
}

impl App {
    /// Opens the database and takes the services that serve it.
    ///
    /// # Errors
    /// If the database cannot be opened; the text is for the operator.
    pub async fn open(config: Config, services: Services) -> Result<(Arc<Self>, Closing)> {
        Self::open_with(config, services, Arc::new(SystemClock)).await
    }

    /// As [`open`](Self::open), with a clock of one's own.
    ///
    /// # Errors
    /// If the database cannot be opened; the text is for the operator.
    pub async fn open_with(
        config: Config,
        services: Services,
        clock: SharedClock,
    ) -> Result<(Arc<Self>, Closing)> {
        let (url, synchronous) = (
            config.database_url.expose_secret(),
            config.synchronous.as_str(),
        );
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let broken = CancellationToken::new();
        let (store, closing) = Store::open(url, synchronous, clock, broken.clone()).await?;
        Ok((
            Arc::new(Self {
                config,
                store,
                services,
                tasks,
                stopping,
                broken,
            }),
            closing,
        ))
    }
}
