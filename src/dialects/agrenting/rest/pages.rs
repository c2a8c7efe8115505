//! Pages of records: `limit` and `cursor`, which stays right while records come and go.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    asked::{Asked, records},
    envelope::Reply,
};
use crate::{
    core::Record,
    error::{Error, Result},
};

/// Records on a page, if nothing is said and at most.
const USUAL: u64 = 20;
const MOST: u64 = 100;

/// How records are ordered: by a field, then by their id.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) field: &'static str,
    pub(super) id: &'static str,
    /// Whether the last comes first.
    pub(super) is_descending: bool,
}

/// The `limit` that was asked for.
pub(super) fn limit(asked: &Asked) -> Result<u64> {
    number(asked, "limit", USUAL).map(|limit| limit.min(MOST))
}

/// A parameter's number, from 1.
pub(super) fn number(asked: &Asked, name: &str, usual: u64) -> Result<u64> {
    let Some(text) = asked.parameter(name) else {
        return Ok(usual);
    };
    let number = text.parse().ok().filter(|number: &u64| *number > 0);
    number.ok_or_else(|| {
        let text = format!("`{name}` must be a whole number from 1");
        Error::bad_request(text).with_data(json!({"field": name}))
    })
}

/// A text that stands for a place behind some values.
pub(super) fn cursor(values: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(values.to_string())
}

/// The values behind which a page begins.
pub(super) fn place(asked: &Asked) -> Result<Option<Value>> {
    let Some(text) = asked.parameter("cursor") else {
        return Ok(None);
    };
    let read = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let values = read.and_then(|read| serde_json::from_slice(&read).ok());
    values.map(Some).ok_or_else(|| {
        let text = "`cursor` is none that was given; begin without one";
        Error::bad_request(text).with_data(json!({"field": "cursor"}))
    })
}

/// What `meta.pagination` says.
pub(super) fn pagination(total: &Value, next: Option<&str>) -> Value {
    json!({"total_count": total, "has_more": next.is_some(), "cursor": next})
}

/// A page of what fits a query of a service, each record in its form.
pub(super) async fn page(
    asked: &Asked,
    service: &str,
    query: Value,
    order: Order,
    form: impl Fn(&Record) -> Value,
) -> Result<Reply> {
    let limit = limit(asked)?;
    let (direction, beyond) = if order.is_descending {
        (-1, "$lt")
    } else {
        (1, "$gt")
    };
    let Order { field, id, .. } = order;
    let mut count = query.clone();
    count["$limit"] = json!(0);
    let total = asked.find(&[service], count).await?["total"].take();
    let mut query = query;
    query["$limit"] = json!(limit + 1);
    query["$sort"] = json!({ field: direction, id: direction });
    if let Some(place) = place(asked)? {
        let (value, last) = (&place[0], &place[1]);
        if value.is_null() || !last.is_string() {
            return Err(Error::bad_request(
                "`cursor` is none that was given; begin without one",
            ));
        }
        let behind = json!([{ field: { beyond: value } }, { field: value, id: { beyond: last } }]);
        let own = query["$and"].take();
        let mut all = own.as_array().cloned().unwrap_or_default();
        all.push(json!({ "$or": behind }));
        query["$and"] = Value::Array(all);
    }
    let mut found = records(asked.find(&[service], query).await?);
    let has_more = found.len() as u64 > limit;
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = found.last().filter(|_| has_more);
    let next = next.map(|last| cursor(&json!([last.get(field), last.get(id)])));
    let data = found.iter().map(form).collect();
    Ok(Reply::ok(Value::Array(data)).with_meta("pagination", pagination(&total, next.as_deref())))
}
