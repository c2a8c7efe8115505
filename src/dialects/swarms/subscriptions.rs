//! Which log entries and events a viewer is told. What a subscription's answer had is not told again, and
//! nothing is left out between the two; what fits several subscriptions is told once.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use crate::{
    core::{Record, stamp::Seq},
    error::{Error, Result},
};

/// Subscriptions of a viewer, of each kind.
const MOST: usize = 100;

/// Entries that were told in answers and are remembered until the story comes to them.
const TOLD: usize = 1_000;

/// Entries in a subscription's answer.
const RECENT: u64 = 50;

/// What a viewer subscribed to.
#[derive(Default)]
pub(super) struct Subscriptions {
    pub(super) logs: Kind,
    pub(super) events: Kind,
}

/// Subscriptions of one kind.
#[derive(Default)]
pub(super) struct Kind(Vec<Subscription>);

struct Subscription {
    filter: Filter,
    /// What comes after it in the log.
    after: Seq,
    /// What was told in the answer, by id, although it may come after it.
    told: HashSet<String>,
}

/// What an entry must say; an entry fits all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(Vec<(&'static str, String)>);

impl Filter {
    /// Reads those fields of an object that are named; others are ignored, and null counts as nothing.
    ///
    /// # Errors
    /// `BadRequest` if one is no text, or it is no object.
    pub(super) fn read(given: &Value, names: &[&'static str]) -> Result<Self> {
        if !given.is_null() && !given.is_object() {
            return Err(wrong("What is subscribed to must be an object"));
        }
        let mut fields = Vec::new();
        for name in names {
            match given.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(value)) => fields.push((*name, value.clone())),
                Some(_) => return Err(wrong("What is filtered by must be a text")),
            }
        }
        Ok(Self(fields))
    }

    /// The query that finds what fits, newest first.
    pub(super) fn query(&self) -> Record {
        let fields = self.0.iter();
        let mut query: Record = fields
            .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
            .collect();
        query.insert("limit".to_owned(), RECENT.into());
        query
    }

    fn fits(&self, entry: &Entry) -> bool {
        self.0.iter().all(|(name, value)| {
            let said = match *name {
                "level" => Some(&entry.level),
                "category" => Some(&entry.category),
                "event_type" => Some(&entry.event_type),
                _ => entry.agent.as_ref(),
            };
            said == Some(value)
        })
    }
}

/// What is looked at of an event.
#[derive(Deserialize)]
pub(super) struct Entry {
    id: String,
    level: String,
    category: String,
    agent: Option<String>,
    event_type: String,
}

/// A log entry: an event without `category` and `swarm`.
#[derive(Deserialize, Serialize)]
struct LogEntry<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    timestamp: &'a RawValue,
    #[serde(borrow)]
    level: &'a RawValue,
    #[serde(borrow)]
    agent: &'a RawValue,
    #[serde(borrow)]
    event_type: &'a RawValue,
    #[serde(borrow)]
    message: &'a RawValue,
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// An event as a log entry.
pub(super) fn log_entry(event: &RawValue) -> Option<Box<RawValue>> {
    let entry: LogEntry<'_> = serde_json::from_str(event.get()).ok()?;
    to_raw_value(&entry).ok()
}

/// Found events as log entries.
pub(super) fn log_entries(events: Vec<Value>) -> Vec<Value> {
    let mut entries = events;
    for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
        entry.shift_remove("category");
        entry.shift_remove("swarm");
    }
    entries
}

impl Subscriptions {
    /// Whether an event is told as a log entry, and as an event.
    pub(super) fn fit(&mut self, seq: Seq, event: &RawValue) -> (bool, bool) {
        if self.logs.0.is_empty() && self.events.0.is_empty() {
            return (false, false);
        }
        let Ok(entry) = serde_json::from_str::<Entry>(event.get()) else {
            return (false, false);
        };
        (self.logs.fit(seq, &entry), self.events.fit(seq, &entry))
    }
}

