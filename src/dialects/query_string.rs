//! Nested query strings as JavaScript's `qs` writes them: `a[b]=1`, `a[0]=x`, `a[]=x`, `a=x&a=y`.
//!
//! Source: docs/protocols/feathers.md, "Query strings". All leaves are texts. Where `qs` drops or
//! renames what it cannot place, this refuses: a filter that vanishes would match everything.

use std::{collections::BTreeMap, mem};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    core::Record,
    error::{Error, Result},
};

/// Parameters in a query string, and so items in a list.
const MOST: usize = 2_000;

/// Brackets that nest; those behind them are part of a name.
const DEPTH: usize = 5;

/// Reads a query string or a urlencoded body.
///
/// # Errors
/// `BadRequest` for more than 2,000 parameters, for what is not UTF-8, and for a name that stands for
/// a value here and for what holds values there.
pub(super) fn parse(text: &str) -> Result<Record> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let mut root = Node::Map(Vec::new());
    for (count, pair) in pairs.enumerate() {
        if count == MOST {
            return Err(Error::bad_request(format!(
                "There may be {MOST} parameters at most"
            )));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let ambiguous =
            || Error::bad_request(format!("`{name}` is a value here and holds values there"));
        root.put(&path(&name), value).ok_or_else(ambiguous)?;
    }
    match root.into_value() {
        Value::Object(record) => Ok(record),
        _ => Ok(Record::new()),
    }
}

fn decode(text: &str) -> Result<String> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::bad_request("A parameter is not UTF-8"))
}

