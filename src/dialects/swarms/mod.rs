//! Swarms, as dialects with lasting connections share them: what a viewer is told, and what a viewer says.
//!
//! Source: docs/protocols/genswarms.md.
//!
//! - `story`: what is told: pushes, log entries and events, turns for agents, heartbeats
//! - `subscriptions`: which log entries and events are told
//! - `places`: the agents whose place the viewer takes
//! - `listening`: what the viewer says, and the answers

mod listening;
mod places;
mod story;
mod subscriptions;

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::{places::Places, story::Telling, subscriptions::Subscriptions};
use super::{
    task_streams::{self, caller},
    visitor::Visitor,
    watching::{Watched, since},
};
use crate::{
    App,
    core::{
        Record,
        call::{Call, Method},
        clock::Timestamp,
        feed::Feed,
        stamp::Since,
        turn::Turn,
    },
    error::{Error, Kind, Result},
};

/// Somebody who watches a swarm.
struct Viewer {
    app: Arc<App>,
    visitor: Visitor,
    /// What calls come through.
    provider: &'static str,
    swarm: String,
    /// When the swarm was made: what was told before is of another that had its name.
    born: Timestamp,
    /// Held while something is subscribed to: the story does not go on meanwhile.
    subscriptions: Arc<Mutex<Subscriptions>>,
    places: Places,
}

/// Watches a swarm, from a stamp if one is given, if the visitor may: then each event says its own as `seq`.
///
/// # Errors
/// `NotFound`, `BadRequest` (reason `invalid_since`), or if the database fails.
pub(super) async fn watch(
    app: &Arc<App>,
    visitor: &Visitor,
    provider: &'static str,
    (swarm, from): (&str, &Value),
) -> Result<Watched> {
    let from = since(from)?;
    let mut viewer = Viewer {
        app: Arc::clone(app),
        visitor: visitor.clone(),
        provider,
        swarm: swarm.to_owned(),
        born: app.store.clock().now(),
        subscriptions: Arc::default(),
        places: Places::default(),
    };
    let story = app.store.story().clone();
    let log = from.as_ref().map(|_| story.log.id());
    let feed = Feed::open(story, from.as_ref().unwrap_or(&Since::Now), provider).await?;
    // Behind the story's beginning: that it goes is told.
    viewer.status().await?;
    viewer.born = viewer.born().await?;
    let viewer = Arc::new(viewer);
    Ok(Watched {
        joined: json!({"swarm": swarm}),
        story: Telling::new(Arc::clone(&viewer), feed, log)
            .into_stream()
            .boxed(),
        ears: viewer,
    })
}

/// A word for why a swarm cannot be watched.
pub(super) fn why(error: &Error) -> &str {
    match error.kind() {
        Kind::NotFound => "swarm_not_found",
        _ => task_streams::reason(error),
    }
}

impl Viewer {
    /// Looks whether the viewer may still be told of the swarm.
    ///
    /// # Errors
    /// `NotFound` if not.
    async fn look(&self) -> Result<()> {
        self.born().await.map(drop)
    }

    async fn born(&self) -> Result<Timestamp> {
        let missing = || Error::not_found("There are no swarms");
        let swarms = self.app.services.swarms.as_ref().ok_or_else(missing)?;
        let by = self.visitor.identity(&self.app);
        swarms.born(&self.swarm, &by, &self.app.store).await
    }

    /// The swarm's status.
    async fn status(&self) -> Result<Value> {
        let call = |call: Call| Call {
            id: Some(self.swarm.as_str().into()),
            ..call
        };
        self.call(&["swarms"], Method::Get, call).await
    }

    /// Calls a service.
    async fn call(
        &self,
        path: &[&str],
        method: Method,
        fill: impl FnOnce(Call) -> Call,
    ) -> Result<Value> {
        let missing = || Error::not_found("There is no such swarm or agent");
        let (entry, route) = self.app.services.find(path).ok_or_else(missing)?;
        let caller = caller(&self.app, &self.visitor, self.provider);
        let call = Call {
            route,
            ..fill(Call::new(entry.path, method, caller))
        };
        let answer = self.app.services.run(entry, call, &self.app.store).await?;
        Ok(answer.data)
    }

    /// Calls a service of the swarm's that writes.
    async fn create(&self, path: &[&str], data: Value, turn: Turn) -> Result<Value> {
        let path = [&["swarms", self.swarm.as_str()], path].concat();
        let fill = |call: Call| Call { data, turn, ..call };
        self.call(&path, Method::Create, fill).await
    }

    /// The last events of the swarm that fit, oldest first.
    async fn recent(&self, query: Record) -> Result<Vec<Value>> {
        let path = ["swarms", self.swarm.as_str(), "events"];
        let fill = |call: Call| Call { query, ..call };
        let mut found = match self.call(&path, Method::Find, fill).await? {
            Value::Array(found) => found,
            _ => Vec::new(),
        };
        found.reverse();
        Ok(found)
    }
}
