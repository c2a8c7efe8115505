//! Events on their way to Socket.IO clients: `"<path> <event>"`, the record, and a stamp for those
//! who asked for stamps.

use std::sync::Arc;

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::SocketIo;

use super::rooms::{Adapter, EVERYBODY, Peers, STAMPED};
use crate::core::{event::Event, hub::Sink, identity::Identity, stamp::LogId};

/// Emits to rooms, in `seq` order, without waiting in between, so that bursts coalesce.
pub(super) struct Emission {
    pub(super) io: SocketIo<Adapter>,
    pub(super) peers: Arc<Peers>,
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
    /// `None` if the event is for nobody here.
    pub(super) fn of(event: &'a Event, log: &LogId) -> Option<Self> {
        let data = event.view(&Identity::Owner)?;
        let stamp = Stamp {
            seq: log.stamp(event.seq),
        };
        Some(Self {
            name: format!("{} {}", event.source, event.name),
            data,
            stamp,
        })
    }
}

impl Sink for Emission {
    fn deliver(&self, event: &Arc<Event>) {
        let Some(frame) = Frame::of(event, &self.log) else {
            return;
        };
        // Gone when the daemon stops.
        let Some(everybody) = self.io.of("/") else {
            return;
        };
        // The adapter never waits and tells nothing that it has not dealt with.
        if self.peers.anybody(true) {
            let arguments = (frame.data, &frame.stamp);
            let stamped = everybody.clone().to(STAMPED);
            drop(stamped.emit(&frame.name, &arguments).now_or_never());
        }
        if self.peers.anybody(false) {
            let plain = everybody.to(EVERYBODY);
            drop(plain.emit(&frame.name, frame.data).now_or_never());
        }
    }
}
