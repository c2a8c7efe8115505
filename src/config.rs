//! What an operator can set: each a flag and a variable. Only this file reads the environment.

pub mod agent;
pub mod commands;
pub mod hive;
pub mod streams;
pub mod swarms;
#[cfg(test)]
mod tests;
mod values;
pub mod webhooks;

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

use self::{
    agent::AgentConfig,
    commands::{Backup, Health, KeyCommand, Restore, UserCommand},
    hive::{HiveConfig, MakeToken, Stream},
    streams::StreamsConfig,
    swarms::SwarmCommand,
    values::{days, events, origin, seconds, whole_seconds},
    webhooks::WebhooksConfig,
};

/// One realtime daemon for agent workspaces.
#[derive(Clone, Debug, Parser)]
#[command(name = "roost", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The daemon's settings.
    #[command(flatten, next_help_heading = "The daemon's settings")]
    pub config: Config,
}

/// What the binary does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the daemon (the default)
    Serve,
    /// Run the daemon with a listener for Hive: --host and --port are its, at first localhost and 8765
    Stream(Stream),
    /// Make a token for watching streams with Hive, and print it
    Token(MakeToken),
    /// Look after users
    #[command(subcommand)]
    User(UserCommand),
    /// Look after API keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look after swarms of agents, in the running daemon (docs/swarms.md)
    #[command(subcommand)]
    Swarm(SwarmCommand),
    /// Say whether the daemon is well, and end with 1 if it is not: for container engines and monitors
    Health(Health),
    /// Copy the SQLite database to a file, as it is at one moment; the daemon may run
    ///
    /// The data folder (clones, worktrees, the secret that signs tokens) is not in it. PostgreSQL has
    /// `pg_dump`.
    Backup(Backup),
    /// Put a backup in the place of the SQLite database, and give the log another id; no daemon may run
    ///
    /// Clients that come back with stamps are told to read their records anew.
    Restore(Restore),
}

/// How the daemon runs.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Addresses to listen on, separated by commas; `localhost` is both loopback addresses, port 0 any free one
    #[arg(
        long,
        env = "LISTEN",
        value_delimiter = ',',
        default_value = "localhost:3030",
        global = true
    )]
    pub listen: Vec<String>,

    /// Host to listen on: short for the host in LISTEN
    #[arg(long, env = "HOST", global = true)]
    pub host: Option<String>,

    /// Port to listen on: short for the port in LISTEN
    #[arg(long, env = "PORT", global = true)]
    pub port: Option<u16>,

    /// Listen on other than loopback addresses although nobody has to log in
    #[arg(long, env = "ALLOW_OPEN", global = true)]
    pub allow_open: bool,

    /// `open`: whoever reaches the daemon may do everything; `required`: callers log in
    #[arg(long, env = "AUTH", value_enum, default_value_t = Auth::Open, global = true)]
    pub auth: Auth,

    /// With AUTH=required, let in callers without a name, to look only
    #[arg(long, env = "ALLOW_ANONYMOUS", global = true)]
    pub allow_anonymous: bool,

    /// Signs tokens, 32 characters or more; if nothing is said, one is made and kept in the data folder
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, global = true)]
    pub jwt_secret: Option<SecretString>,

    /// Seconds that a login is good, 1 or more
    #[arg(long, env = "TOKEN_SECS", default_value = "86400", value_parser = whole_seconds, global = true)]
    pub token_secs: Duration,

    /// `everybody`: connections hear all that they may see; `board`: once on a board, they hear of their boards only
    #[arg(long, env = "CHANNELS", value_enum, default_value_t = Channels::Everybody, global = true)]
    pub channels: Channels,

    /// Who is told an agent's words as they come: `everybody` who may see the session, or, `subscribed`, who asked for the session's
    #[arg(long, env = "STREAMS", value_enum, default_value_t = Streams::Everybody, global = true)]
    pub streams: Streams,

    /// Where everything is kept: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://roost.db?mode=rwc",
        hide_env_values = true,
        global = true
    )]
    pub database_url: SecretString,

    /// Folder of clones and worktrees [default: the folder of the database]
    #[arg(long, env = "DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,

    /// For work on the console: the folder that it is served from, instead of the one in the binary
    #[arg(long, env = "CONSOLE_DIR", global = true)]
    pub console_dir: Option<PathBuf>,

    /// Who answers prompts.
    #[command(flatten)]
    pub agent: AgentConfig,

    /// SQLite only: `normal` survives a killed daemon, `full` a power cut too, at the price of slower writes
    #[arg(long, env = "SYNCHRONOUS", value_enum, default_value_t = Synchronous::Normal, global = true)]
    pub synchronous: Synchronous,

    /// Days that events stay in the log; 0 for ever. Records are not touched
    #[arg(long, env = "RETAIN_DAYS", default_value = "30", value_parser = days, global = true)]
    pub retain_days: Duration,

    /// Events that stay in the log, 1000 or more; 0 for any number
    #[arg(long, env = "RETAIN_EVENTS", default_value = "1000000", value_parser = events, global = true)]
    pub retain_events: i64,

    /// Origins of web pages elsewhere that may use the daemon, separated by commas
    #[arg(
        long,
        env = "CORS_ORIGINS",
        value_delimiter = ',',
        default_value = "http://localhost:5173,http://localhost:5174,http://localhost:5175,http://localhost:5176",
        value_parser = origin,
        global = true
    )]
    pub cors_origins: Vec<String>,

    /// Host names, beside loopback and the listening addresses, by which clients may call the daemon, separated by commas
    #[arg(long, env = "ALLOWED_HOSTS", value_delimiter = ',', global = true)]
    pub allowed_hosts: Vec<String>,

    /// Calls and cursor messages that a connection may make in a second, and a user four times as many; 0 for any number [default: 1000 with AUTH=required, else 0]
    #[arg(long, env = "CALLS_PER_SEC", global = true)]
    pub calls_per_sec: Option<u32>,

    /// How Hive is served.
    #[command(flatten)]
    pub hive: HiveConfig,

    /// What tasks may stream.
    #[command(flatten)]
    pub streams_of_tasks: StreamsConfig,

    /// How webhooks are called.
    #[command(flatten)]
    pub webhooks: WebhooksConfig,

    /// Largest body, frame or message that a client may send, in bytes
    #[arg(long, env = "MAX_MESSAGE", default_value_t = 10 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1024..), global = true)]
    pub max_message: u32,

    /// Seconds after which a client that takes no bytes is cut off
    #[arg(long, env = "STALL_SECS", default_value = "20", value_parser = seconds, global = true)]
    pub stall_secs: Duration,

    /// Seconds between heartbeats on an idle MGX stream; on Hive if fewer than 20, on an event stream if fewer than 15
    #[arg(long, env = "HEARTBEAT_SECS", default_value = "30", value_parser = seconds, global = true)]
    pub heartbeat_secs: Duration,

    /// Seconds that connections have to end when the daemon stops
    #[arg(long, env = "DRAIN_SECS", default_value = "10", value_parser = seconds, global = true)]
    pub drain_secs: Duration,

    /// What to log, as tracing filters: `info`, `debug`, `roost=debug,warn`
    #[arg(long, env = "LOG", default_value = "info", global = true)]
    pub log: String,

    /// How to log
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
}

