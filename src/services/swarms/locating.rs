//! Where in a text something is: parses JSON and TOML, and finds the line of a field.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// How a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Toml,
}

impl Format {
    /// Reads a format's word, which is a file's ending, too.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// A step from a value into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    pub(super) fn key(name: &str) -> Self {
        Self::Key(name.to_owned())
    }

    /// Steps as people write them: `agents[1].backend`.
    pub(super) fn join(steps: &[Self]) -> String {
        let mut text = String::new();
        for step in steps {
            match step {
                Self::Key(name) if text.is_empty() => text.push_str(name),
                Self::Key(name) => text.extend([".", name]),
                Self::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }
}

/// Reads a text as a value.
///
/// # Errors
/// The line, and what is wrong there.
pub(super) fn parse(text: &str, format: Format) -> Result<Value, (Option<usize>, String)> {
    match format {
        Format::Json => serde_json::from_str(text).map_err(|error| {
            let said = error.to_string();
            let place = format!(" at line {} column {}", error.line(), error.column());
            let said = said.strip_suffix(&place).unwrap_or(&said);
            (
                Some(error.line()),
                format!("{said}, column {}", error.column()),
            )
        }),
        Format::Toml => toml::from_str(text).map_err(|error: toml::de::Error| {
            let line = error.span().map(|span| line_at(text, span.start));
            (line, error.message().to_owned())
        }),
    }
}

/// The line, from 1, of what the steps lead to, or of the deepest that is there.
pub(super) fn line_of(text: &str, format: Format, steps: &[Step]) -> Option<usize> {
    let place = match format {
        Format::Json => in_json(text, steps),
        Format::Toml => in_toml(text, steps)?,
    };
    Some(line_at(text, place))
}

fn line_at(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    before.matches('\n').count() + 1
}

fn in_json(text: &str, steps: &[Step]) -> usize {
    #[derive(Deserialize)]
    struct Fields<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);
    let mut here = text.trim_start();
    for step in steps {
        let inner = match step {
            Step::Key(name) => serde_json::from_str(here)
                .ok()
                .and_then(|Fields(mut fields)| fields.remove(name.as_str())),
            Step::Index(index) => serde_json::from_str::<Vec<&RawValue>>(here)
                .ok()
                .and_then(|list| list.get(*index).copied()),
        };
        let Some(inner) = inner else { break };
        here = inner.get();
    }
    // It is a part of the text.
    here.as_ptr().addr() - text.as_ptr().addr()
}

fn in_toml(text: &str, steps: &[Step]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut place = table.span().start;
    let mut here: Option<&Spanned<DeValue<'_>>> = None;
    for step in steps {
        let table = here.map_or(Some(table.get_ref()), |here| here.get_ref().as_table());
        let inner = match step {
            Step::Key(name) => table.and_then(|table| table.get(name.as_str())),
            Step::Index(index) => here
                .and_then(|here| here.get_ref().as_array())
                .and_then(|list| list.get(*index)),
        };
        let Some(inner) = inner else { break };
        place = inner.span().start;
        here = Some(inner);
    }
    Some(place)
}
