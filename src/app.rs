//! The daemon's parts, put together once and shared by every dialect.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{secret, signatures::Signer, stream_tokens::StreamTokens, tokens::Tokens},
    config::{
        self, Auth, Config,
        agent::{Agent, AgentInput},
    },
    core::{
        clock::{SharedClock, SystemClock},
        identity::Identity,
        presence::Presence,
    },
    error::Result,
    runner::{
        SharedAgent,
        command::{Command, Input, Limits as AgentLimits, Settings as AgentSettings},
        echo::Echo,
    },
    services::{
        self, Outside, Services, Workspace,
        door::{Door, Settings},
        limits,
        streams::Limits,
        webhooks,
    },
    store::{self, Store, connect::Closing},
    tls,
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

/// Further variables that say how to come into the database.
const DATABASE_VARIABLES: [&str; 3] = ["PGPASSWORD", "PGPASSFILE", "PGSSLKEY"];

/// Roost's own services, set as the configuration says.
///
/// # Errors
/// If the data folder cannot be used, or the secret could be guessed.
pub fn own_services(config: &Config) -> Result<Services, String> {
    let folder = data_folder(config)?;
    let required = config.auth == Auth::Required;
    let mut services = Services::new(door(config)?);
    services.limits = limits::Limits::new(config.calls_per_sec());
    let workspace = Workspace::new(folder, !required);
    let limits = Limits {
        chunks: config.streams_of_tasks.task_chunks,
        bytes: config.streams_of_tasks.task_bytes,
        rate: config.streams_of_tasks.chunks_per_sec,
    };
    let webhooks = webhooks::Settings {
        signer: Signer::new(&secret(config)?),
        private: config.webhooks.webhooks_private,
        retry: config.webhooks.webhook_retry_secs,
    };
    let outside = Outside {
        workspace,
        agent: agent(config)?,
        local: local(config),
        approval: config.agent.approval_secs,
        webhooks,
    };
    tls::prepare();
    services::register(&mut services, outside, limits);
    Ok(services)
}

/// Who answers prompts, set as the configuration says.
///
/// # Errors
/// If there is no command to run.
pub fn agent(config: &Config) -> Result<SharedAgent, String> {
    let agent = &config.agent;
    if agent.agent == Agent::Echo {
        return Ok(Arc::new(Echo));
    }
    let command = agent.agent_command.as_deref().unwrap_or_default().trim();
    if command.is_empty() {
        return Err(
            "AGENT=command needs a command to run: set AGENT_COMMAND (--agent-command), or leave AGENT=echo"
                .to_owned(),
        );
    }
    let mut settings = local(config);
    settings.command = command.to_owned();
    Ok(Arc::new(Command::new(settings)))
}

/// What agents' commands are run with, whatever the command is.
fn local(config: &Config) -> AgentSettings {
    let (agent, usual) = (&config.agent, AgentLimits::default());
    AgentSettings {
        command: String::new(),
        input: match agent.agent_input {
            AgentInput::Text => Input::Text,
            AgentInput::Lines => Input::Lines,
        },
        hidden: config::variables()
            .into_iter()
            .chain(DATABASE_VARIABLES.map(str::to_owned))
            .collect(),
        limits: AgentLimits {
            time: agent.agent_secs,
            output: agent.agent_output,
            runs: usize::try_from(agent.agent_runs).unwrap_or(usize::MAX),
            ..usual
        },
    }
}

/// The door, set as the configuration says.
///
/// # Errors
/// If the data folder cannot be used, or the secret could be guessed.
pub fn door(config: &Config) -> Result<Arc<Door>, String> {
    let secret = secret(config)?;
    let of_streams = config.hive.hive_secret.as_ref();
    let of_streams = of_streams.map_or(secret.as_str(), ExposeSecret::expose_secret);
    secret::check(of_streams, "HIVE_SECRET")?;
    let lifetime = i64::try_from(config.token_secs.as_secs()).unwrap_or(i64::MAX);
    Ok(Door::new(Settings {
        stranger: match config.auth {
            Auth::Open => Identity::Owner,
            Auth::Required => Identity::Nobody,
        },
        anonymous: config.allow_anonymous,
        tokens: Tokens::new(&secret, ISSUER, ISSUER, lifetime),
        stream_tokens: StreamTokens::new(of_streams),
    }))
}

/// What signs tokens and webhooks.
fn secret(config: &Config) -> Result<String, String> {
    let given = config.jwt_secret.as_ref().map(ExposeSecret::expose_secret);
    secret::load(given, &data_folder(config)?)
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
        let presence = services.online.presence.clone();
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Cli;

    #[test]
    fn an_agent_of_ones_own_needs_a_command() {
        let agent = |arguments: &[&str]| {
            let config = Cli::parse_from([&["roost"], arguments].concat()).config;
            agent(&config).map(|_| ())
        };
        assert_eq!(agent(&[]), Ok(()));
        assert_eq!(
            agent(&["--agent", "command", "--agent-command", "cat"]),
            Ok(())
        );
        for arguments in [
            &["--agent", "command"][..],
            &["--agent", "command", "--agent-command", " "],
        ] {
            assert!(agent(arguments).unwrap_err().contains("AGENT_COMMAND"));
        }
    }
}