/// Whether callers log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Auth {
    Open,
    Required,
}

/// SQLite's durability.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Synchronous {
    Normal,
    Full,
}

impl Synchronous {
    /// The pragma's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Full => "FULL",
        }
    }
}

/// Which events a Socket.IO connection hears that asks for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Channels {
    /// All that it may see.
    Everybody,
    /// Those of its boards, once it is on one.
    Board,
}

/// Who is told an agent's words as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Streams {
    /// Whoever may see the session.
    Everybody,
    /// Who asked for them (service `session-streams`).
    Subscribed,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The environment variables that are Roost's settings.
pub fn variables() -> BTreeSet<String> {
    variables_of(&Cli::command())
}

/// The variables of a command and of those below it.
fn variables_of(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?;
        Some(variable.to_owned())
    });
    let below = command.get_subcommands().flat_map(variables_of);
    own.chain(below).collect()
}

impl Config {
    /// Pairs of host and port to listen on.
    ///
    /// # Errors
    /// A sentence that says which address cannot be read.
    pub fn addresses(&self) -> Result<Vec<(String, u16)>, String> {
        let mut pairs: Vec<_> = self
            .listen
            .iter()
            .map(|it| pair(it))
            .collect::<Result<_, _>>()?;
        for (host, port) in &mut pairs {
            if let Some(given) = &self.host {
                host.clone_from(given);
            }
            *port = self.port.unwrap_or(*port);
        }
        Ok(pairs)
    }

    /// Pairs of host and port where Hive alone listens.
    ///
    /// # Errors
    /// As [`addresses`](Self::addresses).
    pub fn hive_addresses(&self) -> Result<Vec<(String, u16)>, String> {
        self.hive.hive_listen.iter().map(|it| pair(it)).collect()
    }

    /// Calls that a connection may make in a second; 0 for any number.
    pub fn calls_per_sec(&self) -> u32 {
        let usual = match self.auth {
            Auth::Open => 0,
            Auth::Required => 1_000,
        };
        self.calls_per_sec.unwrap_or(usual)
    }

    /// Where the daemon is for those on this machine, if it runs with these settings.
    ///
    /// # Errors
    /// A sentence that says which address cannot be read.
    pub fn local_url(&self) -> Result<String, String> {
        let address = self.addresses()?.into_iter().next();
        let (host, port) = address.unwrap_or_else(|| ("localhost".to_owned(), 3030));
        let host = match host.as_str() {
            "localhost" | "0.0.0.0" | "::" => "127.0.0.1".to_owned(),
            host if host.contains(':') => format!("[{host}]"),
            _ => host,
        };
        Ok(format!("http://{host}:{port}"))
    }

    /// Refuses to serve everybody who can reach an address when nobody has to log in.
    ///
    /// # Errors
    /// A sentence that says how to allow it.
    pub fn check_exposure(&self, address: IpAddr) -> Result<(), String> {
        if address.is_loopback() || self.allow_open || self.auth == Auth::Required {
            return Ok(());
        }
        Err(format!(
            "{address} can be reached from other machines, and nobody has to log in: whoever reaches it could do \
             everything. Say --auth required, or --allow-open (ALLOW_OPEN=true) if that is meant, or listen on localhost."
        ))
    }
}

fn pair(address: &str) -> Result<(String, u16), String> {
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| unreadable(address))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = port.parse().map_err(|_| unreadable(address))?;
    Ok((host.to_owned(), port))
}

fn unreadable(address: &str) -> String {
    format!("`{address}` is no address to listen on; write HOST:PORT, such as localhost:3030")
}
