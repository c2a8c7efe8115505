//! `hive/events`: what agents in other processes tell of their executions, on the common log.
//!
//! Source: docs/protocols/hive.md, "Telling events". An agent's event is `{type, stream_id, execution_id, data,
//! timestamp, correlation_id}`; its row in the log has the type as name, the whole of it as data, and the
//! topics `stream:<id>` and `execution:<id>`.

use serde_json::{Value, json, value::to_raw_value};

use super::{
    Service,
    values::{optional, required},
};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        clock::Timestamp,
        event::{Draft, Level},
        scope::{Audience, Topic},
    },
    error::{Error, Result},
    store::{Store, lane::Work},
};

/// Where such events come from.
pub const SOURCE: &str = "hive";

/// The types of events, as the wire has them.
pub const TYPES: [&str; 14] = [
    "execution_started",
    "execution_completed",
    "execution_failed",
    "execution_paused",
    "execution_resumed",
    "state_changed",
    "state_conflict",
    "node_executed",
    "goal_progress",
    "goal_achieved",
    "constraint_violation",
    "stream_started",
    "stream_stopped",
    "custom",
];

/// Characters of an id at most.
const LONGEST: usize = 512;

/// Events that may be told at once.
const MOST: usize = 1_000;

/// The type of a name, in capitals or not.
pub fn type_of(name: &str) -> Option<&'static str> {
    let is_it = |known: &&&str| known.eq_ignore_ascii_case(name);
    TYPES.iter().find(is_it).copied()
}

/// Answers `create` with an event or a list of them, which are published in one unit of work, by what was
/// published.
pub struct AgentEvents;

impl Service for AgentEvents {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let is_list = call.data.is_array();
            let events = match &call.data {
                Value::Array(events) if events.len() > MOST => {
                    let text = format!("At most {MOST} events are taken at once");
                    return Err(Error::bad_request(text));
                }
                Value::Array(events) => {
                    let numbered = events.iter().enumerate();
                    let told =
                        numbered.map(|(at, event)| Told::read(event).map_err(|e| at_place(&e, at)));
                    told.collect::<Result<Vec<_>>>()?
                }
                event => vec![Told::read(event)?],
            };
            let by = call.caller.identity.clone();
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let published = events.into_iter().map(|event| event.publish(work));
                published.collect::<Result<Vec<_>>>()
            };
            let mut published = store.write(&call.turn, unit).await?;
            let answer = match published.pop() {
                Some(event) if !is_list => event,
                last => {
                    published.extend(last);
                    Value::Array(published)
                }
            };
            Ok(answer.into())
        })
    }
}

/// Says which of several is meant.
fn at_place(error: &Error, place: usize) -> Error {
    let text = format!("Event {place}: {}", error.message());
    let mut data = error.data().cloned().unwrap_or_else(|| json!({}));
    data["index"] = json!(place);
    Error::bad_request(text).with_data(data)
}

/// An event that was told, checked.
struct Told {
    event_type: &'static str,
    stream: String,
    execution: Option<String>,
    data: Value,
    at: Option<Timestamp>,
    correlation: Option<String>,
}

impl Told {
    fn read(event: &Value) -> Result<Self> {
        if !event.is_object() {
            return Err(Error::bad_request("An event must be an object"));
        }
        let wrong =
            |name: &str, text: String| Error::bad_request(text).with_data(json!({"field": name}));
        let given = event["type"].as_str();
        let event_type = given.and_then(type_of).ok_or_else(|| {
            wrong(
                "type",
                format!("`type` must be one of {}", TYPES.join(", ")),
            )
        })?;
        let data = match &event["data"] {
            Value::Null => json!({}),
            data @ Value::Object(_) => data.clone(),
            _ => return Err(wrong("data", "`data` must be an object".to_owned())),
        };
        let at = match &event["timestamp"] {
            Value::Null => None,
            given => Some(given.as_str().and_then(Timestamp::parse).ok_or_else(|| {
                let text = "`timestamp` must be RFC 3339 with its zone, such as 2026-11-22T08:00:00Z; without it, \
                            the event is told as of now";
                wrong("timestamp", text.to_owned())
            })?),
        };
        Ok(Self {
            event_type,
            stream: required(event, "stream_id", LONGEST)?,
            execution: optional(event, "execution_id", LONGEST)?,
            data,
            at,
            correlation: optional(event, "correlation_id", LONGEST)?,
        })
    }

    fn publish(self, work: &mut Work<'_>) -> Result<Value> {
        let event = json!({
            "type": self.event_type,
            "stream_id": self.stream,
            "execution_id": self.execution,
            "data": self.data,
            "timestamp": self.at.unwrap_or(work.now).to_string(),
            "correlation_id": self.correlation,
        });
        let unwritable = |error| Error::general("An event cannot be written").caused_by(error);
        let data = to_raw_value(&event).map_err(unwritable)?;
        let mut draft = Draft::new(SOURCE, self.event_type, Audience::Everyone, data.into());
        draft.topics = vec![Topic::new("stream", &self.stream)];
        let execution = self.execution.as_deref();
        draft
            .topics
            .extend(execution.map(|id| Topic::new("execution", id)));
        draft.correlation_id = self.correlation;
        draft.level = match self.event_type {
            "execution_failed" => Level::Error,
            "constraint_violation" | "state_conflict" => Level::Warn,
            _ => Level::Info,
        };
        work.publish(draft);
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(event: &Value) -> String {
        match Told::read(event) {
            Ok(_) => panic!("{event} is taken"),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn types_are_known_in_capitals_too() {
        assert_eq!(type_of("EXECUTION_STARTED"), Some("execution_started"));
        assert_eq!(type_of("node_executed"), Some("node_executed"));
        for unknown in ["", "started", "EXECUTION-STARTED"] {
            assert_eq!(type_of(unknown), None);
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_event() {
        let with = |name: &str, value: Value| {
            let mut event = json!({"type": "CUSTOM", "stream_id": "s"});
            event[name] = value;
            event
        };
        assert!(Told::read(&with("data", json!({"a": 1}))).is_ok());
        for (event, words) in [
            (json!("custom"), "must be an object"),
            (
                with("type", json!("nope")),
                "`type` must be one of execution_started, ",
            ),
            (with("type", Value::Null), "`type` must be one of"),
            (with("stream_id", Value::Null), "`stream_id` must be"),
            (with("stream_id", json!("")), "`stream_id` must be"),
            (
                with("stream_id", json!("x".repeat(513))),
                "`stream_id` must be",
            ),
            (with("execution_id", json!(7)), "`execution_id` must be"),
            (
                with("correlation_id", json!([])),
                "`correlation_id` must be",
            ),
            (with("data", json!([1])), "`data` must be an object"),
            (
                with("timestamp", json!("2026-11-21T00:38:19.511830")),
                "with its zone",
            ),
            (with("timestamp", json!(5)), "with its zone"),
        ] {
            assert!(refused(&event).contains(words), "{event}");
        }
    }
}
