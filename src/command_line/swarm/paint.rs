//! How swarms look in a terminal. Colours are left out where none is, or where `NO_COLOR` is set.

use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::super::{
    Outcome,
    output::{cell, lines, plain, tell, text},
};

/// A text and its colour.
pub(super) struct Painted<'a>(Style, &'a str);

impl<'a> Painted<'a> {
    /// A word in the colour of what it says.
    pub(super) fn word(text: &'a str) -> Self {
        Self(style(text.trim_end()), text)
    }

    /// What matters less.
    pub(super) const fn aside(text: &'a str) -> Self {
        Self(Style::new().dimmed(), text)
    }
}

impl Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(style, text) = self;
        write!(f, "{style}{text}{style:#}")
    }
}

/// The colour of a state or level.
fn style(word: &str) -> Style {
    let colour = match word {
        "running" | "working" => AnsiColor::Green,
        "starting" | "initializing" | "paused" | "stopping" | "warning" => AnsiColor::Yellow,
        "error" => AnsiColor::Red,
        "stopped" | "debug" => return Style::new().dimmed(),
        _ => return Style::new(),
    };
    colour.on_default()
}

/// Prints a line; whether anybody reads on.
///
/// # Errors
/// A sentence, if nothing can be printed.
pub(super) fn line(line: impl Display) -> Outcome<bool> {
    tell(anstream::stdout(), line)
}

/// Prints a line.
///
/// # Errors
/// As [`line`].
pub(super) fn say(text: impl Display) -> Outcome {
    line(text).map(drop)
}

/// Prints rows in columns below their titles, words in their colours.
///
/// # Errors
/// As [`line`].
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> Outcome {
    for cells in lines(titles, rows) {
        let painted = cells
            .each_ref()
            .map(|(_, cell)| Painted::word(cell).to_string());
        say(painted.join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints an event.
///
/// # Errors
/// As [`line`].
pub(super) fn event(event: &Value) -> Outcome<bool> {
    let [at, level, category, swarm] =
        ["timestamp", "level", "category", "swarm"].map(|name| cell(&event[name]));
    let (padded, message) = (format!("{level:7}"), plain(text(event, "message")));
    let place = match event["agent"].as_str() {
        Some(agent) => format!("{swarm}/{}", plain(agent)),
        None => swarm,
    };
    let (at, level) = (Painted::aside(&at), Painted(style(&level), &padded));
    line(format_args!(
        "{at}  {level}  {category:8}  {place:20}  {message}"
    ))
}

/// Prints what somebody said; further lines stand below its text.
///
/// # Errors
/// As [`line`].
pub(super) fn said(message: &Value) -> Outcome {
    let [at, agent, role] = ["timestamp", "agent", "role"].map(|name| cell(&message[name]));
    let content = match &message["content"] {
        Value::String(content) => content.clone(),
        other => other.to_string(),
    };
    let mut parts = content.lines();
    let first = plain(parts.next().unwrap_or_default());
    let at = Painted::aside(&at);
    say(format_args!("{at}  {agent:16}  {role:9}  {first}"))?;
    parts.try_for_each(|part| say(format_args!("    {}", plain(part))))
}
