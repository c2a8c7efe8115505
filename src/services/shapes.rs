//! What is inside the fields that hold objects and lists. Clients read it without a guard: one bad
//! record would blank every viewer's page, so what is missing is filled in and what does not fit is
//! refused.

use serde_json::{Value, json};

use crate::{
    core::{Record, clock::Timestamp},
    error::{Error, Result},
};

/// What a key inside an object holds, and what it holds if nothing is said.
#[derive(Clone, Copy, Debug)]
pub enum Inner {
    /// A text.
    Text(&'static str),
    /// True or false.
    Flag(bool),
    /// A whole number from 0.
    Count,
    /// A moment, the present one if nothing is said.
    Moment,
    /// An id, or null.
    Reference,
    /// A list of texts.
    Texts,
}

/// A field that holds an object with these keys, and maybe others.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The field.
    pub field: &'static str,
    /// The keys that are always there.
    pub keys: &'static [(&'static str, Inner)],
}

impl Shape {
    /// Completes the field of a new record.
    ///
    /// # Errors
    /// `BadRequest` if something in it does not fit.
    pub fn complete(&self, record: &mut Record, now: Timestamp) -> Result<()> {
        let field = record.entry(self.field).or_insert(Value::Null);
        if field.is_null() {
            *field = json!({});
        }
        self.fit(field, now)
    }

    /// Completes the field if a change names it.
    ///
    /// # Errors
    /// `BadRequest` if something in it does not fit.
    pub fn complete_named(&self, changes: &mut Record, now: Timestamp) -> Result<()> {
        if changes.contains_key(self.field) {
            return self.complete(changes, now);
        }
        Ok(())
    }

    /// Fits every object in the field's list.
    ///
    /// # Errors
    /// `BadRequest` if something in it is no object or does not fit.
    pub fn each(&self, record: &mut Record, now: Timestamp) -> Result<()> {
        let items = record.get_mut(self.field).and_then(Value::as_array_mut);
        let mut items = items.into_iter().flatten();
        items.try_for_each(|item| self.fit(item, now))
    }

    fn fit(&self, value: &mut Value, now: Timestamp) -> Result<()> {
        let field = self.field;
        let Value::Object(object) = value else {
            return Err(Error::bad_request(format!("`{field}` must be an object")));
        };
        for (key, inner) in self.keys {
            let value = object.entry(*key).or_insert(Value::Null);
            if value.is_null() {
                *value = inner.default(now);
            } else if !inner.fits(value) {
                let expected = inner.describe();
                return Err(Error::bad_request(format!(
                    "`{field}.{key}` must be {expected}"
                )));
            }
        }
        Ok(())
    }
}

impl Inner {
    fn default(self, now: Timestamp) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Flag(flag) => json!(flag),
            Self::Count => json!(0),
            Self::Moment => json!(now.to_string()),
            Self::Reference => Value::Null,
            Self::Texts => json!([]),
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text(_) | Self::Reference => value.is_string(),
            Self::Flag(_) => value.is_boolean(),
            Self::Count => value.is_u64(),
            Self::Moment => value
                .as_str()
                .is_some_and(|text| Timestamp::parse(text).is_some()),
            Self::Texts => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Flag(_) => "a boolean",
            Self::Count => "a whole number from 0",
            Self::Moment => "a time such as 2026-11-21T00:39:58.239Z",
            Self::Reference => "an id or null",
            Self::Texts => "a list of strings",
        }
    }
}

/// Refuses what should be an object, if it is there, and is none.
///
/// # Errors
/// `BadRequest`.
pub fn objects<'a>(record: &Record, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    check(record, names, "an object", Value::is_object)
}

/// Refuses what should be a list, if it is there, and is none.
///
/// # Errors
/// `BadRequest`.
pub fn lists<'a>(record: &Record, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    check(record, names, "a list", Value::is_array)
}

/// Refuses what should be a list of texts, if it is there, and is none.
///
/// # Errors
/// `BadRequest`.
pub fn texts<'a>(record: &Record, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let fits = |value: &Value| Inner::Texts.fits(value);
    check(record, names, Inner::Texts.describe(), fits)
}

fn check<'a>(
    record: &Record,
    names: impl IntoIterator<Item = &'a str>,
    expected: &str,
    fits: impl Fn(&Value) -> bool,
) -> Result<()> {
    let wrong = |name: &&str| {
        let value = record.get(*name).filter(|value| !value.is_null());
        value.is_some_and(|value| !fits(value))
    };
    match names.into_iter().find(wrong) {
        Some(name) => Err(Error::bad_request(format!("`{name}` must be {expected}"))),
        None => Ok(()),
    }
}
