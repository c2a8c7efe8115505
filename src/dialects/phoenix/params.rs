//! A query's parameters, nested as Plug nests them.
//!
//! `a[b]=1` is a key in an object, `a[]=1` an item of a list; of two values for one key the last
//! counts. Source: docs/protocols/phoenix.md, "Connecting".

use serde_json::Value;

use crate::core::Record;

/// Objects in objects, at most; what is deeper is passed over.
const DEPTH: usize = 32;

/// Reads a query.
pub(super) fn parse(query: &str) -> Record {
    let mut params = Value::Object(Record::new());
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let path = path(&key);
        if !key.is_empty() && path.len() <= DEPTH {
            insert(&mut params, &path, value.into_owned());
        }
    }
    match params {
        Value::Object(params) => params,
        _ => Record::new(),
    }
}

/// The parts of `a[b][]`; a key that is not written so is one part.
fn path(key: &str) -> Vec<&str> {
    let nested = key
        .strip_suffix(']')
        .and_then(|key| key.split_once('['))
        .filter(|(first, _)| !first.is_empty());
    match nested {
        Some((first, rest)) => std::iter::once(first).chain(rest.split("][")).collect(),
        None => vec![key],
    }
}

fn insert(target: &mut Value, path: &[&str], value: String) {
    let [first, rest @ ..] = path else {
        *target = value.into();
        return;
    };
    if first.is_empty() {
        if !target.is_array() {
            *target = Value::Array(Vec::new());
        }
        if let Value::Array(items) = target {
            let mut item = Value::Null;
            insert(&mut item, rest, value);
            items.push(item);
        }
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Record::new());
    }
    if let Value::Object(object) = target {
        let slot = object.entry(*first).or_insert(Value::Null);
        insert(slot, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nests_as_plug_does() {
        let cases = [
            ("vsn=1.0.0&vsn=2.0.0", json!({"vsn": "2.0.0"})),
            (
                "a%5Bb%5D=1&a[c][0]=x+y",
                json!({"a": {"b": "1", "c": {"0": "x y"}}}),
            ),
            ("l[]=1&l[]=2", json!({"l": ["1", "2"]})),
            ("a=1&a[b]=2", json!({"a": {"b": "2"}})),
            ("&=&[]=1&]=2", json!({"[]": "1", "]": "2"})),
        ];
        for (query, expected) in cases {
            assert_eq!(Value::Object(parse(query)), expected, "{query}");
        }
        let deep = format!("a{}=1", "[a]".repeat(10_000));
        assert_eq!(parse(&deep), Record::new());
    }
}
