//! Events on their way to Socket.IO clients: `"<path> <event>"`, the record, and a stamp for those
//! who asked for stamps.

use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::{SocketIo, operators::BroadcastOperators};

use super::rooms::{Adapter, EVERYBODY, Peers, STAMPED};
use crate::core::{
    access::AccessChange,
    event::Event,
    hub::{Hub, Sink},
    stamp::LogId,
};

/// Emits to rooms, in `seq` order, without waiting in between, so that bursts coalesce.
pub(super) struct Emission {
    pub(super) io: SocketIo<Adapter>,
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
    fn deliver(&self, event: &Arc<Event>) {
        // Gone when the daemon stops.
        let (Some(everybody), Some(hub)) = (self.io.of("/"), self.hub.upgrade()) else {
            return;
        };
        let access = hub.access();
        if event.access.iter().any(AccessChange::ends_logins) {
            self.peers.end_logins();
        }
        if let [view] = event.views.as_slice()
            && view.audience.is_everyone(access)
        {
            return self.emit(&everybody, &Frame::new(event, &view.data, &self.log));
        }
        // Each form goes to those whose first it is.
        for (view, sids) in self.peers.by_view(event, access) {
            self.peers.only(Some(sids));
            self.emit(&everybody, &Frame::new(event, &view.data, &self.log));
        }
        self.peers.only(None);
    }
}

impl Emission {
    fn emit(&self, everybody: &BroadcastOperators<Adapter>, frame: &Frame<'_>) {
        // The adapter never waits and tells nothing that it has not dealt with.
        if self.peers.anybody(true) {
            let arguments = (frame.data, &frame.stamp);
            let stamped = everybody.clone().to(STAMPED);
            drop(stamped.emit(&frame.name, &arguments).now_or_never());
        }
        if self.peers.anybody(false) {
            let plain = everybody.clone().to(EVERYBODY);
            drop(plain.emit(&frame.name, frame.data).now_or_never());
        }
    }
}
