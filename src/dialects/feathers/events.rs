//! Events on their way to Socket.IO clients: `"<path> <event>"`, the record, and a stamp for those
//! who asked for stamps.

use std::{
    collections::HashSet,
    sync::{Arc, Weak},
};

use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::socket::Sid;
use socketioxide_core::adapter::Room;

use super::{
    crowd::Crowd,
    peers::Peers,
    rooms::Broadcast,
    visits::{board_room, common_room},
};
use crate::{
    core::{
        access::{Access, AccessChange},
        event::{Delta, Event, View},
        hub::{Hub, Sink},
        scope::Audience,
        stamp::{LogId, Seq},
    },
    services::streams::CHUNK,
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
    /// Whether deltas go only to who asked for their session's.
    pub(super) subscribed: bool,
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
        for burst in events.chunk_by(|event, next| go_together(event, next, access)) {
            for burst in burst.chunks(BURST).filter(|_| is_heard(&burst[0])) {
                self.send_forms(&*rooms, burst, access);
            }
            for event in burst {
                self.crowd.apply(&event.access);
            }
        }
    }

    fn whisper(&self, delta: &Delta) {
        let (Some(rooms), Some(hub)) = (self.peers.rooms(), self.hub.upgrade()) else {
            return;
        };
        let (access, audience) = (hub.access(), &delta.audience);
        let stream = delta.topic("session").map(stream_room);
        let mut to: Vec<Room> = stream.into_iter().map(Room::from).collect();
        for stamps in self.kinds().filter(|_| !self.subscribed) {
            to.push(common_room(stamps).into());
            let boards = delta.topics.iter().filter_map(|topic| topic.id_of("board"));
            to.extend(self.board_rooms(boards, stamps));
        }
        let only = (!audience.is_everyone(access)).then(|| self.peers.admitted(audience, access));
        rooms.offer(&to, delta, only.as_ref());
    }
}

/// The room of those who asked for a session's deltas.
pub(super) fn stream_room(session: &str) -> String {
    format!("session-{session}")
}

/// Whether everybody who is let in receives the event, all in the same form.
fn is_public(event: &Event, access: &Access) -> bool {
    matches!(event.views.as_slice(), [view] if view.audience.is_everyone(access))
}

const fn audience(view: &View) -> &Audience {
    &view.audience
}

/// Whether connections to the root namespace hear of it: what tasks stream is told in namespaces of its
/// own, to who asks for it.
pub(super) fn is_heard(event: &Event) -> bool {
    event.name != CHUNK
}

/// Whether two events are for the same people, and neither changes who may see what.
fn go_together(event: &Event, next: &Event, access: &Access) -> bool {
    let (these, those) = (event.views.iter(), next.views.iter());
    let is_alike = is_public(event, access) && is_public(next, access)
        || these.map(audience).eq(those.map(audience));
    is_alike
        && is_heard(event) == is_heard(next)
        && event.access.is_empty()
        && next.access.is_empty()
}

impl Emission {
    /// Sends each form of events that go together to those whose first it is.
    fn send_forms(&self, rooms: &dyn Broadcast, events: &[Arc<Event>], access: &Access) {
        match events {
            [event, ..] if !is_public(event, access) => {
                let forms = self.peers.by_view(&event.views, access);
                for (form, sids) in forms.iter().enumerate() {
                    self.send(rooms, events, form, Some(sids));
                }
            }
            _ => self.send(rooms, events, 0, None),
        }
    }

    /// Sends one form of events to these sockets, or to all that listen; each gets them one behind the
    /// other, so that they leave together.
    fn send(
        &self,
        rooms: &dyn Broadcast,
        events: &[Arc<Event>],
        form: usize,
        only: Option<&HashSet<Sid>>,
    ) {
        let frames: Vec<_> = events
            .iter()
            .map(|event| Frame::new(event, &event.views[form].data, &self.log))
            .collect();
        for stamps in self.kinds() {
            rooms.send(&[common_room(stamps).into()], &frames, stamps, only);
            // Who is in rooms of boards is in no common one.
            for (event, frame) in events.iter().zip(&frames) {
                let boards = self.board_rooms(event.topics_of("board"), stamps);
                if !boards.is_empty() {
                    rooms.send(&boards, std::slice::from_ref(frame), stamps, only);
                }
            }
        }
    }

    /// With stamps, without, or both: whatever somebody listens to.
    fn kinds(&self) -> impl Iterator<Item = bool> {
        let kinds = [true, false].into_iter();
        kinds.filter(|stamps| self.peers.anybody(*stamps))
    }

    /// The rooms of these boards that somebody is in.
    fn board_rooms<'a>(&self, boards: impl Iterator<Item = &'a str>, stamps: bool) -> Vec<Room> {
        let boards = boards.filter(|board| self.crowd.is_anybody_on(board));
        boards
            .map(|board| board_room(board, stamps).into())
            .collect()
    }
}
