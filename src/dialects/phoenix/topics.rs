//! Who has joined which topic, and how a broadcast reaches them.
//!
//! A broadcast is written once for each version that somebody speaks; its bytes are shared by all.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::extract::ws::Message;

use super::{
    inbox::Post,
    message::{Name, Payload, Ref},
    outbox::Outbox,
    presence,
    serializer::{Outgoing, Version},
};
use crate::core::presence::{Diff, Watcher};

/// Every topic that somebody has joined.
#[derive(Default)]
pub(super) struct Topics {
    topics: Mutex<HashMap<Arc<str>, Arc<Topic>>>,
    members: AtomicU64,
}

/// The members of one topic. The lock orders its broadcasts: all members see one order.
#[derive(Default)]
struct Topic(Mutex<HashMap<u64, Member>>);

/// A channel that has joined.
pub(super) struct Member {
    pub(super) outbox: Arc<Outbox>,
    /// Where intercepted broadcasts go.
    pub(super) post: Post,
    pub(super) intercepts: &'static [&'static str],
}

/// A membership; dropping it leaves the topic.
pub(super) struct Membership {
    topics: Arc<Topics>,
    topic: Arc<str>,
    pub(super) id: u64,
}

impl Topics {
    /// Adds a member, and says something to it before any broadcast does.
    pub(super) fn join(
        self: &Arc<Self>,
        topic: &Arc<str>,
        member: Member,
        first: impl FnOnce(),
    ) -> Membership {
        let id = self.members.fetch_add(1, Ordering::Relaxed);
        let mut topics = lock(&self.topics);
        let entry = topics.entry(Arc::clone(topic)).or_default();
        let mut members = lock(&entry.0);
        first();
        members.insert(id, member);
        Membership {
            topics: Arc::clone(self),
            topic: Arc::clone(topic),
            id,
        }
    }

    /// Sends an event to every member but one.
    pub(super) fn broadcast(
        &self,
        topic: &str,
        event: &str,
        payload: &Arc<Payload>,
        but: Option<u64>,
    ) {
        let Some(entry) = lock(&self.topics).get(topic).cloned() else {
            return;
        };
        let name = Name::Text(topic.into());
        let (mut written, mut size) = (Written::default(), None);
        for (id, member) in lock(&entry.0).iter() {
            if Some(*id) == but {
                continue;
            }
            if member.intercepts.contains(&event) {
                let size = *size.get_or_insert_with(|| payload.size());
                member
                    .post
                    .intercepted(event, payload, size, &member.outbox);
            } else if let Some(frame) = written.frame(member.outbox.version, &name, event, payload)
            {
                member.outbox.push(frame);
            }
        }
    }
}

/// Presence's changes are broadcasts.
impl Watcher for Topics {
    fn changed(&self, place: &str, diff: &Diff) {
        let payload = Arc::new(presence::diff(diff));
        self.broadcast(place, "presence_diff", &payload, None);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut topics = lock(&self.topics.topics);
        let Some(entry) = topics.get(&self.topic) else {
            return;
        };
        let mut members = lock(&entry.0);
        let member = members.remove(&self.id);
        let empty = members.is_empty();
        drop(members);
        if empty {
            topics.remove(&self.topic);
        }
        drop(topics);
        drop(member);
    }
}

/// A broadcast in each version, as far as somebody speaks it.
#[derive(Default)]
struct Written([Option<Option<Message>>; 2]);

impl Written {
    fn frame(
        &mut self,
        version: Version,
        topic: &Name,
        event: &str,
        payload: &Payload,
    ) -> Option<Message> {
        let slot = &mut self.0[usize::from(version == Version::Two)];
        slot.get_or_insert_with(|| write(version, topic, event, payload))
            .clone()
    }
}

/// Writes a broadcast; `None` if this version cannot carry it.
fn write(version: Version, topic: &Name, event: &str, payload: &Payload) -> Option<Message> {
    let null = Ref::null();
    let outgoing = Outgoing {
        join_ref: &null,
        reference: &null,
        topic,
        event,
        status: None,
        payload,
    };
    let written = version.write(&outgoing);
    if written.is_err() {
        tracing::warn!(
            event,
            ?version,
            "a broadcast cannot be written for some of its members"
        );
    }
    written.ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
