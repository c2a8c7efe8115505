//! `roost swarm`: what it does, and where the daemon is.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

use super::commands::Reach;

/// What `roost swarm` does.
#[derive(Clone, Debug, Subcommand)]
pub enum SwarmCommand {
    /// List the swarms
    List(SwarmReach),
    /// Make a swarm of a definition and start it, or start one that is stopped
    Start(StartSwarm),
    /// Stop a swarm; what its agents were at is kept, and goes on with the next start
    Stop(OneSwarm),
    /// Let open turns end, and begin no others
    Pause(OneSwarm),
    /// Go on after a pause
    Resume(OneSwarm),
    /// Stop a swarm and start it again
    Restart(RestartSwarm),
    /// Stop a swarm for good; it stays known, unless it is purged
    Remove(RemoveSwarm),
    /// Show how a swarm and its agents are
    Status(SomeSwarm),
    /// Print what agents were told and said
    Logs(SwarmLogs),
    /// Print what happened
    Events(SwarmEvents),
    /// Give an agent a task
    Task(SwarmTask),
    /// Make so many of an agent: NAME, `NAME_1`, `NAME_2`, …
    Scale(ScaleSwarm),
}

/// Where the daemon is, and who calls.
#[derive(Clone, Debug, Args)]
pub struct SwarmReach {
    /// The running daemon, such as <http://127.0.0.1:3030> [default: where it listens by its settings]
    #[arg(long, env = "ROOST_URL")]
    pub url: Option<String>,

    /// A token or API key to call the daemon with; better said by the variable, which others do not see
    #[arg(long, env = "ROOST_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,

    /// Print JSON: one value, events one a line
    #[arg(long)]
    pub json: bool,

    /// As `ROOST_URL`, which goes before it
    #[arg(long, env = "SWARM_API_URL", hide = true)]
    pub swarm_api_url: Option<String>,

    /// As `ROOST_TOKEN`, which goes before it
    #[arg(long, env = "SWARM_API_TOKEN", hide = true, hide_env_values = true)]
    pub swarm_api_token: Option<SecretString>,
}

impl SwarmReach {
    /// The same as other commands have it; what is empty was not said.
    pub fn reach(&self) -> Reach {
        let urls = [&self.url, &self.swarm_api_url];
        let tokens = [&self.token, &self.swarm_api_token];
        Reach {
            url: first(urls, |url| url),
            token: first(tokens, |token| token.expose_secret()),
            json: self.json,
        }
    }
}

/// The first that is said, and not empty.
fn first<T: Clone>(said: [&Option<T>; 2], text: impl Fn(&T) -> &str) -> Option<T> {
    let mut said = said.into_iter().flatten();
    said.find(|said| !text(said).is_empty()).cloned()
}

/// What is to run.
#[derive(Clone, Debug, Args)]
pub struct StartSwarm {
    /// A definition, FILE.toml or FILE.json, or the name of a swarm that is stopped
    #[arg(value_name = "FILE|NAME")]
    pub what: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: SwarmReach,
}

impl StartSwarm {
    /// The file that is meant, if it is no name.
    pub fn file(&self) -> Option<PathBuf> {
        let is_file = self.what.contains(['/', '.']);
        is_file.then(|| PathBuf::from(&self.what))
    }
}

/// One swarm, by name.
#[derive(Clone, Debug, Args)]
pub struct OneSwarm {
    /// The swarm
    pub name: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: SwarmReach,
}

/// A swarm that is to begin anew.
#[derive(Clone, Debug, Args)]
pub struct RestartSwarm {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub swarm: OneSwarm,

    /// Forget what its agents were at and what waits for them
    #[arg(long)]
    pub delete: bool,
}

/// A swarm that is to go.
#[derive(Clone, Debug, Args)]
pub struct RemoveSwarm {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub swarm: OneSwarm,

    /// Forget it, its agents' sessions and its events
    #[arg(long)]
    pub purge: bool,
}

/// A swarm, or the only one.
#[derive(Clone, Debug, Args)]
pub struct SomeSwarm {
    /// The swarm [default: the only one there is]
    pub name: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: SwarmReach,
}

/// What agents were told and said.
#[derive(Clone, Debug, Args)]
pub struct SwarmLogs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub swarm: SomeSwarm,

    /// One agent's only
    pub agent: Option<String>,

    /// How many messages, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub limit: u16,
}

/// Which events.
#[derive(Clone, Debug, Args)]
pub struct SwarmEvents {
    /// The swarm [default: all swarms]
    pub name: Option<String>,

    /// Go on with what happens; a daemon that is away is waited for, and nothing is left out
    #[arg(long, short)]
    pub follow: bool,

    /// Of this level only
    #[arg(long, value_enum)]
    pub level: Option<EventLevel>,

    /// Of this category only
    #[arg(long, value_enum)]
    pub category: Option<EventCategory>,

    /// Of this type only, such as `message_routed`
    #[arg(long = "type", value_name = "TYPE")]
    pub event_type: Option<String>,

    /// Of this agent only
    #[arg(long)]
    pub agent: Option<String>,

    /// How many events that were, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    pub limit: u16,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: SwarmReach,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum EventLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum EventCategory {
    Agent,
    Backend,
    Object,
    Routing,
    Swarm,
    System,
}

/// An agent of a swarm.
#[derive(Clone, Debug, Args)]
pub struct SwarmAgent {
    /// The agent, alone or as SWARM/AGENT
    pub agent: String,

    /// The agent's swarm [default: the only one there is]
    #[arg(long, short)]
    pub swarm: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: SwarmReach,
}

/// A task for an agent.
#[derive(Clone, Debug, Args)]
pub struct SwarmTask {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub agent: SwarmAgent,

    /// What it is to do; several words need no quotes
    #[arg(required = true)]
    pub text: Vec<String>,
}

/// How many of an agent there are to be.
#[derive(Clone, Debug, Args)]
pub struct ScaleSwarm {
    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub agent: SwarmAgent,

    /// So many
    pub count: u32,
}
