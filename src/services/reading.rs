//! Reads what somebody sent, and notes all that is wrong with it and where.

use serde_json::{Map, Value, json};

use crate::error::Error;

/// Problems that are told at most.
const MOST: usize = 50;

/// Characters of what is said of a problem.
const LONGEST: usize = 500;

/// What is wrong with something that was sent.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Value>);

/// A place in what was sent: names of fields and numbers of items.
pub(super) type Place = Vec<Value>;

impl Problems {
    pub(super) fn add(&mut self, place: &Place, kind: &str, message: impl Into<String>) {
        if self.0.len() < MOST {
            let message: String = message.into();
            let message: String = message.chars().take(LONGEST).collect();
            self.0
                .push(json!({"type": kind, "loc": place, "msg": message}));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each `{type, loc, msg}`.
    pub(super) fn list(self) -> Vec<Value> {
        self.0
    }

    /// `Unprocessable` with all of them in `errors`, each `{type, loc, msg}`; nothing if there are none.
    pub(super) fn refuse(self) -> Result<(), Error> {
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let place: Vec<_> = first["loc"].as_array().into_iter().flatten().collect();
        let place: Vec<_> = place
            .into_iter()
            .map(|part| {
                part.as_str()
                    .map_or_else(|| part.to_string(), str::to_owned)
            })
            .collect();
        let text = first["msg"].as_str().unwrap_or_default();
        let text = format!("{}: {text}", place.join("."));
        Err(Error::unprocessable(text).with_errors(Value::Array(self.0)))
    }
}

/// An object's fields.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    place: Place,
    problems: &'a mut Problems,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(
        object: &'a Map<String, Value>,
        place: Place,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            object,
            place,
            problems,
        }
    }

    pub(super) fn place(&self, name: &str) -> Place {
        let mut place = self.place.clone();
        place.push(json!(name));
        place
    }

    pub(super) fn wrong(&mut self, name: &str, kind: &str, message: impl Into<String>) {
        let place = self.place(name);
        self.problems.add(&place, kind, message);
    }

    pub(super) const fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    pub(super) fn given(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A text of at most so many characters, if there is one.
    pub(super) fn text(&mut self, name: &str, longest: usize) -> Option<String> {
        match self.given(name)? {
            Value::String(text) if text.chars().count() > longest => {
                let text = format!("String should have at most {longest} characters");
                self.wrong(name, "string_too_long", text);
                None
            }
            Value::String(text) if text.contains('\0') => {
                self.wrong(
                    name,
                    "value_error",
                    "String should not hold the character NUL",
                );
                None
            }
            Value::String(text) => Some(text.clone()),
            _ => {
                self.wrong(name, "string_type", "Input should be a valid string");
                None
            }
        }
    }

    /// A name, which must be there and have 1 to so many characters.
    pub(super) fn name(&mut self, name: &str, longest: usize) -> String {
        if self.given(name).is_none() {
            self.wrong(name, "missing", "Field required");
            return String::new();
        }
        let text = self.text(name, longest);
        if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
            self.wrong(
                name,
                "string_too_short",
                "String should have at least 1 character",
            );
        }
        text.unwrap_or_default()
    }

    /// A whole number within limits, if there is one.
    pub(super) fn number(&mut self, name: &str, (least, most): (u64, u64)) -> Option<u64> {
        let given = self.given(name)?;
        let number = given
            .as_u64()
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let text = format!("Input should be a whole number from {least} to {most}");
            self.wrong(name, "int_type", text);
        }
        number
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        let given = self.given(name)?;
        if !given.is_boolean() {
            self.wrong(name, "bool_type", "Input should be true or false");
        }
        given.as_bool()
    }

    /// An object; an empty one, if there is none.
    pub(super) fn object(&mut self, name: &str) -> Map<String, Value> {
        match self.given(name) {
            None => Map::new(),
            Some(Value::Object(object)) => object.clone(),
            Some(_) => {
                self.wrong(name, "dict_type", "Input should be an object");
                Map::new()
            }
        }
    }

    /// As [`object`](Self::object), of so many bytes at most.
    pub(super) fn small_object(&mut self, name: &str, most: usize) -> Map<String, Value> {
        let object = self.object(name);
        if self
            .given(name)
            .is_some_and(|given| given.to_string().len() > most)
        {
            let text = format!("Object should have at most {most} bytes");
            self.wrong(name, "too_long", text);
        }
        object
    }

    /// One of these words, if there is one.
    pub(super) fn word(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let given = self.given(name)?;
        let word = words.iter().find(|word| given.as_str() == Some(word));
        if word.is_none() {
            let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            let (last, others) = quoted.split_last()?;
            let text = format!("Input should be {} or {last}", others.join(", "));
            self.wrong(name, "enum", text);
        }
        word.copied()
    }

    /// A list of texts of at most so many characters each; none, if there is none.
    pub(super) fn texts(&mut self, name: &str, most: usize, longest: usize) -> Vec<String> {
        let items = self.list(name, most);
        let fits = |text: &&str| text.chars().count() <= longest && !text.contains('\0');
        let texts = items.iter().filter_map(|item| item.as_str().filter(fits));
        let texts: Vec<_> = texts.map(str::to_owned).collect();
        if texts.len() < items.len() {
            let text = format!("Items should be strings of at most {longest} characters");
            self.wrong(name, "string_type", text);
        }
        texts
    }

    /// A list's items; none, if there is none.
    pub(super) fn list(&mut self, name: &str, most: usize) -> &'a [Value] {
        match self.given(name) {
            None => &[],
            Some(Value::Array(items)) if items.len() <= most => items,
            Some(Value::Array(_)) => {
                let text = format!("List should have at most {most} items");
                self.wrong(name, "too_long", text);
                &[]
            }
            Some(_) => {
                self.wrong(name, "list_type", "Input should be a list");
                &[]
            }
        }
    }

    /// A list of objects, read one by one.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        most: usize,
        mut read: impl FnMut(&mut Fields<'_>, usize) -> T,
    ) -> Vec<T> {
        let mut read_all = Vec::new();
        for (index, item) in self.list(name, most).iter().enumerate() {
            let mut place = self.place(name);
            place.push(json!(index));
            match item {
                Value::Object(object) => {
                    let mut fields = Fields::new(object, place, self.problems);
                    read_all.push(read(&mut fields, index));
                }
                _ => self
                    .problems
                    .add(&place, "dict_type", "Input should be an object"),
            }
        }
        read_all
    }
}

/// Records on a page, if nothing is said and at most, as MGX has it.
const USUAL: u64 = 10;
const PAGE: u64 = 100;

/// The `skip` and `limit` of a query.
///
/// # Errors
/// `Unprocessable` for what is no number, or out of bounds.
pub(super) fn page(query: &crate::core::Record) -> Result<(u64, u64), Error> {
    let mut problems = Problems::default();
    let mut number = |name: &str, usual: u64, (least, most): (u64, u64)| {
        let Some(value) = query.get(name).filter(|value| !value.is_null()) else {
            return usual;
        };
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let fits = number.filter(|number| (least..=most).contains(number));
        fits.unwrap_or_else(|| {
            let text = format!("Input should be a whole number from {least} to {most}");
            problems.add(&vec![json!("query"), json!(name)], "int_parsing", text);
            usual
        })
    };
    let page = (
        number("skip", 0, (0, i64::MAX as u64)),
        number("limit", USUAL, (1, PAGE)),
    );
    problems.refuse()?;
    Ok(page)
}
