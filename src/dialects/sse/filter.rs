//! Which events a stream carries: what its query says.

use serde_json::Value;

use crate::{
    core::{
        Record,
        event::{Event, Level},
        scope::KINDS,
    },
    error::{Error, Result},
};

/// What an event says of itself.
const FIELDS: [&str; 5] = ["source", "name", "level", "actor", "correlation_id"];

/// What the query says besides: where to start, and who listens.
pub(super) const OTHERS: [&str; 3] = ["since", "lastEventId", "token"];

/// For each name the values that an event may have; an event must fit all of them.
#[derive(Debug, Default)]
pub(super) struct Filter(Vec<(String, Vec<String>)>);

impl Filter {
    /// Reads a query: `level=warn`, `level=warn&level=error` or `level[$in][]=warn`.
    ///
    /// # Errors
    /// `BadRequest` for a name or operator that is not known, and for a level that there is not.
    pub(super) fn read(query: &Record) -> Result<Self> {
        let mut wanted = Vec::new();
        for (name, value) in query {
            let known = FIELDS.iter().chain(&KINDS);
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            if !known.clone().any(|known| known == name) {
                let known: Vec<_> = known.chain(&OTHERS).copied().collect();
                return Err(Error::bad_request(format!(
                    "Unknown parameter '{name}'; a stream takes {}",
                    known.join(", ")
                )));
            }
            wanted.push((name.clone(), values(name, value)?));
        }
        Ok(Self(wanted))
    }

    /// Carries events of one service only.
    pub(super) fn of(mut self, service: &str) -> Self {
        self.0.push(("source".to_owned(), vec![service.to_owned()]));
        self
    }

    /// Whether the stream carries an event.
    pub(super) fn fits(&self, event: &Event) -> bool {
        self.0.iter().all(|(name, values)| {
            let is =
                |value: Option<&str>| values.iter().any(|wanted| Some(wanted.as_str()) == value);
            match name.as_str() {
                "source" => is(Some(&event.source)),
                "name" => is(Some(&event.name)),
                "level" => is(Some(event.level.as_str())),
                "actor" => is(event.actor.as_deref()),
                "correlation_id" => is(event.correlation_id.as_deref()),
                kind => event.topics_of(kind).any(|id| is(Some(id))),
            }
        })
    }
}

fn values(name: &str, value: &Value) -> Result<Vec<String>> {
    let wrong = || {
        Error::bad_request(format!(
            "`{name}` takes a value, several, or a list as {name}[$in][]"
        ))
    };
    let listed = match value {
        Value::Object(operators) => match operators.iter().next() {
            Some((operator, listed)) if operators.len() == 1 && operator == "$in" => listed,
            _ => return Err(wrong()),
        },
        plain => plain,
    };
    let one = std::slice::from_ref(listed);
    let values = listed.as_array().map_or(one, Vec::as_slice).iter();
    let values = values
        .map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong))
        .collect::<Result<Vec<_>>>()?;
    let unknown = |word: &&String| Level::parse(word).is_none();
    match values.iter().find(unknown).filter(|_| name == "level") {
        Some(word) => Err(Error::bad_request(format!(
            "`level` must be one of debug, info, warn, error, not '{word}'"
        ))),
        None => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, value::RawValue};

    use super::*;
    use crate::core::{
        clock::Timestamp,
        event::Draft,
        scope::{Audience, Topic},
        stamp::Seq,
    };

    fn event() -> Event {
        let data = RawValue::NULL.to_owned().into();
        let mut draft = Draft::new("messages", "created", Audience::Everyone, data);
        draft.topics = vec![Topic::new("session", "s"), Topic::new("board", "b")];
        Event {
            seq: Seq(1),
            id: uuid::Uuid::nil(),
            at: Timestamp::from_millis(0).expect("a moment"),
            draft,
        }
    }

    #[test]
    fn an_event_must_fit_every_name_and_one_value_of_each() {
        let cases = [
            (json!({}), true),
            (json!({"source": "messages", "session": "s"}), true),
            (json!({"source": ["boards", "messages"]}), true),
            (json!({"level": {"$in": ["warn", "info"]}}), true),
            (json!({"level": {"$in": "warn"}}), false),
            (json!({"board": "b", "session": "other"}), false),
            (json!({"task": "s"}), false),
            (json!({"actor": "owner"}), false),
            (
                json!({"since": "0", "token": "t", "lastEventId": "x"}),
                true,
            ),
        ];
        for (query, fits) in cases {
            let filter = Filter::read(query.as_object().expect("a query")).expect("a filter");
            assert_eq!(filter.fits(&event()), fits, "{query}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        for query in [
            json!({"colour": "red"}),
            json!({"$limit": "1"}),
            json!({"source": {"$ne": "x"}}),
            json!({"source": {"$in": ["x"], "$nin": ["y"]}}),
            json!({"source": {"$in": [{"a": "b"}]}}),
            json!({"level": "loud"}),
        ] {
            let refused = Filter::read(query.as_object().expect("a query")).expect_err("refused");
            assert_eq!(refused.kind().status(), 400, "{query}");
        }
    }
}
