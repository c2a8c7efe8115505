//! What a channel can do: push, broadcast, be present.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures_util::{Stream, StreamExt};

use super::{
    channel::{Push, Story},
    endpoint::Endpoint,
    message::{Name, Payload, Ref},
    outbox::Outbox,
    presence, replies,
    serializer::{Outgoing, Unwritable},
    topics::Membership,
};
use crate::{
    App,
    core::{Record, access::Access, presence::Stay},
    error::Result,
};

/// A joined channel's side of its connection and its topic.
pub struct Context {
    pub(super) endpoint: Endpoint,
    pub(super) outbox: Arc<Outbox>,
    pub(super) topic: Arc<str>,
    pub(super) name: Name,
    /// What its pushes and replies carry.
    pub(super) join_ref: Ref,
    /// Nobody waits for this lock: whoever has the context to themselves looks behind it.
    pub(super) story: Mutex<Option<Story>>,
    /// Left before the stay ends: a client is not told that it went itself.
    pub(super) membership: Option<Membership>,
    pub(super) stay: Option<Stay>,
    /// Something could not be written.
    pub(super) broken: AtomicBool,
}

impl Context {
    /// The daemon's parts.
    pub fn app(&self) -> &Arc<App> {
        self.endpoint.app()
    }

    /// Who sees which boards: what [`Event::view`](crate::core::event::Event::view) asks for.
    pub fn access(&self) -> &Access {
        self.app().store.story().hub.access()
    }

    /// The endpoint, for broadcasts on other topics.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Pushes an event to this client.
    pub fn push(&self, event: &str, payload: impl Into<Payload>) {
        self.note(&self.outbox.say(&Outgoing {
            join_ref: &self.join_ref,
            reference: &Ref::null(),
            topic: &self.name,
            event,
            status: None,
            payload: &payload.into(),
        }));
    }

    /// Waits until the client has read most of what was pushed. Who pushes much at once waits between.
    pub async fn room(&self) {
        self.outbox.room().await;
    }

    /// Sends an event to everybody who has joined the topic, this client included.
    pub fn broadcast(&self, event: &str, payload: impl Into<Payload>) {
        self.endpoint.broadcast(&self.topic, event, payload);
    }

    /// Sends an event to everybody else who has joined the topic.
    pub fn broadcast_from(&self, event: &str, payload: impl Into<Payload>) {
        let payload = Arc::new(payload.into());
        let id = self.membership.as_ref().map(|membership| membership.id);
        self.endpoint
            .topics()
            .broadcast(&self.topic, event, &payload, id);
    }

    /// Tells the client another story, as [`Join::follow`](super::Join::follow) does.
    pub fn follow(&mut self, story: impl Stream<Item = Result<Push>> + Send + 'static) {
        self.story = Mutex::new(Some(story.boxed()));
    }

    pub(super) fn story(&mut self) -> &mut Option<Story> {
        self.story.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tracks a key at this topic, or replaces its meta; everybody here is sent a `presence_diff`.
    pub fn track(&mut self, key: &str, meta: Record) {
        let presence = &self.endpoint.app().presence;
        let stay = self
            .stay
            .get_or_insert_with(|| presence.enter(Arc::clone(&self.topic)));
        stay.track(key, meta);
    }

    /// The meta of a key that this channel tracks.
    pub fn tracked(&self, key: &str) -> Option<Record> {
        self.stay.as_ref()?.tracked(key)
    }

    /// Untracks a key.
    pub fn untrack(&mut self, key: &str) {
        if let Some(stay) = &mut self.stay {
            stay.untrack(key);
        }
    }

    /// Pushes who is present here, as `presence_state`. Diffs before it are part of it, later ones
    /// follow it.
    pub fn push_presence(&self) {
        let presence = &self.endpoint.app().presence;
        presence.look(&self.topic, |present| {
            self.push("presence_state", presence::state(present));
        });
    }

    pub(super) fn reply(&self, reference: &Ref, status: &str, payload: &Payload) {
        let refs = (&self.join_ref, reference);
        self.note(&replies::reply(
            &self.outbox,
            refs,
            &self.name,
            status,
            payload,
        ));
    }

    fn note(&self, written: &std::result::Result<(), Unwritable>) {
        if written.is_err() {
            tracing::warn!("a channel said what its client's version cannot carry");
            self.broken.store(true, Ordering::Relaxed);
        }
    }
}
