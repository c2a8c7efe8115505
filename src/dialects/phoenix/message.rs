//! What crosses the wire, apart from how it is written: refs, names, payloads, messages.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

/// A client's ref: JSON that is given back as it came, since clients compare it with `===`.
#[derive(Clone, Debug)]
pub(super) struct Ref(Arc<RawValue>);

impl Ref {
    /// No ref.
    pub(super) fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// A ref as JSON.
    pub(super) fn json(raw: &RawValue) -> Self {
        Self(raw.to_owned().into())
    }

    /// A ref of a binary frame, where an empty one is none.
    pub(super) fn text(text: &str) -> Self {
        match serde_json::value::to_raw_value(text) {
            Ok(raw) if !text.is_empty() => Self(raw.into()),
            _ => Self::null(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_null(&self) -> bool {
        self.0.get() == "null"
    }

    /// Its JSON.
    pub(super) fn get(&self) -> &str {
        self.0.get()
    }

    /// Itself, or another where it is null.
    pub(super) fn or(&self, other: &Self) -> Self {
        if self.is_null() { other } else { self }.clone()
    }

    /// What a binary frame carries.
    pub(super) fn bytes(&self) -> String {
        serde_json::from_str(self.get()).unwrap_or_else(|_| {
            let null = self.is_null();
            if null { "" } else { self.get() }.to_owned()
        })
    }
}

impl PartialEq for Ref {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl Serialize for Ref {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A topic or an event as a client wrote it: a string, unless it wrote something else.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// A string.
    Text(Arc<str>),
    /// Other JSON; it names nothing, but is given back.
    Other(Ref),
}

impl Name {
    /// The string, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }

    /// Whether it is this string.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text() == Some(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Other(json) => json.serialize(serializer),
        }
    }
}

/// A message from a client.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The ref of the join that it belongs to.
    pub(super) join_ref: Ref,
    /// What its reply will refer to.
    pub(super) reference: Ref,
    /// The topic.
    pub(super) topic: Name,
    /// The event.
    pub(super) event: Name,
    /// What comes with it.
    pub(super) body: Body,
    /// Bytes of its frame.
    pub(super) size: usize,
}

/// A payload that waits to be read. It keeps its frame in memory, and nothing more.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// JSON.
    Json(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Body {
    /// Takes it, and leaves nothing.
    pub(super) const fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Binary(Bytes::new()))
    }

    /// Reads it; `None` if the JSON is well formed but says nothing, such as half a surrogate pair.
    pub(super) fn read(self) -> Option<Payload> {
        match self {
            Self::Json(bytes) => serde_json::from_slice(&bytes).ok().map(Payload::Json),
            Self::Binary(bytes) => Some(Payload::Binary(bytes)),
        }
    }
}

/// What comes with an event or a reply.
#[derive(Clone, Debug)]
pub enum Payload {
    /// JSON; its keys are sorted on the wire, as Phoenix sorts them.
    Json(Value),
    /// JSON that was serialised already, such as an event's of the log; it is sent as it is.
    Raw(Arc<RawValue>),
    /// Bytes, which version 2 alone can carry.
    Binary(Bytes),
}

impl Payload {
    /// `{}`.
    pub fn empty() -> Self {
        Self::Json(Value::Object(serde_json::Map::new()))
    }

    /// The JSON value; null for anything else.
    pub const fn json(&self) -> &Value {
        match self {
            Self::Json(value) => value,
            Self::Raw(_) | Self::Binary(_) => &Value::Null,
        }
    }
}

impl Payload {
    /// About how many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Json(value) => size(value),
            Self::Raw(raw) => raw.get().len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

fn size(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(object) => {
            let entries = object.iter();
            let entry =
                |(key, value): (&String, &Value)| size_of::<String>() + key.len() + size(value);
            entries.map(entry).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inside
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<Arc<RawValue>> for Payload {
    fn from(raw: Arc<RawValue>) -> Self {
        Self::Raw(raw)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => Sorted(value).serialize(serializer),
            Self::Raw(raw) => raw.serialize(serializer),
            Self::Binary(_) => Err(serde::ser::Error::custom("bytes are no JSON")),
        }
    }
}

/// A value whose objects are written with their keys sorted.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(object) => {
                let mut entries: Vec<_> = object.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Sorted(value))?;
                }
                map.end()
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            value => value.serialize(serializer),
        }
    }
}
