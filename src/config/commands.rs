//! The commands beside `serve`: they look after users and keys, in the running daemon if there is one,
//! and copy the database.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use secrecy::SecretString;

/// What `roost user` does.
#[derive(Clone, Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; the first one is an admin
    Create(CreateUser),
}

/// Somebody who is to log in.
#[derive(Clone, Debug, Args)]
pub struct CreateUser {
    /// The user's email address
    #[arg(long)]
    pub email: String,

    /// What people call the user
    #[arg(long)]
    pub name: Option<String>,

    /// viewer, member, admin or owner [default: member, or admin for the first user]
    #[arg(long)]
    pub role: Option<String>,

    /// Read the password from the first line of the standard input; else it is asked for, or, where
    /// there is no terminal, made and printed
    #[arg(long)]
    pub password_stdin: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: Reach,
}

/// What `roost key` does.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an API key and print it, this once
    Create(CreateKey),
    /// List keys; what is secret of them nobody knows any more
    List(ListKeys),
    /// Revoke keys: what came in with them ends at once
    Revoke(RevokeKeys),
}

/// A key that is to be made.
#[derive(Clone, Debug, Args)]
pub struct CreateKey {
    /// What the key is for
    #[arg(long)]
    pub name: String,

    /// Whose key it is: an email address or a user's id [default: who calls]
    #[arg(long)]
    pub user: Option<String>,

    /// The agent whose key it is: an agent's id or DID
    #[arg(long, conflicts_with = "user")]
    pub agent: Option<String>,

    /// What it lets its user do: read, write, admin
    #[arg(long, value_delimiter = ',', default_value = "write")]
    pub scopes: Vec<String>,

    /// When it ends, such as 2027-11-21 or 2027-11-21T08:00:00Z [default: never]
    #[arg(long)]
    pub expires: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: Reach,
}

/// Which keys are listed.
#[derive(Clone, Debug, Args)]
pub struct ListKeys {
    /// Whose keys: an email address or a user's id [default: all that one may see]
    #[arg(long)]
    pub user: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: Reach,
}

/// Which keys are revoked.
#[derive(Clone, Debug, Args)]
pub struct RevokeKeys {
    /// The keys' ids, or how they start: `roost key list` has both
    #[arg(required = true, value_parser = NonEmptyStringValueParser::new())]
    pub keys: Vec<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: Reach,
}

/// A copy of the database that is to be made.
#[derive(Clone, Debug, Args)]
pub struct Backup {
    /// The file to write
    pub file: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What the database is to be again.
#[derive(Clone, Debug, Args)]
pub struct Restore {
    /// What `roost backup` wrote; without it, the database is taken as restored by other means (a copied
    /// file, `pg_restore`), and its log is only given another id
    pub file: Option<PathBuf>,

    /// Replace the database if it is there; the old one is kept beside it
    #[arg(long)]
    pub force: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Whether the daemon is well.
#[derive(Clone, Debug, Args)]
pub struct Health {
    /// The running daemon, such as <http://127.0.0.1:3030> [default: where it listens by its settings]
    #[arg(long, env = "ROOST_URL")]
    pub url: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where the daemon is, and who calls.
#[derive(Clone, Debug, Args)]
pub struct Reach {
    /// The running daemon, such as <http://127.0.0.1:3030> [default: where it listens by its settings; if
    /// none runs, the database itself]
    #[arg(long, env = "ROOST_URL")]
    pub url: Option<String>,

    /// A token or API key to call the daemon with; better said by the variable, which others do not see
    #[arg(long, env = "ROOST_TOKEN", hide_env_values = true)]
    pub token: Option<SecretString>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
