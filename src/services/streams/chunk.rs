//! What a stream says.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use uuid::Uuid;

use super::object;
use crate::{
    core::Record,
    error::{Error, Result},
    services::{tasks::is_over, values::text},
};

/// Bytes of a chunk's content at most.
const LONGEST: usize = 64 << 10;

/// Bytes of a chunk's metadata at most.
const LONGEST_METADATA: usize = 8 << 10;

/// The kinds of chunks: what is said in the conversation, and what is made.
const KINDS: [&str; 2] = ["chat", "artifact"];

/// A stored chunk.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Its place in the stream, from 1.
    pub seq: u64,
    /// What was published, or stored.
    source: Arc<RawValue>,
    /// What every dialect sends, once somebody asks for it.
    data: OnceLock<Arc<RawValue>>,
}

/// What a listener is given.
#[derive(Clone, Debug)]
pub enum Said {
    /// The next chunk.
    Chunk(Arc<Chunk>),
    /// The end, and what came of it: `{result}`.
    Done(Arc<RawValue>),
    /// The end, and why it came to nothing: `{error}`.
    Error(Arc<RawValue>),
}

impl Said {
    /// The end of a task's stream, if the task is over.
    pub(super) fn end(task: &Record) -> Option<Self> {
        if !is_over(task) {
            return None;
        }
        let field = |name: &str| task.get(name).filter(|value| !value.is_null());
        match text(task, "status") {
            Some("completed") => {
                let result = field("output").or_else(|| field("report"));
                Some(Self::Done(object(
                    "result",
                    result.unwrap_or(&Value::Null),
                )?))
            }
            status => {
                let usual = if status == Some("stopped") {
                    "cancelled"
                } else {
                    "failed"
                };
                let report = || field("report").filter(|report| report.is_string());
                let error = field("error").or_else(report).cloned();
                let error = error.unwrap_or_else(|| json!(usual));
                Some(Self::Error(object("error", &error)?))
            }
        }
    }

    /// The event's name, the same in every dialect.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Chunk(_) => "stream.chunk",
            Self::Done(_) => "stream.done",
            Self::Error(_) => "stream.error",
        }
    }

    /// What comes with it.
    pub fn data(&self) -> &Arc<RawValue> {
        match self {
            Self::Chunk(chunk) => chunk.data(),
            Self::Done(data) | Self::Error(data) => data,
        }
    }
}

/// A chunk as the wire has it.
#[derive(Serialize)]
struct Wire<'a> {
    seq: u64,
    content: &'a str,
    kind: &'a str,
    timestamp: &'a str,
    metadata: &'a Value,
}

/// A chunk as its event has it: what every service's events say, and then the wire's.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub(super) task_id: &'a str,
    pub(super) session_id: &'a str,
    pub(super) seq: u64,
    pub(super) content: &'a str,
    pub(super) kind: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) metadata: &'a Value,
}

/// What is read of a chunk's event.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    metadata: Value,
}

impl Chunk {
    /// Reads a chunk's row.
    pub(super) fn stored(row: &Record) -> Result<Self> {
        let field = |name| text(row, name).unwrap_or_default();
        let wire = Wire {
            seq: row.get("seq").and_then(Value::as_u64).unwrap_or_default(),
            content: field("content"),
            kind: field("kind"),
            timestamp: field("at"),
            metadata: row.get("metadata").unwrap_or(&Value::Null),
        };
        Self::of(&wire).ok_or_else(|| Error::general("A chunk cannot be written"))
    }

    /// Reads a chunk's event; of what it says, only its number.
    pub(super) fn published(data: &Arc<RawValue>) -> Option<Self> {
        // No id has a quotation mark in it.
        let (_, rest) = data.get().split_once(r#","seq":"#)?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        Some(Self {
            seq: rest[..end].parse().ok()?,
            source: Arc::clone(data),
            data: OnceLock::new(),
        })
    }

    /// `{seq, content, kind, timestamp, metadata}`, as every dialect sends it.
    pub fn data(&self) -> &Arc<RawValue> {
        self.data.get_or_init(|| {
            let written = serde_json::from_str(self.source.get()).ok();
            let written = written.and_then(|heard: Heard<'_>| {
                let wire = Wire {
                    seq: self.seq,
                    content: &heard.content,
                    kind: &heard.kind,
                    timestamp: &heard.timestamp,
                    metadata: &heard.metadata,
                };
                to_raw_value(&wire).ok()
            });
            // The daemon wrote it itself.
            written.map_or_else(|| Arc::clone(&self.source), Arc::from)
        })
    }

    /// About how many bytes it holds.
    pub(super) fn weight(&self) -> usize {
        self.source.get().len()
    }

    fn of(wire: &Wire<'_>) -> Option<Self> {
        let data: Arc<RawValue> = to_raw_value(wire).ok()?.into();
        Some(Self {
            seq: wire.seq,
            source: Arc::clone(&data),
            data: OnceLock::from(data),
        })
    }
}

