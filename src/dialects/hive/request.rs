//! What clients ask.

use serde_json::{Value, json};

use super::filter::Filter;
use crate::{core::stamp::Since, dialects::watching::since, services::agent_events::type_of};

/// What a client asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To be told who it is.
    Auth(Value),
    /// To be told events from now on, or since a place in the log.
    Subscribe {
        filter: Filter,
        since: Option<Since>,
        /// The filter, as it was sent.
        echo: Value,
    },
    /// To be told none.
    Unsubscribe,
    /// Whether anybody is there.
    Ping,
}

impl Asked {
    /// Reads a frame.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) fn read(frame: &[u8]) -> Result<Self, String> {
        let asked: Value = serde_json::from_slice(frame).unwrap_or_default();
        if !asked.is_object() {
            return Err("Invalid JSON".to_owned());
        }
        match asked["action"].as_str() {
            Some("auth") => Ok(Self::Auth(asked["token"].clone())),
            Some("subscribe") => {
                let since = since(&asked["since"]).map_err(|error| error.message().to_owned())?;
                Ok(Self::Subscribe {
                    filter: filter(&asked)?,
                    since,
                    echo: json!({
                        "stream_id": asked["stream_id"],
                        "execution_id": asked["execution_id"],
                        "event_types": asked["event_types"],
                    }),
                })
            }
            Some("unsubscribe") => Ok(Self::Unsubscribe),
            Some("ping") => Ok(Self::Ping),
            Some(action) => Err(format!("Unknown action: {action}")),
            None => Err(format!("Unknown action: {}", python(&asked["action"]))),
        }
    }
}

fn filter(asked: &Value) -> Result<Filter, String> {
    let text = |name: &str| match &asked[name] {
        given if is_nothing(given) => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(format!("{name} must be a string")),
    };
    let event_types = match &asked["event_types"] {
        given if is_nothing(given) => None,
        Value::Array(names) => Some(names.iter().map(event_type).collect::<Result<_, _>>()?),
        _ => return Err("event_types must be a list of event types".to_owned()),
    };
    Ok(Filter {
        stream: text("stream_id")?,
        execution: text("execution_id")?,
        event_types,
        ..Filter::default()
    })
}

fn event_type(name: &Value) -> Result<&'static str, String> {
    let unknown = || {
        format!(
            "Invalid event type: {} is not a valid EventType",
            python(name)
        )
    };
    name.as_str().and_then(type_of).ok_or_else(unknown)
}

/// Whether a filter is none, as Python sees it.
fn is_nothing(given: &Value) -> bool {
    match given {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

/// A value as Python writes it, where that is simple.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(frame: &str) -> String {
        Asked::read(frame.as_bytes()).unwrap_err()
    }

    fn subscription(frame: &str) -> (Filter, Value) {
        match Asked::read(frame.as_bytes()) {
            Ok(Asked::Subscribe {
                filter,
                since: None,
                echo,
            }) => (filter, echo),
            other => panic!("no subscription: {other:?}"),
        }
    }

    #[test]
    fn says_what_it_does_not_understand() {
        for frame in [
            "",
            "rubbish",
            "[]",
            "5",
            "null",
            "\"subscribe\"",
            "{",
            "\u{0}",
        ] {
            assert_eq!(error(frame), "Invalid JSON", "{frame}");
        }
        for (frame, words) in [
            (r#"{}"#, "Unknown action: None"),
            (r#"{"action":null}"#, "Unknown action: None"),
            (r#"{"action":7}"#, "Unknown action: 7"),
            (r#"{"action":"nope"}"#, "Unknown action: nope"),
            (
                r#"{"action":"subscribe","stream_id":7}"#,
                "stream_id must be a string",
            ),
            (
                r#"{"action":"subscribe","execution_id":[1]}"#,
                "execution_id must be a string",
            ),
            (
                r#"{"action":"subscribe","event_types":"custom"}"#,
                "event_types must be a list of event types",
            ),
            (
                r#"{"action":"subscribe","event_types":["CUSTOM","NOPE"]}"#,
                "Invalid event type: 'NOPE' is not a valid EventType",
            ),
            (
                r#"{"action":"subscribe","event_types":[5]}"#,
                "Invalid event type: 5 is not a valid EventType",
            ),
            (
                r#"{"action":"subscribe","since":7}"#,
                "`since` is neither \"now\", \"0\" nor a stamp that this daemon gave",
            ),
        ] {
            assert_eq!(error(frame), words);
        }
    }

    #[test]
    fn what_is_nothing_filters_nothing_and_is_echoed() {
        let frame = r#"{"action":"subscribe","stream_id":"","event_types":[],"execution_id":null}"#;
        let (filter, echo) = subscription(frame);
        assert_eq!(filter, Filter::default());
        let expected = r#"{"stream_id":"","execution_id":null,"event_types":[]}"#;
        assert_eq!(echo.to_string(), expected);
    }

    #[test]
    fn a_type_that_is_named_often_is_kept_once_and_echoed_as_it_was_sent() {
        let names = [r#""CUSTOM","custom","Goal_Progress""#; 30_000].join(",");
        let frame = format!(r#"{{"action":"subscribe","event_types":[{names}]}}"#);
        let (filter, echo) = subscription(&frame);
        let expected = ["custom", "goal_progress"].into();
        assert_eq!(filter.event_types, Some(expected));
        assert_eq!(echo["event_types"].as_array().map(Vec::len), Some(90_000));
    }
}
