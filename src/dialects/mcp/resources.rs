//! `hiring://pending`: the hirings that wait for an agent to begin. There is one for each agent, and none
//! for others.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::tools::Asker;
use crate::{
    App,
    core::{
        Record,
        event::Event,
        identity::Identity,
        subscription::{Overflow, Subscription},
    },
    services::{hirings::forms, values::text},
};

/// The resource's URI.
pub(super) const PENDING: &str = "hiring://pending";

/// Hirings that are told at most, the oldest first; `total` says how many there are.
const MOST: u64 = 100;

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
pub(super) struct Changes {
    seen: Arc<Seen>,
    /// Nothing waits in it: what comes is noted in `seen`.
    _events: Subscription,
}

/// The agents whose resources have changed.
#[derive(Default)]
struct Seen {
    /// Guards them between the hub and who listens.
    agents: Mutex<HashSet<String>>,
    some: Notify,
}

impl Changes {
    /// Listens.
    pub(super) fn of(app: &App) -> Self {
        let seen = Arc::<Seen>::default();
        let noting = Arc::clone(&seen);
        let note = move |event: &Arc<Event>| {
            if let Some(agent) = changed(event) {
                noting.lock().insert(agent);
                noting.some.notify_one();
            }
            false
        };
        let hub = &app.store.story().hub;
        Self {
            seen,
            _events: hub
                .subscribe_to(1, Overflow::DropOldest, super::PROVIDER, note)
                .1,
        }
    }

    /// Waits until an agent's resource has changed: once, however often it did meanwhile.
    pub(super) async fn next(&self, agent: &str) {
        // Nobody asks for the others.
        while !mem::take(&mut *self.seen.lock()).contains(agent) {
            self.seen.some.notified().await;
        }
    }
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.agents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The agent of whose hiring an event is: nothing of it is told but that it happened.
fn changed(event: &Event) -> Option<String> {
    if event.source != HIRINGS {
        return None;
    }
    let hiring: Record = serde_json::from_str(event.views.first()?.data.get()).ok()?;
    text(&hiring, "agent_id").map(str::to_owned)
}
