//! `/webhooks`: who is called when tasks change.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{Outcome, asked::Asked, envelope::Reply};
use crate::{
    core::{Record, call::Method},
    error::Result,
};

/// Webhooks that are told at once: nobody has more.
const MOST: u64 = 1_000;

pub(super) async fn list(asked: Asked) -> Outcome {
    let found = asked
        .records(&["webhooks"], json!({"$limit": MOST}))
        .await?;
    Ok(Reply::ok(found.into_iter().map(form).collect()))
}

/// Makes one; its `secret_key` is told this once.
pub(super) async fn make(asked: Asked) -> Outcome {
    let made = asked.create(&["webhooks"], asked.data.clone()).await?;
    Ok(Reply::created(formed(made)))
}

pub(super) async fn read(Path(id): Path<String>, asked: Asked) -> Outcome {
    Ok(Reply::ok(form(asked.get("webhooks", &id).await?)))
}

pub(super) async fn change(Path(id): Path<String>, asked: Asked) -> Outcome {
    let data = asked.data.clone();
    Ok(Reply::ok(formed(
        one(&id, Method::Patch, data, &asked).await?,
    )))
}

pub(super) async fn remove(Path(id): Path<String>, asked: Asked) -> Outcome {
    one(&id, Method::Remove, Value::Null, &asked).await?;
    Ok(Reply::ok(Value::Null))
}

pub(super) async fn deliveries(Path(id): Path<String>, asked: Asked) -> Outcome {
    let path = ["webhooks", &id, "deliveries"];
    let mut found = asked.find(&path, json!({})).await?;
    Ok(Reply::ok(found["data"].take()))
}

async fn one(id: &str, method: Method, data: Value, asked: &Asked) -> Result<Value> {
    let id = json!(id);
    asked
        .call(&["webhooks"], method, |call| {
            call.id = Some(id);
            call.data = data;
        })
        .await
}

fn formed(webhook: Value) -> Value {
    match webhook {
        Value::Object(webhook) => form(webhook),
        other => other,
    }
}

/// A webhook by the names that clients know.
fn form(mut webhook: Record) -> Value {
    if let Some(id) = webhook.shift_remove("webhook_id") {
        webhook.shift_insert(0, "id".to_owned(), id);
    }
    Value::Object(webhook)
}
