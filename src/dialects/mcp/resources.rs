//! `hiring://pending`: the hirings that wait for an agent to begin. There is one for each agent, and none
//! for others.

use std::{future, iter};

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents},
};
use serde_json::{Value, json};

use super::tools::Asker;
use crate::{
    App,
    core::{Record, event::Event, identity::Identity, subscription::Subscription},
    services::{hirings::forms, values::text},
};

/// The resource's URI.
pub(super) const PENDING: &str = "hiring://pending";

/// Hirings that are told at most, the oldest first; `total` says how many there are.
const MOST: u64 = 100;

/// Events that wait for a listener; of more, the oldest are forgotten.
const WAITING: usize = 64;

/// The media type of what is told.
const JSON: &str = "application/json";

/// The path of the service whose records are told.
const HIRINGS: &str = "hirings";

/// The status of a hiring that nobody has begun.
const STATUS: &str = "queued";

/// What there is for somebody.
pub(super) fn all(identity: &Identity) -> Vec<Resource> {
    let pending = || {
        Resource::new(PENDING, "pending_hirings")
            .with_title("Pending hirings")
            .with_description(
                "What the agent was hired for and has not begun, the oldest first: \
                 {\"hirings\": […], \"total\"}. Subscribe to be told of changes.",
            )
            .with_mime_type(JSON)
    };
    let agent = agent(identity);
    agent.map(|_| pending()).into_iter().collect()
}

/// What a resource says now.
///
/// # Errors
/// If there is none of this URI for who asks, or it cannot be read.
pub(super) async fn read(uri: &str, asker: Asker) -> Result<ReadResourceResult, ErrorData> {
    let agent = find(uri, &asker.caller.identity)?.to_owned();
    let query = json!({
        "status": STATUS,
        "agent_id": agent,
        "$sort": {"created_at": 1, "id": 1},
        "$limit": MOST,
    });
    let query = query.as_object().cloned().unwrap_or_default();
    let found = asker.find(HIRINGS, query).await.map_err(|error| {
        let data = serde_json::to_value(&error).ok();
        ErrorData::internal_error(error.to_string(), data)
    })?;
    let records = found["data"].as_array().into_iter().flatten();
    let hirings: Vec<_> = records
        .filter_map(Value::as_object)
        .map(|hiring| forms::hiring(hiring, None))
        .collect();
    let told = json!({"hirings": hirings, "total": found["total"]});
    let contents = ResourceContents::text(told.to_string(), uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The agent whose resource it is.
///
/// # Errors
/// If there is none of this URI for who asks.
pub(super) fn find<'a>(uri: &str, identity: &'a Identity) -> Result<&'a str, ErrorData> {
    let agent = agent(identity).filter(|_| uri == PENDING);
    let missing = || {
        let what = format!("There is no resource {uri} for you: {PENDING} is for agents");
        ErrorData::resource_not_found(what, Some(json!({"uri": uri})))
    };
    agent.ok_or_else(missing)
}

fn agent(identity: &Identity) -> Option<&str> {
    match identity {
        Identity::Agent(agent) => Some(&agent.id),
        _ => None,
    }
}

/// Changes of what resources say, from now on.
pub(super) struct Changes(Subscription);

impl Changes {
    /// Listens.
    pub(super) fn of(app: &App) -> Self {
        let hub = &app.store.story().hub;
        // That something changed is still known when some of it is forgotten.
        Self(hub.subscribe_to(WAITING, super::PROVIDER, |event| event.source == HIRINGS))
    }

    /// Waits until an agent's resource has changed.
    pub(super) async fn next(&self, agent: &str) {
        while let Some(event) = self.0.next().await {
            // One word for all that waits.
            let mut waiting = iter::once(event).chain(iter::from_fn(|| self.0.take()));
            if waiting.by_ref().any(|event| concerns(&event, agent)) {
                waiting.for_each(drop);
                return;
            }
        }
        future::pending::<()>().await;
    }
}

/// Whether an event is of a hiring of an agent's: nothing of it is told but that it happened.
fn concerns(event: &Event, agent: &str) -> bool {
    if !event.topics_of("agent").any(|id| id == agent) {
        return false;
    }
    let hiring = event.views.first();
    let hiring = hiring.and_then(|view| serde_json::from_str::<Record>(view.data.get()).ok());
    hiring.is_some_and(|hiring| text(&hiring, "agent_id") == Some(agent))
}
