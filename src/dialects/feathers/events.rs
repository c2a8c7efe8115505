//! Events on their way to Socket.IO clients: `"<path> <event>"`, the record, and a stamp for those
//! who asked for stamps.

use std::sync::{Arc, Weak};

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide_core::adapter::Room;

use super::{
    crowd::Crowd,
    peers::Peers,
    rooms::Broadcast,
    visits::{board_room, common_room},
};
use crate::core::{
    access::{Access, AccessChange},
    event::{Event, View},
    hub::{Hub, Sink},
    stamp::{LogId, Seq},
};

/// Events that one socket is given before the next one's turn; far fewer than its queue holds.
const BURST: usize = 64;

/// Sends to rooms, in `seq` order, without waiting in between, so that bursts coalesce.
pub(super) struct Emission {
    pub(super) peers: Arc<Peers>,
    pub(super) crowd: Arc<Crowd>,
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
        if let Some(first) = events.first().filter(|_| events.iter().any(ends_logins)) {
            let before = Seq(first.seq.0 - 1);
            for login in self.peers.ended() {
                login.end(before);
            }
        }
        // An event that is not for all goes alone, and so does one after which less may be seen.
        let is_alike = |event: &Arc<Event>| public(event, access) && event.access.is_empty();
        for burst in events.chunk_by(|event, next| is_alike(event) && is_alike(next)) {
            match burst {
                [event] if !public(event, access) => self.send_views(&*rooms, event, access),
                _ => {
                    for burst in burst.chunks(BURST) {
                        self.send_all(&*rooms, burst);
                    }
                }
            }
            for event in burst {
                self.crowd.apply(&event.access);
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

    /// Sends events that are for all; a socket gets them one behind the other, so that they leave
    /// together.
    fn send_all(&self, rooms: &dyn Broadcast, events: &[Arc<Event>]) {
        let frames = events
            .iter()
            .map(|event| self.frame(event, &event.views[0]));
        let frames: Vec<_> = frames.collect();
        for stamps in self.kinds() {
            rooms.send(&[common_room(stamps).into()], &frames, stamps, None);
            for (event, frame) in events.iter().zip(&frames) {
                let boards = self.board_rooms(event, stamps);
                if !boards.is_empty() {
                    rooms.send(&boards, std::slice::from_ref(frame), stamps, None);
                }
            }
        }
    }

    /// Sends each form of an event to those whose first it is.
    fn send_views(&self, rooms: &dyn Broadcast, event: &Event, access: &Access) {
        for (view, sids) in self.peers.by_view(event, access) {
            let frame = [self.frame(event, view)];
            for stamps in self.kinds() {
                let mut into = self.board_rooms(event, stamps);
                into.push(common_room(stamps).into());
                rooms.send(&into, &frame, stamps, Some(&sids));
            }
        }
    }

    /// With stamps, without, or both: whatever somebody listens to.
    fn kinds(&self) -> impl Iterator<Item = bool> {
        let kinds = [true, false].into_iter();
        kinds.filter(|stamps| self.peers.anybody(*stamps))
    }

    /// The rooms of an event's boards that somebody is in.
    fn board_rooms(&self, event: &Event, stamps: bool) -> Vec<Room> {
        let boards = event.topics_of("board");
        let boards = boards.filter(|board| self.crowd.is_anybody_on(board));
        boards
            .map(|board| board_room(board, stamps).into())
            .collect()
    }
}
