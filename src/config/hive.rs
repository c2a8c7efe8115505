//! What an operator can set about Hive, and the commands that belong to it.

use clap::{Args, builder::NonEmptyStringValueParser, value_parser};
use secrecy::SecretString;

use super::{Config, commands::Reach};

/// Where `roost stream` listens if nothing is said.
const HOST: &str = "localhost";
const PORT: u16 = 8765;

/// How Hive is served (docs/protocols/hive.md).
#[derive(Clone, Debug, Args)]
pub struct HiveConfig {
    /// Addresses of listeners for Hive alone, at any path, separated by commas, such as localhost:8765
    #[arg(long, env = "HIVE_LISTEN", value_delimiter = ',', global = true)]
    pub hive_listen: Vec<String>,

    /// Signs tokens for watching streams, 32 characters or more; if nothing is said, what signs logins does
    #[arg(long, env = "HIVE_SECRET", hide_env_values = true, global = true)]
    pub hive_secret: Option<SecretString>,
}

/// How `roost stream` runs the daemon.
#[derive(Clone, Debug, Args)]
pub struct Stream {
    /// What to log, as Hive says it: DEBUG, INFO, WARNING, ERROR [default: LOG]
    #[arg(long, value_parser = level)]
    pub log_level: Option<String>,
}

/// A token that is to be made.
#[derive(Clone, Debug, Args)]
pub struct MakeToken {
    /// Whose token it is: an email address or a user's id
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub user: String,

    /// The streams that it lets the user watch; `*` for all that the user may see
    #[arg(id = "stream", long = "stream", required = true, num_args = 1.., value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub streams: Vec<String>,

    /// Hours that it is good
    #[arg(long, default_value_t = 24, value_parser = value_parser!(u32).range(1..=8_760))]
    pub hours: u32,

    #[command(flatten)]
    #[expect(missing_docs, reason = "the type says what it is")]
    pub reach: Reach,
}

impl Config {
    /// The settings of `roost stream`: `--host` and `--port` say where Hive is, `LISTEN` where the rest.
    #[must_use]
    pub fn streaming(mut self, stream: Stream) -> Self {
        let (host, port) = (self.host.take(), self.port.take());
        if host.is_some() || port.is_some() || self.hive.hive_listen.is_empty() {
            let host = host.unwrap_or_else(|| HOST.to_owned());
            let host = if host.contains(':') {
                format!("[{host}]")
            } else {
                host
            };
            self.hive.hive_listen = vec![format!("{host}:{}", port.unwrap_or(PORT))];
        }
        if let Some(level) = stream.log_level {
            self.log = level;
        }
        self
    }
}

/// A level in Python's words.
fn level(text: &str) -> Result<String, String> {
    let level = match text.to_ascii_lowercase().as_str() {
        "debug" => "debug",
        "info" => "info",
        "warning" | "warn" => "warn",
        "error" | "critical" => "error",
        _ => return Err("one of DEBUG, INFO, WARNING, ERROR".to_owned()),
    };
    Ok(level.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};

    fn streaming(arguments: &[&str]) -> (Vec<String>, String, Vec<(String, u16)>) {
        let cli = Cli::parse_from([&["roost", "stream"], arguments].concat());
        let Some(Command::Stream(stream)) = cli.command else {
            panic!("another command");
        };
        let config = cli.config.streaming(stream);
        let addresses = config.addresses().unwrap();
        (config.hive.hive_listen, config.log, addresses)
    }

    #[test]
    fn stream_s_host_and_port_are_hive_s() {
        let shared = vec![("localhost".to_owned(), 3030)];
        let all = [
            "--host",
            "0.0.0.0",
            "--port",
            "8765",
            "--log-level",
            "WARNING",
        ];
        let expected = (vec!["0.0.0.0:8765".to_owned()], "warn".to_owned(), shared);
        assert_eq!(streaming(&all), expected);
        for (arguments, hive) in [
            (&[][..], "localhost:8765"),
            (&["--port", "9000"], "localhost:9000"),
            (&["--host", "::1"], "[::1]:8765"),
            (&["--hive-listen", "127.0.0.1:7"], "127.0.0.1:7"),
        ] {
            assert_eq!(streaming(arguments).0, [hive], "{arguments:?}");
        }
        let listen = streaming(&["--listen", "localhost:4000", "--port", "9000"]);
        assert_eq!(listen.2, [("localhost".to_owned(), 4000)]);
    }

    #[test]
    fn a_token_needs_a_user_and_streams() {
        let parse = |arguments: &[&str]| {
            Cli::try_parse_from([&["roost", "token"], arguments].concat()).map(|cli| cli.command)
        };
        let made = parse(&["--user", "u", "--stream", "a", "b", "--stream", "c,d"]).unwrap();
        let Some(Command::Token(token)) = made else {
            panic!("another command");
        };
        assert_eq!(
            (token.streams, token.hours),
            (["a", "b", "c", "d"].map(str::to_owned).to_vec(), 24)
        );
        for bad in [
            &["--user", "u"][..],
            &["--stream", "a"],
            &["--user", "u", "--stream", "a", "--hours", "0"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
