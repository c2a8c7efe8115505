//! The daemon's parts, put together once and shared by every dialect.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{secret, tokens::Tokens},
    config::{Auth, Config},
    core::{
        clock::{SharedClock, SystemClock},
        identity::Identity,
        presence::Presence,
    },
    error::Result,
    services::{
        self, Services, Workspace,
        door::{Door, Settings},
        limits::Limits,
    },
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
    /// Who is where.
    pub presence: Presence,
    /// Every long-lived task.
    pub tasks: TaskTracker,
    /// Cancelled when the daemon stops.
    pub stopping: CancellationToken,
    /// Cancelled by the write lane if it cannot go on.
    pub broken: CancellationToken,
}

/// Who made the tokens, and for whom.
const ISSUER: &str = "roost";

/// Roost's own services, set as the configuration says.
///
/// # Errors
/// If the data folder cannot be used, or the secret could be guessed.
pub fn own_services(config: &Config) -> Result<Services, String> {
    let folder = data_folder(config)?;
    let required = config.auth == Auth::Required;
    let mut services = Services::new(door(config)?);
    services.limits = Limits::new(config.calls_per_sec());
    let workspace = Workspace::new(folder, !required);
    services::register(&mut services, &workspace, agent(config)?);
    Ok(services)
}

/// The door, set as the configuration says.
///
/// # Errors
/// If the data folder cannot be used, or the secret could be guessed.
pub fn door(config: &Config) -> Result<Arc<Door>, String> {
    let given = config.jwt_secret.as_ref().map(ExposeSecret::expose_secret);
    let secret = secret::load(given, &data_folder(config)?)?;
    let lifetime = i64::try_from(config.token_secs.as_secs()).unwrap_or(i64::MAX);
    Ok(Door::new(Settings {
        stranger: match config.auth {
            Auth::Open => Identity::Owner,
            Auth::Required => Identity::Nobody,
        },
        anonymous: config.allow_anonymous,
        tokens: Tokens::new(&secret, ISSUER, ISSUER, lifetime),
    }))
}

fn data_folder(config: &Config) -> Result<PathBuf, String> {
    let folder = config
        .data_dir
        .clone()
        .unwrap_or_else(|| store::folder(config.database_url.expose_secret()));
    // An empty path is the current folder.
    std::path::absolute(Path::new(".").join(folder))
        .map_err(|error| format!("DATA_DIR cannot be used: {error}"))
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
        let (tasks, stopping) = (services.tasks.clone(), services.stopping.clone());
        let broken = CancellationToken::new();
        let presence = Presence::new(Arc::clone(&clock));
        let (store, closing) = Store::open(url, synchronous, clock, broken.clone()).await?;
        Ok((
            Arc::new(Self {
                config,
                store,
                services,
                presence,
                tasks,
                stopping,
                broken,
            }),
            closing,
        ))
    }
}

fn agent(_config: &Config) -> Result<crate::runner::SharedAgent, String> {
    Ok(Arc::new(crate::runner::echo::Echo))
}
