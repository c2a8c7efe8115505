//! Answers with bytes in them: Socket.IO sends those beside the text.

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Value, json};

use crate::core::call::{Answer, attachment_index};

/// A value in which references to attachments are written as the bytes themselves; the library puts
/// its placeholders where they stood.
struct Filled<'a> {
    value: &'a Value,
    answer: &'a Answer,
}

/// Writes an answer with its bytes in place.
pub(super) fn fill<S: Serializer>(answer: &Answer, serializer: S) -> Result<S::Ok, S::Error> {
    let value = &answer.data;
    Filled { value, answer }.serialize(serializer)
}

impl Serialize for Filled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |value| Filled {
            value,
            answer: self.answer,
        };
        let bytes = attachment_index(self.value).and_then(|at| self.answer.attachments.get(at));
        match (bytes, self.value) {
            (Some(bytes), _) => serializer.serialize_bytes(bytes),
            (None, Value::Array(items)) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&inner(item))?;
                }
                list.end()
            }
            (None, Value::Object(entries)) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (name, value) in entries {
                    map.serialize_entry(name, &inner(value))?;
                }
                map.end()
            }
            (None, value) => value.serialize(serializer),
        }
    }
}

/// An answer where there is text only: bytes become `{"type": "Buffer", "data": [104, …]}`, as
/// Node.js writes them.
pub(super) fn as_json(mut answer: Answer) -> Value {
    let attachments = std::mem::take(&mut answer.attachments);
    if !attachments.is_empty() {
        spell(&mut answer.data, &attachments);
    }
    answer.data
}

fn spell(value: &mut Value, attachments: &[Bytes]) {
    if let Some(bytes) = attachment_index(value).and_then(|at| attachments.get(at)) {
        *value = json!({"type": "Buffer", "data": bytes.to_vec()});
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| spell(item, attachments)),
        Value::Object(entries) => entries
            .values_mut()
            .for_each(|item| spell(item, attachments)),
        _ => {}
    }
}