impl Kind {
    /// Refuses one more if there are too many.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub(super) fn room(&self, filter: &Filter) -> Result<()> {
        let is_there = self.0.iter().any(|known| known.filter == *filter);
        if is_there || self.0.len() < MOST {
            return Ok(());
        }
        let reason = json!({"reason": ":too_many_subscriptions"});
        Err(Error::too_many_requests("There are too many subscriptions").with_data(reason))
    }

    /// Adds what comes after a place in the log, but for what was told already.
    pub(super) fn add(&mut self, filter: Filter, after: Seq, told: &[Value]) {
        let ids = told.iter().filter_map(|entry| entry["id"].as_str());
        let told: Vec<_> = ids.map(str::to_owned).collect();
        match self.0.iter_mut().find(|known| known.filter == filter) {
            // What comes between the two is still told, and what either told is not.
            Some(known) => {
                if known.told.len() > TOLD {
                    // The story has long passed them.
                    known.told.clear();
                }
                known.told.extend::<Vec<_>>(told);
            }
            None => self.0.push(Subscription {
                filter,
                after,
                told: told.into_iter().collect(),
            }),
        }
    }

    /// Removes one.
    pub(super) fn remove(&mut self, filter: &Filter) {
        self.0.retain(|known| known.filter != *filter);
    }

    /// Removes all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Each is asked: what one was told already is forgotten then.
    fn fit(&mut self, seq: Seq, entry: &Entry) -> bool {
        self.0.iter_mut().fold(false, |fits, known| {
            let is_new = seq > known.after && !known.told.remove(&entry.id);
            fits || (is_new && known.filter.fits(entry))
        })
    }
}

/// Something was said that cannot be understood.
pub(super) fn wrong(what: &'static str) -> Error {
    Error::bad_request(what).with_data(json!({"reason": ":bad_request"}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, agent: Option<&str>, level: &str) -> Box<RawValue> {
        let event = json!({
            "id": id, "timestamp": "t", "level": level, "category": "agent", "swarm": "s",
            "agent": agent, "event_type": "stdout", "message": "m", "metadata": {},
        });
        to_raw_value(&event).unwrap()
    }

    fn agent(name: Option<&str>) -> Filter {
        Filter::read(&json!({"agent": name}), &["agent"]).unwrap()
    }

    #[test]
    fn what_was_told_in_an_answer_is_not_told_again() {
        let mut all = Subscriptions::default();
        all.logs.add(agent(None), Seq(5), &[json!({"id": "7"})]);
        let fits = [(4, "4"), (6, "6"), (7, "7"), (8, "8")]
            .map(|(seq, id)| all.fit(Seq(seq), &event(id, None, "info")).0);
        assert_eq!(fits, [false, true, false, true]);
        // Subscribed again, nothing is left out that the first was not told.
        all.logs.add(agent(None), Seq(20), &[json!({"id": "10"})]);
        let fits = [(9, "9"), (10, "10"), (11, "11")]
            .map(|(seq, id)| all.fit(Seq(seq), &event(id, None, "info")).0);
        assert_eq!(fits, [true, false, true]);
    }

    #[test]
    fn subscriptions_are_independent() {
        let mut all = Subscriptions::default();
        all.logs.add(agent(None), Seq(0), &[]);
        all.logs
            .add(agent(Some("a")), Seq(0), &[json!({"id": "1"})]);
        let filter = json!({"level": "error", "mood": 5, "category": null});
        let filter = Filter::read(&filter, &["level", "category"]).unwrap();
        all.events.add(filter, Seq(0), &[]);
        let a = event("1", Some("a"), "info");
        assert_eq!(all.fit(Seq(1), &a), (true, false));
        all.logs.remove(&agent(None));
        assert_eq!(
            all.fit(Seq(2), &event("2", Some("b"), "error")),
            (false, true)
        );
        all.events.clear();
        let a = event("3", Some("a"), "error");
        assert_eq!(all.fit(Seq(3), &a), (true, false));
        for bad in [json!({"level": 5}), json!([]), json!("all")] {
            assert!(Filter::read(&bad, &["level"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn log_entries_are_events_without_where_they_come_from() {
        let event = event("1", None, "info");
        let entry = log_entry(&event).unwrap();
        let expected = r#"{"id":"1","timestamp":"t","level":"info","agent":null,"event_type":"stdout","message":"m","metadata":{}}"#;
        assert_eq!(entry.get(), expected);
        let event = serde_json::from_str(event.get()).unwrap();
        assert_eq!(
            serde_json::to_string(&log_entries(vec![event])[0]).unwrap(),
            expected
        );
    }
}
