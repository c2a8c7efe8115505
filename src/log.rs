//! The log: lines on stderr. Tokens and keys never reach it, whoever writes the line.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Stderr, Write},
};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    auth::keys::{API_KEY, REFRESH_TOKEN},
    config::{Config, LogFormat},
};

/// How secrets start: keys, refresh tokens and JSON Web Tokens.
const STARTS: [&str; 3] = [API_KEY, REFRESH_TOKEN, "eyJ"];

/// Characters of a secret at least; what is shorter is a word.
const SHORTEST: usize = 40;

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

/// Libraries that write down what passes through them, passwords included, below the level "info".
const TALKATIVE: [&str; 4] = ["engineioxide", "rmcp", "socketioxide", "tungstenite"];

/// Libraries that report as failures what clients do; `LOG` may name them.
const SILENT: &str = "rmcp=off";

/// Starts to log as the configuration says; once a process.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(format!("{SILENT},{}", config.log))
        .map_err(|error| format!("LOG cannot be read: {error}"))?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(|| Redacting(io::stderr()));
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry();
    registry
        .with(filter_fn(may_say))
        .with(filter)
        .with(lines)
        .init();
    Ok(())
}

fn may_say(line: &Metadata<'_>) -> bool {
    let talkative = |name: &&str| line.target().starts_with(*name);
    *line.level() <= Level::INFO || !TALKATIVE.iter().any(talkative)
}

/// Writes lines without their secrets. A line comes whole.
struct Redacting(Stderr);

impl Write for Redacting {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(redacted(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A text without its secrets.
fn redacted(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for start in STARTS {
        let mut from = 0;
        while let Some(found) = text[from..].find(start) {
            let begin = from + found;
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let rest = &text[begin..];
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            if length < SHORTEST {
                from = begin + start.len();
            } else {
                text.to_mut().replace_range(begin..begin + length, REDACTED);
                from = begin + REDACTED.len();
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys;

    #[test]
    fn no_secret_is_left_in_a_line() {
        let (key, token) = (keys::random(API_KEY), keys::random(REFRESH_TOKEN));
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ";
        let line = format!(
            "GET /x?token={key}&a=%22{token}%22 {{\"authorization\":\"Bearer {jwt}\"}} {key}"
        );
        let expected = "GET /x?token=[redacted]&a=%22[redacted]%22 {\"authorization\":\"Bearer [redacted]\"} [redacted]";
        assert_eq!(redacted(&line), expected);
    }

    #[test]
    fn words_are_left_as_they_are() {
        let line = "a map_of_things, start_up, eyJump ap_";
        assert!(matches!(redacted(line), Cow::Borrowed(same) if same == line));
    }
}
