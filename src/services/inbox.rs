//! What is addressed to single agents and users: hirings, tasks, messages that concern them.
//!
//! Any service may tell them; whoever they are connected as hears it, and finds it in the log.

use serde_json::{Value, value::to_raw_value};

use crate::{
    core::{
        event::Draft,
        scope::{Audience, Topic},
    },
    error::{Error, Result},
};

/// Where such events come from.
pub const SOURCE: &str = "inbox";

/// What there is to tell.
pub const NAMES: [&str; 10] = [
    "hiring.created",
    "hiring.completed",
    "hiring.failed",
    "hiring.cancelled",
    "task.assigned",
    "task.completed",
    "task.failed",
    "task.cancelled",
    "task.submitted",
    "message.received",
];

/// Somebody who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To<'a> {
    /// An agent, by its id.
    Agent(&'a str),
    /// A user, by the id.
    User(&'a str),
}

/// An event that these are told and nobody else, one of [`NAMES`]; its topics are theirs, then those given.
///
/// # Errors
/// If the data cannot be written as JSON.
pub fn draft(
    name: &'static str,
    to: &[To<'_>],
    topics: impl IntoIterator<Item = Topic>,
    data: &Value,
) -> Result<Draft> {
    debug_assert!(NAMES.contains(&name), "{name} is none of the inbox's names");
    let unwritable = |error| Error::general("An event cannot be written").caused_by(error);
    let of = |to: &To<'_>| match *to {
        To::Agent(id) => ("agent", id.to_owned()),
        To::User(id) => ("user", id.to_owned()),
    };
    let ids = to.iter().map(|to| of(to).1).collect();
    let data = to_raw_value(data).map_err(unwritable)?;
    let mut draft = Draft::new(SOURCE, name, Audience::Identities(ids), data.into());
    let own = to.iter().map(|to| {
        let (kind, id) = of(to);
        Topic::new(kind, &id)
    });
    draft.topics = own.chain(topics).collect();
    Ok(draft)
}