/// The names in `a[b][c]`; brackets that do not pair are part of a name.
fn path(name: &str) -> Vec<&str> {
    let Some((head, mut rest)) = name
        .find('[')
        .map(|at| name.split_at(at))
        .filter(|(_, rest)| is_paired(rest))
    else {
        return vec![name];
    };
    let mut path = Vec::new();
    if !head.is_empty() {
        path.push(head);
    }
    for _ in 0..DEPTH {
        let Some((inner, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        else {
            break;
        };
        path.push(inner);
        rest = after;
    }
    if !rest.is_empty() {
        path.push(rest);
    }
    path
}

/// Whether a text is nothing but `[…][…]`.
fn is_paired(mut text: &str) -> bool {
    while let Some((inner, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        if inner.contains('[') {
            return false;
        }
        text = after;
    }
    text.is_empty()
}

/// A value in the making.
#[derive(Default)]
enum Node {
    #[default]
    Nothing,
    Text(String),
    /// Items by their index: they may come in any order, and some may be missing.
    List(BTreeMap<usize, Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    /// Puts a text at a path; `None` if something else stands there.
    fn put(&mut self, path: &[&str], text: String) -> Option<()> {
        let Some((&name, rest)) = path.split_first() else {
            return self.add(text);
        };
        match index(name) {
            Some(index) if !matches!(self, Self::Map(_)) => {
                let items = self.list()?;
                let end = items.last_key_value().map_or(0, |(last, _)| last + 1);
                // `a[][b]=1&a[][c]=2` is one item, as in `qs`.
                let index = index.or_else(|| (!rest.is_empty()).then_some(0));
                let free = |index: &usize| match items.get(index) {
                    None => true,
                    Some(item) => !rest.is_empty() && !matches!(item, Self::Text(_)),
                };
                let index = index.filter(free).unwrap_or(end);
                items.entry(index).or_default().put(rest, text)
            }
            _ => self.entry(name)?.put(rest, text),
        }
    }

    /// Adds a text where one may stand already: `a=x&a=y` is a list.
    fn add(&mut self, text: String) -> Option<()> {
        if let Self::Nothing = self {
            *self = Self::Text(text);
            return Some(());
        }
        let items = self.list()?;
        let end = items.last_key_value().map_or(0, |(last, _)| last + 1);
        items.insert(end, Self::Text(text));
        Some(())
    }

    /// Makes a list of what stands here.
    fn list(&mut self) -> Option<&mut BTreeMap<usize, Self>> {
        match mem::take(self) {
            Self::Nothing => *self = Self::List(BTreeMap::new()),
            Self::Text(text) => *self = Self::List([(0, Self::Text(text))].into()),
            other => *self = other,
        }
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Makes a map of what stands here, and finds a name's value in it.
    fn entry(&mut self, name: &str) -> Option<&mut Self> {
        match mem::take(self) {
            Self::Nothing => *self = Self::Map(Vec::new()),
            Self::List(items) => {
                let entry = |(index, node): (usize, Self)| (index.to_string(), node);
                *self = Self::Map(items.into_iter().map(entry).collect());
            }
            other => *self = other,
        }
        let Self::Map(entries) = self else {
            return None;
        };
        let at = entries.iter().position(|(known, _)| known == name);
        let at = at.unwrap_or_else(|| {
            entries.push((name.to_owned(), Self::Nothing));
            entries.len() - 1
        });
        entries.get_mut(at).map(|(_, node)| node)
    }

    fn into_value(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Text(text) => Value::String(text),
            Self::List(items) => items.into_values().map(Self::into_value).collect(),
            Self::Map(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(name, node)| (name, node.into_value()))
                    .collect(),
            ),
        }
    }
}

/// The place in a list that a name stands for: `Some(None)` is the end.
#[expect(clippy::option_option, reason = "no index, the end, or a place")]
fn index(name: &str) -> Option<Option<usize>> {
    if name.is_empty() {
        return Some(None);
    }
    let index: usize = name.parse().ok().filter(|index| *index < MOST)?;
    (name == index.to_string()).then_some(Some(index))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_clients_write() {
        let cases = [
            (
                "a=1&b=x%20y+z&c&d=",
                json!({"a": "1", "b": "x y z", "c": "", "d": ""}),
            ),
            (
                "age[$in][0]=1&age[$in][1]=2",
                json!({"age": {"$in": ["1", "2"]}}),
            ),
            ("age%5B%24in%5D%5B%5D=1", json!({"age": {"$in": ["1"]}})),
            (
                "$sort[z]=1&$sort[a]=-1",
                json!({"$sort": {"z": "1", "a": "-1"}}),
            ),
            (
                "%24limit=5&a[]=1&a[]=2",
                json!({"$limit": "5", "a": ["1", "2"]}),
            ),
            (
                "$or[0][a]=1&$or[1][b][$gt]=2&$or[0][c]=3",
                json!({"$or": [{"a": "1", "c": "3"}, {"b": {"$gt": "2"}}]}),
            ),
            ("a=1&a=2&a=3", json!({"a": ["1", "2", "3"]})),
            ("a=1&a[]=2", json!({"a": ["1", "2"]})),
            ("a[7]=y&a[2]=x", json!({"a": ["x", "y"]})),
            ("a[0]=x&a[b]=y", json!({"a": {"0": "x", "b": "y"}})),
            ("a[b]=y&a[0]=x", json!({"a": {"b": "y", "0": "x"}})),
            (
                "a[][b]=1&a[][c]=2&a[1][b]=3",
                json!({"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
            ),
            ("a[]=x&a[][b]=1", json!({"a": ["x", {"b": "1"}]})),
            ("a[2000]=x", json!({"a": {"2000": "x"}})),
            ("a[01]=x", json!({"a": {"01": "x"}})),
            (
                "a[b][c][d][e][f][g]=1",
                json!({"a": {"b": {"c": {"d": {"e": {"f": {"[g]": "1"}}}}}}}),
            ),
            (
                "h.i=1&[j]=2&k]=3&l[=4&m[n]o=5",
                json!({"h.i": "1", "j": "2", "k]": "3", "l[": "4", "m[n]o": "5"}),
            ),
            ("a=b=c&&x=", json!({"a": "b=c", "x": ""})),
            ("__proto__[x]=1", json!({"__proto__": {"x": "1"}})),
        ];
        for (text, expected) in cases {
            let read = Value::Object(parse(text).unwrap());
            assert_eq!(read.to_string(), expected.to_string(), "{text}");
        }
    }

    #[test]
    fn takes_long_lists_and_refuses_too_many() {
        let items = |count| {
            (0..count)
                .map(|n| format!("a[{n}]={n}"))
                .collect::<Vec<_>>()
                .join("&")
        };
        let read = parse(&items(2_000)).unwrap();
        assert_eq!(read["a"].as_array().map(Vec::len), Some(2_000));
        assert_eq!(parse(&items(2_001)).unwrap_err().kind().status(), 400);
    }

    #[test]
    fn refuses_what_has_no_place() {
        for text in ["a[b]=1&a=2", "a=1&a[b]=2", "a=%ff"] {
            assert_eq!(parse(text).unwrap_err().kind().status(), 400, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reads_whatever_comes_or_refuses_it(text in "[a-c$=&%+\\[\\]0-9A-F\u{0}-\u{2ff}]{0,60}") {
            if let Err(error) = parse(&text) {
                prop_assert_eq!(error.kind().status(), 400);
            }
        }
    }
}
