//! What a viewer of a swarm is told, in the log's order and at the viewer's pace.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::stream::{Stream, unfold};
use serde_json::{json, value::RawValue};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    super::watching::{Said, stamped},
    Viewer,
    places::Moved,
    subscriptions::log_entry,
};
use crate::{
    core::{
        access::AccessChange,
        event::Event,
        feed::{Feed, Item},
        identity::Role,
        stamp::LogId,
    },
    error::Result,
    services::swarms::{LOGS, PURGED, SOURCE},
};

/// Time between heartbeats.
const BEAT: Duration = Duration::from_secs(5);

/// One viewer's story.
pub(super) struct Telling {
    viewer: Arc<Viewer>,
    feed: Feed,
    /// The log, for who is told stamps.
    log: Option<LogId>,
    beat: Interval,
    /// What is told next.
    ready: VecDeque<Said>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.viewer.places.close();
    }
}

impl Telling {
    pub(super) fn new(viewer: Arc<Viewer>, feed: Feed, log: Option<LogId>) -> Self {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            viewer,
            feed,
            log,
            beat,
            ready: VecDeque::new(),
        }
    }

    /// What is told; it ends with a failure.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Said>> + Send {
        unfold(Some(self), |telling| async move {
            let mut telling = telling?;
            let said = telling.next().await;
            let is_over = said.is_err();
            Some((said, (!is_over).then_some(telling)))
        })
    }

    async fn next(&mut self) -> Result<Said> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Ok(said);
            }
            let viewer = Arc::clone(&self.viewer);
            tokio::select! {
                biased;
                _ = self.beat.tick() => {
                    let now = self.viewer.app.store.clock().now();
                    self.ready.extend(Said::new("heartbeat", &json!({"at": now.millis()})));
                }
                moved = viewer.places.next() => self.ready.extend(match moved {
                    Moved::Turn(agent, mut turn) => {
                        turn["agent"] = agent.into();
                        Said::new("agent_task", &turn)
                    }
                    Moved::Lost(agent) => Said::new("agent_detached", &json!({"agent": agent})),
                }),
                item = self.feed.next() => match item? {
                    Item::Event(event) => self.hear(&event).await?,
                    Item::Reset(reset) => {
                        let log = viewer.app.store.story().log.id();
                        self.ready.extend(Said::new("reset", &reset.told(&log)));
                    }
                },
            }
        }
    }

    /// Tells an event, if it is the swarm's; looks whether the viewer may still be told anything, if that is
    /// in doubt.
    ///
    /// # Errors
    /// `NotFound` if not.
    async fn hear(&mut self, event: &Event) -> Result<()> {
        let viewer = Arc::clone(&self.viewer);
        let identity = viewer.visitor.identity(&viewer.app);
        let is_of_swarms = event.source == SOURCE || event.source == LOGS;
        if !is_of_swarms || event.topic("swarm") != Some(&viewer.swarm) {
            if event.access.iter().any(takes_away) {
                viewer.look().await?;
                if identity.role() < Some(Role::Member) {
                    viewer.places.close();
                }
            }
            return Ok(());
        }
        if event.at < viewer.born {
            // Of another that had the name, and was purged.
            return Ok(());
        }
        let access = viewer.app.store.story().hub.access();
        let Some(data) = event.view(&identity, access) else {
            return viewer.look().await;
        };
        if event.source == SOURCE && event.name == PURGED {
            return viewer.look().await;
        }
        let told = |name, data: Arc<RawValue>| {
            let data = match &self.log {
                Some(log) => stamped(&data, event, log)?,
                None => data,
            };
            Some(Said { name, data })
        };
        if event.source == SOURCE {
            let said = told(event.name.clone(), Arc::clone(data));
            self.ready.extend(said);
            return Ok(());
        }
        let mut subscriptions = viewer.subscriptions.lock().await;
        let (as_log, as_event) = subscriptions.fit(event.seq, data);
        drop(subscriptions);
        let entry = as_log.then(|| told("log_entry".into(), log_entry(data)?.into()));
        let whole = as_event.then(|| told("event".into(), Arc::clone(data)));
        self.ready
            .extend([entry, whole].into_iter().flatten().flatten());
        Ok(())
    }
}

/// Whether somebody may see less than before.
const fn takes_away(change: &AccessChange) -> bool {
    matches!(
        change,
        AccessChange::Private(_) | AccessChange::NoMember { .. } | AccessChange::Role { .. }
    )
}
