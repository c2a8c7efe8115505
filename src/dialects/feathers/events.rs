//! Events on their way to Socket.IO clients: `"<path> <event>"`, the record, and a stamp for those
//! who asked for stamps.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::socket::Sid;

use super::{
    peers::Peers,
    rooms::{Broadcast, EVERYBODY, STAMPED},
};
use crate::core::{
    access::{Access, AccessChange},
    event::{Event, View},
    hub::{Hub, Sink},
    stamp::LogId,
};

/// Events that one socket is given before the next one's turn; far fewer than its queue holds.
const BURST: usize = 64;

/// Sends to rooms, in `seq` order, without waiting in between, so that bursts coalesce.
pub(super) struct Emission {
    pub(super) peers: Arc<Peers>,
    /// Holds this sink.
    pub(super) hub: Weak<Hub>,
    pub(super) log: LogId,
}

/// The second argument of a stamped event.
#[derive(Serialize)]
pub(super) struct Stamp {
    seq: String,
}

/// An event's name and arguments on the wire.
pub(super) struct Frame<'a> {
    pub(super) name: String,
    pub(super) data: &'a RawValue,
    pub(super) stamp: Stamp,
}

impl<'a> Frame<'a> {
    /// An event in one of its forms.
    pub(super) fn new(event: &Event, data: &'a RawValue, log: &LogId) -> Self {
        let stamp = Stamp {
            seq: log.stamp(event.seq),
        };
        Self {
            name: format!("{} {}", event.source, event.name),
            data,
            stamp,
        }
    }
}

impl Sink for Emission {
    fn deliver(&self, events: &[Arc<Event>]) {
        // Gone when the daemon stops.
        let (Some(rooms), Some(hub)) = (self.peers.rooms(), self.hub.upgrade()) else {
            return;
        };
        let access = hub.access();
        let ends_logins = |event: &Arc<Event>| event.access.iter().any(AccessChange::ends_logins);
        if events.iter().any(ends_logins) {
            self.peers.end_logins();
        }
        for burst in events.chunk_by(|event, next| public(event, access) && public(next, access)) {
            match burst {
                [event] if !public(event, access) => self.send_views(&*rooms, event, access),
                _ => {
                    for burst in burst.chunks(BURST) {
                        let frames = burst.iter().map(|event| self.frame(event, &event.views[0]));
                        self.send(&*rooms, &frames.collect::<Vec<_>>(), None);
                    }
                }
            }
        }
    }
}

/// Whether everybody who is let in receives the event, all in the same form.
fn public(event: &Event, access: &Access) -> bool {
    matches!(event.views.as_slice(), [view] if view.audience.is_everyone(access))
}

impl Emission {
    fn frame<'e>(&self, event: &Event, view: &'e View) -> Frame<'e> {
        Frame::new(event, &view.data, &self.log)
    }

    /// Sends each form of an event to those whose first it is.
    fn send_views(&self, rooms: &dyn Broadcast, event: &Event, access: &Access) {
        for (view, sids) in self.peers.by_view(event, access) {
            self.send(rooms, &[self.frame(event, view)], Some(&sids));
        }
    }

    /// Sends events to all, or to these; a socket gets them one behind the other, so that they leave
    /// together.
    fn send(&self, rooms: &dyn Broadcast, frames: &[Frame<'_>], only: Option<&HashSet<Sid>>) {
        for (room, stamps) in [(STAMPED, true), (EVERYBODY, false)] {
            if self.peers.anybody(stamps) {
                rooms.send(room, frames, stamps, only);
            }
        }
    }
}
