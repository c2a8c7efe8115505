//! Socket.IO's rooms, on an adapter that knows which socket fell behind.
//!
//! socketioxide's own broadcast drops a packet for a socket whose queue is full without saying which
//! socket it was. This adapter keeps the library's rooms and sends to their sockets one by one, so
//! the answer to each send belongs to a socket (docs/decisions/0004).

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use socketioxide::{
    SendError, SocketError,
    adapter::Emitter,
    extract::SocketRef,
    socket::{Sid, Socket as IoSocket},
};
use socketioxide_core::{
    adapter::{
        BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, Room, SocketEmitter,
        errors::BroadcastError,
    },
    packet::Packet,
    parser::Parse,
};

use super::{backlog::on_the_wire, events::Frame, peers::Peers};
use crate::core::event::Delta;

/// The adapter that this dialect's sockets use.
pub(super) type Adapter = Rooms<Emitter>;

/// A socket on that adapter.
pub(super) type Socket = SocketRef<Adapter>;

/// Every connected client.
pub(super) const EVERYBODY: &str = "everybody";

/// Those of them who get each event's stamp as a second argument.
pub(super) const STAMPED: &str = "everybody+stamps";

/// Rooms whose sockets are sent to one by one.
pub(super) struct Rooms<E> {
    local: CoreLocalAdapter<E>,
    peers: Arc<Peers>,
}

impl<E: SocketEmitter> CoreAdapter<E> for Rooms<E> {
    type Error = Infallible;
    type State = Arc<Peers>;
    type AckStream = E::AckStream;
    type InitRes = ();

    fn new(peers: &Arc<Peers>, local: CoreLocalAdapter<E>) -> Self {
        Self {
            local,
            peers: Arc::clone(peers),
        }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        self.peers.are_in(&self);
        on_success();
    }

    async fn broadcast(
        &self,
        packet: Packet,
        options: BroadcastOptions,
    ) -> Result<(), BroadcastError> {
        for sid in self.local.sockets(options) {
            self.give(sid, std::slice::from_ref(&packet));
        }
        Ok(())
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        options: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, options, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<E> {
        &self.local
    }
}

impl<E> DefinedAdapter for Rooms<E> {}

impl<E: SocketEmitter> Rooms<E> {
    /// Puts packets into a socket's queue, or cuts it off if they do not fit.
    fn give(&self, sid: Sid, packets: &[Packet]) {
        for packet in packets {
            let alone = BroadcastOptions::new(sid);
            let sent = self.local.broadcast(packet.clone(), alone);
            // A closed socket is on its way out by itself.
            if sent.is_err_and(|errors| errors.iter().any(is_full_error)) {
                self.local.del_all(sid);
                self.peers.cut_off(sid);
                return;
            }
        }
    }
}

/// Sends events to rooms.
pub(super) trait Broadcast: Send + Sync {
    /// Sends frames, with or without their stamps, to the sockets in any of these rooms, or to those of
    /// them that are named; each gets all of the frames before the next one's turn.
    fn send(&self, rooms: &[Room], frames: &[Frame<'_>], stamps: bool, only: Option<&HashSet<Sid>>);

    /// Sends a delta to the sockets in any of these rooms, or to those of them that are named, as far as
    /// they have room for it.
    fn offer(&self, rooms: &[Room], delta: &Delta, only: Option<&HashSet<Sid>>);
}

impl<E: SocketEmitter> Broadcast for Rooms<E> {
    fn send(
        &self,
        rooms: &[Room],
        frames: &[Frame<'_>],
        stamps: bool,
        only: Option<&HashSet<Sid>>,
    ) {
        let parser = self.local.parser();
        let packet = |frame: &Frame<'_>| {
            let value = if stamps {
                parser.encode_value(&(frame.data, &frame.stamp), Some(&frame.name))
            } else {
                parser.encode_value(frame.data, Some(&frame.name))
            };
            // Text that was JSON before.
            let value = value.ok()?;
            let bytes = on_the_wire(value.as_str().map_or(0, |list| list.len()));
            Some((bytes, Packet::event(self.local.path().clone(), value)))
        };
        let (bytes, packets): (Vec<usize>, Vec<Packet>) = frames.iter().filter_map(packet).unzip();
        let mut options = BroadcastOptions::default();
        options.rooms.extend(rooms.iter().cloned());
        let mut sockets = self.local.sockets(options);
        if let Some(only) = only {
            sockets.retain(|sid| only.contains(sid));
        }
        self.peers.sent(&sockets, bytes.iter().sum());
        for sid in sockets {
            self.give(sid, &packets);
        }
    }

    fn offer(&self, rooms: &[Room], delta: &Delta, only: Option<&HashSet<Sid>>) {
        let mut options = BroadcastOptions::default();
        options.rooms.extend(rooms.iter().cloned());
        let mut sockets = self.local.sockets(options);
        if let Some(only) = only {
            sockets.retain(|sid| only.contains(sid));
        }
        self.peers.leave_out_slow(&mut sockets, delta);
        if sockets.is_empty() {
            return;
        }
        let name = [delta.source, " ", delta.name].concat();
        let value = self.local.parser().encode_value(&delta.data, Some(&name));
        // Text that was JSON before.
        let Ok(value) = value else { return };
        let packet = Packet::event(self.local.path().clone(), value);
        for sid in sockets {
            let alone = BroadcastOptions::new(sid);
            let sent = self.local.broadcast(packet.clone(), alone);
            if sent.is_err_and(|errors| errors.iter().any(is_full_error)) {
                self.peers.lacks(sid, delta);
            }
        }
    }
}

const fn is_full_error(error: &SocketError) -> bool {
    matches!(error, SocketError::InternalChannelFull)
}

/// Time between looks at a socket that takes nothing.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Tries again as long as the socket's queue is full: nothing is dropped while it is connected.
pub(super) async fn when_there_is_room(
    socket: &IoSocket<Adapter>,
    mut send: impl FnMut() -> Result<(), SendError>,
) {
    while is_full(&send()) && socket.connected() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a packet was refused because the socket's queue is full.
pub(super) const fn is_full(sent: &Result<(), SendError>) -> bool {
    matches!(
        sent,
        Err(SendError::Socket(SocketError::InternalChannelFull))
    )
}
