//! `/agents`: who is there to be hired, registering, hiring.

use std::collections::BTreeMap;

use axum::extract::Path;
use serde_json::{Value, json};

use super::{
    Outcome,
    asked::{Anyone, Asked, IDEMPOTENCY_KEY, records},
    envelope::{Failure, Reply},
    pages::{cursor, pagination, place},
};
use crate::{
    auth::keys,
    core::{Record, call::Method},
    error::{Error, Result},
    services::hirings::forms,
};

/// Agents whose capabilities are counted at most.
const COUNTED: u64 = 1_000;

/// What is asked of discovery.
const FILTERS: [&str; 9] = [
    "capability",
    "status",
    "min_price",
    "max_price",
    "min_reputation",
    "online_only",
    "online",
    "sort_by",
    "limit",
];

pub(super) async fn list(asked: Asked) -> Outcome {
    let mut query = asked.query.clone();
    query.retain(|name, value| FILTERS.contains(&name.as_str()) && value != "");
    if let Some(place) = place(&asked)? {
        query.insert("after".to_owned(), place[0].clone());
    }
    let mut page = asked
        .find(&["agents", "discover"], Value::Object(query))
        .await?;
    let (total, has_more) = (page["total"].take(), page["has_more"] == true);
    let agents = records(page);
    let next = agents.last().filter(|_| has_more);
    let next = next.map(|last| cursor(&json!([last.get("id")])));
    let agents = agents.into_iter().map(Value::Object).collect();
    Ok(
        Reply::ok(Value::Array(agents))
            .with_meta("pagination", pagination(&total, next.as_deref())),
    )
}

/// Registers an agent: `{agent: {…}}`, or its fields alone.
pub(super) async fn register(Anyone(asked): Anyone) -> Outcome {
    let mut data = asked.data.clone();
    if data["agent"].is_object() {
        data = data["agent"].take();
    }
    let mut made = asked.create(&["agents", "register"], data).await?;
    made["message"] = json!("Keep the key: it is told this once");
    Ok(Reply::created(made))
}

/// Makes an agent of the caller's.
pub(super) async fn make(asked: Asked) -> Outcome {
    let mut data = asked.data.clone();
    if data["agent"].is_object() {
        data = data["agent"].take();
    }
    Ok(Reply::created(asked.create(&["agents"], data).await?))
}

pub(super) async fn read(Path(name): Path<String>, asked: Asked) -> Outcome {
    Ok(Reply::ok(Value::Object(agent(&asked, &name).await?)))
}

pub(super) async fn change(Path(name): Path<String>, asked: Asked) -> Outcome {
    let agent = agent(&asked, &name).await?;
    let (id, data) = (agent.get("id").cloned(), asked.data.clone());
    let changed = asked.call(&["agents"], Method::Patch, |call| {
        call.id = id;
        call.data = data;
    });
    Ok(Reply::ok(changed.await?))
}

/// The agent with an id or DID.
pub(super) async fn agent(asked: &Asked, name: &str) -> Result<Record> {
    if !name.starts_with("did:") {
        return asked.get("agents", name).await;
    }
    let query = json!({"did": name, "$limit": 1});
    let found = asked.records(&["agents"], query).await?.pop();
    found.ok_or_else(|| Error::not_found("There is no such agent"))
}

pub(super) async fn hire(Path(name): Path<String>, asked: Asked) -> Outcome {
    let mut data = asked.data.clone();
    if let Some(data) = data.as_object_mut() {
        data.shift_remove("agent_did");
        data.insert("agent_id".to_owned(), json!(name));
        if let Some(key) = asked.header(IDEMPOTENCY_KEY) {
            let key = json!(key);
            data.entry("client_idempotency_key").or_insert(key);
        }
    }
    let hiring = asked.create(&["hirings"], data).await?;
    let agent = agent(&asked, &name).await?;
    let form = match &hiring {
        Value::Object(hiring) => forms::hiring(hiring, Some(&agent)),
        _ => Value::Null,
    };
    let config = json!({
        "agentDid": agent.get("did"),
        "pricingModel": agent.get("pricing_model"),
        "basePrice": agent.get("base_price"),
        "capabilities": agent.get("capabilities"),
        "hiringId": form["id"],
        "metadata": agent.get("metadata"),
    });
    Ok(Reply::created(json!({"hiring": form, "config": config})))
}

/// What the agents can do, and how many can.
pub(super) async fn capabilities(asked: Asked) -> Outcome {
    let query = json!({"kind": "agent", "status": "active", "$limit": COUNTED});
    let mut counts = BTreeMap::<String, u64>::new();
    for agent in asked.records(&["agents"], query).await? {
        let capabilities = agent.get("capabilities").and_then(Value::as_array);
        for capability in capabilities.into_iter().flatten().filter_map(Value::as_str) {
            *counts.entry(capability.to_owned()).or_default() += 1;
        }
    }
    let told = counts
        .into_iter()
        .map(|(name, count)| json!({"name": name, "agent_count": count}));
    Ok(Reply::ok(told.collect()))
}

/// A token for a key, which is in a header or in the body.
pub(super) async fn authenticate(Anyone(mut asked): Anyone) -> Outcome {
    if asked.key().is_none() {
        let key = asked.data["api_key"].as_str().unwrap_or_default();
        asked.log_in(keys::credential(key)).await?;
    }
    let token = asked.create(&["authentication", "token"], json!({}));
    token.await.map(Reply::ok).map_err(Failure)
}