/// A chunk that somebody wants to emit.
#[derive(Clone, Debug)]
pub struct Piece {
    /// What tells it from others, where it may be emitted again because nobody knows whether it was.
    pub(super) id: Option<Uuid>,
    pub(super) content: String,
    pub(super) kind: &'static str,
    pub(super) metadata: Value,
}

impl Piece {
    /// What the conversation, or the work, has more of; without metadata.
    pub fn new(id: Uuid, content: String, is_chat: bool) -> Self {
        Self {
            id: Some(id),
            content,
            kind: KINDS[usize::from(!is_chat)],
            metadata: json!({}),
        }
    }

    /// Reads `{content, kind?, metadata?}`; other fields are ignored.
    ///
    /// # Errors
    /// `Unprocessable`; `data.reason` is `invalid_payload` or `invalid_kind`.
    pub fn read(data: &Value) -> Result<Self> {
        let invalid = |text: String, field: &str, reason: &str| {
            let data = json!({"reason": reason, "field": field});
            Error::unprocessable(text).with_data(data)
        };
        let content = data.get("content").and_then(Value::as_str);
        let content = content.filter(|content| {
            !content.is_empty() && content.len() <= LONGEST && !content.contains('\0')
        });
        let content = content.ok_or_else(|| {
            let text = format!("`content` must be a text of 1 to {LONGEST} bytes, without NUL");
            invalid(text, "content", "invalid_payload")
        })?;
        let kind = match data.get("kind") {
            None | Some(Value::Null) => Some("artifact"),
            Some(kind) => KINDS.into_iter().find(|known| kind == known),
        };
        let kind = kind.ok_or_else(|| {
            let text = format!("`kind` must be one of {}", KINDS.join(", "));
            invalid(text, "kind", "invalid_kind")
        })?;
        let metadata = match data.get("metadata") {
            None | Some(Value::Null) => json!({}),
            Some(metadata) => metadata.clone(),
        };
        if !metadata.is_object() || metadata.to_string().len() > LONGEST_METADATA {
            let text = format!("`metadata` must be an object of at most {LONGEST_METADATA} bytes");
            return Err(invalid(text, "metadata", "invalid_payload"));
        }
        Ok(Self {
            id: None,
            content: content.to_owned(),
            kind,
            metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_checked() {
        let reason = |data: Value| {
            let error = Piece::read(&data).err()?;
            Some(error.data()?["reason"].as_str()?.to_owned())
        };
        let invalid = Some("invalid_payload".to_owned());
        assert_eq!(reason(json!({"content": "a"})), None);
        assert_eq!(reason(json!({"content": "a".repeat(LONGEST)})), None);
        for data in [
            json!({}),
            json!(null),
            json!([]),
            json!({"content": ""}),
            json!({"content": 5}),
            json!({"content": "\0"}),
            json!({"content": "a".repeat(LONGEST + 1)}),
            json!({"content": "a", "metadata": []}),
            json!({"content": "a", "metadata": {"a": "b".repeat(LONGEST_METADATA)}}),
        ] {
            assert_eq!(reason(data.clone()), invalid, "{data}");
        }
        for kind in [json!("Chat"), json!(""), json!(1), json!({})] {
            let data = json!({"content": "a", "kind": kind});
            assert_eq!(reason(data), Some("invalid_kind".to_owned()), "{kind}");
        }
        assert_eq!(
            Piece::read(&json!({"content": "a"})).unwrap().kind,
            "artifact"
        );
        let chat = json!({"content": "a", "kind": "chat", "metadata": {"b": 1}});
        let chat = Piece::read(&chat).unwrap();
        assert_eq!((chat.kind, chat.metadata), ("chat", json!({"b": 1})));
    }

    #[test]
    fn an_event_and_a_row_say_the_same() {
        let metadata = json!({"z": 1, "a": "\u{fc}\"\n"});
        let told = Told {
            task_id: "t",
            session_id: "s",
            seq: 3,
            content: "line\nü",
            kind: "chat",
            timestamp: "2026-11-21T00:00:00.000Z",
            metadata: &metadata,
        };
        let published = Chunk::published(&to_raw_value(&told).unwrap().into()).unwrap();
        let row = json!({"seq": 3, "content": "line\nü", "kind": "chat", "at": told.timestamp, "metadata": metadata});
        let stored = Chunk::stored(row.as_object().unwrap()).unwrap();
        assert_eq!(published.seq, stored.seq);
        assert_eq!(published.data().get(), stored.data().get());
        let keys: Record = serde_json::from_str(stored.data().get()).unwrap();
        let expected = ["seq", "content", "kind", "timestamp", "metadata"];
        assert!(keys.keys().eq(expected.iter()));
    }
}
