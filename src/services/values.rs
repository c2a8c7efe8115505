//! Small checks and defaults that several services share.

use serde_json::{Value, json};

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

/// Drops fields that may not change.
pub fn keep(changes: &mut Record, names: &[&str]) {
    changes.retain(|name, _| !names.contains(&name.as_str()));
}

/// A field's text.
pub fn text<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.get(name)?.as_str()
}

/// An object's fields; none of anything else.
pub fn as_record(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        _ => Record::new(),
    }
}

/// Drops empty fields: the wire leaves them out.
pub fn leave_out_nulls(records: &mut [Record]) {
    for record in records {
        record.retain(|_, value| !value.is_null());
    }
}

/// A text that a call's data must hold, of 1 to so many characters, without NUL.
///
/// # Errors
/// `BadRequest`; `data.field` names it.
pub fn required(data: &Value, name: &str, longest: usize) -> Result<String> {
    short(data.get(name).unwrap_or(&Value::Null), name, longest)
}

/// As [`required`], of a value by itself.
///
/// # Errors
/// As [`required`].
pub fn short(value: &Value, name: &str, longest: usize) -> Result<String> {
    let fits = |text: &&str| (1..=longest).contains(&text.chars().count()) && !text.contains('\0');
    let value = value.as_str().filter(fits);
    value.map(str::to_owned).ok_or_else(|| {
        let text = format!("`{name}` must be a text of 1 to {longest} characters, without NUL");
        Error::bad_request(text).with_data(json!({"field": name}))
    })
}

/// As [`required`], for what may be missing, null or empty.
///
/// # Errors
/// As [`required`].
pub fn optional(data: &Value, name: &str, longest: usize) -> Result<Option<String>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(_) => required(data, name, longest).map(Some),
    }
}
