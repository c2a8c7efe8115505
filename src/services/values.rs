//! Small checks and defaults that several services share.

use serde_json::Value;

use crate::{
    core::Record,
    error::{Error, Result},
};

/// Sets a field that is missing or null.
pub fn fill(record: &mut Record, name: &str, value: impl FnOnce() -> Value) {
    if record.get(name).is_none_or(Value::is_null) {
        record.insert(name.to_owned(), value());
    }
}

/// Refuses a field whose value is not one of these words.
pub fn one_of(record: &Record, name: &str, words: &[&str]) -> Result<()> {
    match record.get(name) {
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(()),
        None => Ok(()),
        Some(_) => Err(Error::bad_request(format!(
            "`{name}` must be one of {}",
            words.join(", ")
        ))),
    }
}

/// Refuses an id that a client chose and that could not be told apart in a path.
pub fn plain_id(record: &Record, name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match record.get(name) {
        Some(Value::String(id)) if !id.is_empty() && id.len() <= 128 && id.chars().all(allowed) => {
            Ok(())
        }
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Error::bad_request(format!(
            "`{name}` must be 1 to 128 letters, digits, '-', '_' or '.'"
        ))),
    }
}

/// A field that holds an object, and the keys that clients read in it without a guard.
pub type Shape = (&'static str, fn() -> Value);

/// Refuses what should be an object and is none: one bad record would blank every viewer's page.
pub fn objects<'a>(record: &Record, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let wrong = |name: &&str| {
        let value = record.get(*name);
        value.is_some_and(|value| !value.is_object() && !value.is_null())
    };
    match names.into_iter().find(wrong) {
        Some(name) => Err(Error::bad_request(format!("`{name}` must be an object"))),
        None => Ok(()),
    }
}

/// Refuses what should be a list and is none.
pub fn lists<'a>(record: &Record, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let wrong = |name: &&str| {
        let value = record.get(*name);
        value.is_some_and(|value| !value.is_array() && !value.is_null())
    };
    match names.into_iter().find(wrong) {
        Some(name) => Err(Error::bad_request(format!("`{name}` must be a list"))),
        None => Ok(()),
    }
}

/// Gives an object field the keys that it lacks.
pub fn complete(record: &mut Record, name: &str, defaults: Value) {
    match (record.get_mut(name), defaults) {
        (Some(Value::Object(given)), Value::Object(defaults)) => {
            for (key, value) in defaults {
                given.entry(key).or_insert(value);
            }
        }
        (_, defaults) => drop(record.insert(name.to_owned(), defaults)),
    }
}

/// The same for those object fields that a change names.
pub fn complete_named(changes: &mut Record, shapes: &[Shape]) {
    for (name, defaults) in shapes {
        if changes.contains_key(*name) {
            complete(changes, name, defaults());
        }
    }
}

/// Drops fields that may not change.
pub fn keep(changes: &mut Record, names: &[&str]) {
    changes.retain(|name, _| !names.contains(&name.as_str()));
}

/// A field's text.
pub fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.get(name)?.as_str()
}

/// Drops empty fields: the wire leaves them out.
pub fn leave_out_nulls(records: &mut [Record]) {
    for record in records {
        record.retain(|_, value| !value.is_null());
    }
}
