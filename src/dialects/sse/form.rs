//! How a stream spells what it tells.

use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use crate::core::{
    Record,
    event::Event,
    feed::Reset,
    stamp::{LogId, Seq},
    told::Told,
};

/// The two forms of a stream.
pub(super) enum Form {
    /// The log's own: events as [`Told`], which resume.
    Log,
    /// What Feathers 6 clients read: `{event, data, path}`.
    ///
    /// Source: npm feathers 6.0.0-pre.11, `client/sse.ts`.
    Feathers {
        /// The path that the client asked for: it looks whether it is its own.
        path: String,
        /// What the client asked; it is told so.
        query: Record,
    },
}

/// An item of Feathers' form.
#[derive(Serialize)]
struct Published<'a, T> {
    event: &'a str,
    data: T,
    path: &'a str,
}

impl Form {
    /// What a client is told first.
    pub(super) fn greeting(&self) -> String {
        match self {
            // So that the client knows at once that it is connected.
            Self::Log => ": roost\n\n".to_owned(),
            Self::Feathers { path, query } => {
                block(None, None, &published("connected", query, path))
            }
        }
    }

    /// An event in the form that the client is given.
    pub(super) fn event(&self, log: &LogId, event: &Event, data: &RawValue) -> String {
        let json = match self {
            Self::Log => serde_json::to_string(&Told::new(event, data, log)).unwrap_or_default(),
            Self::Feathers { .. } => published(&event.name, data, &event.source),
        };
        block(Some(&log.stamp(event.seq)), None, &json)
    }

    /// That the client must read its records anew; the stamp lets it resume from here.
    pub(super) fn reset(&self, log: &LogId, reset: &Reset) -> String {
        let (stamp, told) = (log.stamp(reset.latest), reset.told(log));
        match self {
            Self::Log => block(Some(&stamp), Some("reset"), &told.to_string()),
            Self::Feathers { path, .. } => {
                block(Some(&stamp), None, &published("reset", &told, path))
            }
        }
    }

    /// That the connection is alive, and how far the log has gone past the client without anything
    /// for it: the place from which it resumes.
    ///
    /// The place is an event, although a lone `id:` would do by the standard: npm's `eventsource`
    /// forgets an id without data. `EventSource` gives events of this type to nobody who did not ask.
    pub(super) fn heartbeat(&self, log: &LogId, passed: Option<Seq>) -> String {
        match (self, passed) {
            (Self::Log, Some(seq)) => {
                let stamp = log.stamp(seq);
                let told: Value = json!({"seq": stamp});
                block(Some(&stamp), Some("place"), &told.to_string())
            }
            _ => ":\n\n".to_owned(),
        }
    }
}

fn published(event: &str, data: impl Serialize, path: &str) -> String {
    serde_json::to_string(&Published { event, data, path }).unwrap_or_default()
}

fn block(id: Option<&str>, event: Option<&str>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let event = event
        .map(|event| format!("event: {event}\n"))
        .unwrap_or_default();
    [&id, &event, "data: ", data, "\n\n"].concat()
}
