//! What dialects with lasting connections share of watching something: the story that is told, what is said
//! meanwhile, and the stamps of who resumes.

use std::{borrow::Cow, sync::Arc};

use futures_util::stream::BoxStream;
use serde_json::{Value, json, value::RawValue};

use crate::{
    core::{BoxFuture, event::Event, stamp::LogId, stamp::Since, turn::Turn},
    error::{Error, Result},
};

/// Something that somebody watches.
pub(super) struct Watched {
    /// What the viewer is told first.
    pub(super) joined: Value,
    /// What the viewer is told then.
    pub(super) story: Story,
    /// Who answers what the viewer says meanwhile.
    pub(super) ears: Arc<dyn Ears>,
}

/// What a viewer is told, up to the end, or until the login or a right ends. A failure below 500 says that no
/// more may be told.
pub(super) type Story = BoxStream<'static, Result<Said>>;

/// An event that a viewer is told.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// What comes with it.
    pub(super) data: Arc<RawValue>,
}

impl Said {
    /// An event that is made for one viewer.
    pub(super) fn new(name: &'static str, data: &Value) -> Option<Self> {
        Some(Self {
            name: name.into(),
            data: serde_json::value::to_raw_value(data).ok()?.into(),
        })
    }
}

/// Answers what a viewer says.
pub(super) trait Ears: Send + Sync + 'static {
    /// Answers an event; the viewer's next one starts once the turn has passed.
    fn hear<'a>(&'a self, event: &'a str, data: Value, turn: Turn) -> BoxFuture<'a, Answered>;

    /// How a word for what went wrong is spelled.
    fn spell(&self, reason: &str) -> String {
        reason.to_owned()
    }
}

/// What an event is answered.
pub(super) struct Answered {
    /// What comes of it, or a word for what went wrong.
    pub(super) outcome: Result<Value, String>,
    /// What must not go on before the answer is on its way.
    pub(super) held: Option<Box<dyn Send>>,
}

impl Answered {
    /// An answer that holds up nothing.
    pub(super) const fn new(outcome: Result<Value, String>) -> Self {
        Self {
            outcome,
            held: None,
        }
    }
}

/// Reads where a viewer starts; `None` for null.
///
/// # Errors
/// `BadRequest` (reason `invalid_since`).
pub(super) fn since(given: &Value) -> Result<Option<Since>> {
    let since = match given {
        Value::Null => return Ok(None),
        Value::String(text) => Since::parse(text),
        other => Since::parse(&other.to_string()),
    };
    let invalid = |error: Error| error.with_data(json!({"reason": "invalid_since"}));
    since.map(Some).map_err(invalid)
}

/// An object with its event's stamp at the end, as `seq`.
pub(super) fn stamped(data: &RawValue, event: &Event, log: &LogId) -> Option<Arc<RawValue>> {
    let open = data.get().trim_end().strip_suffix('}')?.trim_end();
    let comma = if open.ends_with('{') { "" } else { "," };
    let stamp = Value::from(log.stamp(event.seq));
    let stamped = RawValue::from_string(format!(r#"{open}{comma}"seq":{stamp}}}"#));
    stamped.ok().map(Arc::from)
}
