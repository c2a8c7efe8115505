//! What was given to a peer and may still wait for it, told from the bytes that its connection took.
//!
//! Packets wait in one queue, in order, and nobody says how many there are. So the bytes given are set
//! against the bytes taken: a delta waits as long as not all before it, and it, was taken.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::core::connection::Connection;

/// Time after which a connection that takes bytes and was given none has none to take: nothing waits,
/// whatever was counted.
const QUIET: Duration = Duration::from_secs(1);

/// A backlog that was longer than this gives its memory back when it is empty.
const KEPT: usize = 64;

/// How many deltas may wait for a peer.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// For each delta that waits, its bytes and those of what was given between the one before and it.
    deltas: VecDeque<usize>,
    /// Bytes of what was given after the last delta.
    rest: usize,
    /// When the first delta was given that followed none.
    since: Option<Instant>,
    /// Bytes that the connection had taken when all before the first delta's share was taken.
    taken: usize,
}

impl Backlog {
    /// Notes a delta of so many bytes.
    pub(super) fn delta(&mut self, bytes: usize) {
        if self.deltas.is_empty() {
            self.since = Some(Instant::now());
        }
        self.deltas
            .push_back(std::mem::take(&mut self.rest) + bytes);
    }

    /// Notes packets of so many bytes that are no deltas.
    pub(super) const fn other(&mut self, bytes: usize) {
        self.rest = self.rest.saturating_add(bytes);
    }

    /// How many deltas wait, as of what a connection has taken by now.
    pub(super) fn look(&mut self, connection: &Connection) -> usize {
        let is_quiet = connection.quiet_for().is_some_and(|time| time >= QUIET);
        if is_quiet && self.since.is_none_or(|since| since.elapsed() >= QUIET) {
            self.clear(connection.taken());
        } else {
            self.take(connection.taken());
        }
        self.deltas.len()
    }

    /// How many deltas were noted since they were cleared, or looked at.
    pub(super) fn len(&self) -> usize {
        self.deltas.len()
    }

    /// Bytes of what was noted and not taken when it was looked at last.
    pub(super) fn bytes(&self) -> usize {
        self.deltas.iter().sum::<usize>().saturating_add(self.rest)
    }

    /// Notes that nothing waits on a connection that has taken so many bytes.
    pub(super) fn clear(&mut self, taken: usize) {
        self.deltas = VecDeque::new();
        self.rest = 0;
        self.since = None;
        self.taken = taken;
    }

    fn take(&mut self, taken: usize) {
        let mut more = taken.wrapping_sub(self.taken);
        while let Some(bytes) = self.deltas.front().filter(|bytes| **bytes <= more) {
            more -= bytes;
            self.deltas.pop_front();
        }
        if self.deltas.is_empty() {
            self.rest = self.rest.saturating_sub(more);
            self.since = None;
            more = 0;
            if self.deltas.capacity() > KEPT {
                self.deltas = VecDeque::new();
            }
        }
        self.taken = taken.wrapping_sub(more);
    }
}

/// Bytes of an event on a WebSocket whose name and arguments, as a JSON list, have so many.
pub(super) const fn on_the_wire(list: usize) -> usize {
    // The types of the two packets around it, and the frame's head.
    let packet = list + 2;
    let head = match packet {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    packet + head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_was_not_taken() {
        let mut backlog = Backlog::default();
        for _ in 0..10 {
            backlog.delta(100);
        }
        backlog.take(99);
        assert_eq!(backlog.len(), 10);
        backlog.take(101);
        assert_eq!(backlog.len(), 9);
        // A trickle is added up.
        backlog.take(199);
        assert_eq!(backlog.len(), 9);
        backlog.take(200);
        assert_eq!(backlog.len(), 8);
        backlog.take(5_000);
        assert_eq!(backlog.len(), 0);
        // What was taken in excess is none of what is given later.
        backlog.delta(100);
        backlog.take(5_099);
        assert_eq!(backlog.len(), 1);
    }

    #[test]
    fn what_is_taken_of_other_packets_is_none_of_the_deltas() {
        let mut backlog = Backlog::default();
        backlog.other(1_000);
        backlog.delta(10);
        backlog.other(1_000);
        backlog.delta(10);
        backlog.other(1_000);
        backlog.take(1_009);
        assert_eq!(backlog.len(), 2);
        backlog.take(1_010);
        assert_eq!(backlog.len(), 1);
        backlog.take(2_020);
        assert_eq!(backlog.len(), 0);
        backlog.delta(10);
        backlog.take(3_029);
        assert_eq!(backlog.len(), 1);
        backlog.clear(3_029);
        assert_eq!(backlog.len(), 0);
    }

    #[test]
    fn knows_a_frames_size() {
        let sizes = [123, 124, 65_533, 65_534].map(on_the_wire);
        assert_eq!(sizes, [127, 130, 65_539, 65_546]);
    }
}
