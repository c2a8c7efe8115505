//! An event as those are told it who read the log itself: the streams, and the service `events`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{event::Event, scope::Topic, stamp::LogId};

/// An event's JSON, its keys in this order.
#[derive(Serialize)]
pub struct Told<'a> {
    seq: String,
    id: String,
    at: String,
    source: &'a str,
    name: &'a str,
    level: &'static str,
    actor: Option<&'a str>,
    correlation_id: Option<&'a str>,
    topics: &'a [Topic],
    message: Option<&'a str>,
    data: &'a RawValue,
}

impl<'a> Told<'a> {
    /// An event in the form that somebody is given.
    pub fn new(event: &'a Event, data: &'a RawValue, log: &LogId) -> Self {
        Self {
            seq: log.stamp(event.seq),
            id: event.id.to_string(),
            at: event.at.to_string(),
            source: &event.source,
            name: &event.name,
            level: event.level.as_str(),
            actor: event.actor.as_deref(),
            correlation_id: event.correlation_id.as_deref(),
            topics: &event.topics,
            message: event.message.as_deref(),
            data,
        }
    }
}
