//! Presence as Phoenix spells it: keys with their metas, each with its `phx_ref`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::message::Payload;
use crate::core::presence::{Diff, Meta, Present};

/// `presence_state`: who is there.
pub(super) fn state(present: &Present) -> Payload {
    keys(present).into()
}

/// `presence_diff`: who came and who went; both keys are always there.
pub(super) fn diff(diff: &Diff) -> Payload {
    let both = [("joins", keys(&diff.joins)), ("leaves", keys(&diff.leaves))];
    let both = both.map(|(key, value)| (key.to_owned(), value));
    Value::Object(Map::from_iter(both)).into()
}

fn keys(present: &Present) -> Value {
    let entry = |metas: &Vec<Arc<Meta>>| {
        let metas = metas.iter().map(|meta| self::meta(meta)).collect();
        Value::Object(Map::from_iter([("metas".to_owned(), Value::Array(metas))]))
    };
    let entries = present
        .iter()
        .map(|(key, metas)| (key.clone(), entry(metas)));
    Value::Object(entries.collect())
}

fn meta(meta: &Meta) -> Value {
    let mut object = meta.data.clone();
    object.insert("phx_ref".to_owned(), (*meta.reference).into());
    if let Some(previous) = &meta.previous {
        object.insert("phx_ref_prev".to_owned(), (**previous).into());
    }
    object.into()
}
