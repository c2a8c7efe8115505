//! What sockets are told of each other: cursors and presence. Neither is in the log, and of each user
//! and board only the newest counts.
//!
//! What waits is sent every [`TICK`], so that a viewer hears of somebody at most 20 times a second
//! whatever they do. While nothing waits, nothing runs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use serde_json::{
    Number,
    value::{RawValue, to_raw_value},
};
use socketioxide::socket::Sid;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{crowd::Crowd, login::SocketLogin, peers::Peers};
use crate::core::presence::{Diff, Meta, Presence, Watcher};

/// Time between two looks at what waits.
const TICK: Duration = Duration::from_millis(50);

/// A board and a user on it.
type Key = (Arc<str>, Arc<str>);

/// What waits to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    /// Guards what waits. Nothing else is locked meanwhile.
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    cursors: HashMap<Key, Cursor>,
    /// Whose presence changed, and what was shown first since.
    changed: HashMap<Key, Option<Arc<Meta>>>,
}

/// Where somebody's cursor is, or that it is gone.
pub(super) struct Cursor {
    /// Whose socket hears nothing of it.
    pub(super) from: Sid,
    /// The place; none if it left.
    pub(super) place: Option<(Number, Number)>,
    /// Milliseconds since 1970.
    pub(super) timestamp: Number,
}

/// A cursor on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CursorFrame<'a> {
    user_id: &'a str,
    board_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<&'a Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<&'a Number>,
    timestamp: &'a Number,
}

impl Outbox {
    /// Puts a cursor in place of where it was.
    pub(super) fn put(&self, board: &Arc<str>, user: &Arc<str>, cursor: Cursor) {
        let key = (Arc::clone(board), Arc::clone(user));
        self.lock().cursors.insert(key, cursor);
        self.arrived.notify_one();
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher for Outbox {
    fn changed(&self, place: &str, diff: &Diff) {
        let mut waiting = self.lock();
        for user in diff.joins.keys().chain(diff.leaves.keys()) {
            let key = (Arc::from(place), Arc::from(user.as_str()));
            let first = waiting.changed.entry(key).or_default();
            let shown = diff.joins.get(user).and_then(|metas| metas.first());
            *first = first.take().or_else(|| shown.cloned());
        }
        drop(waiting);
        self.arrived.notify_one();
    }
}

/// Sends what waits.
pub(super) struct Postman {
    pub(super) crowd: Arc<Crowd>,
    pub(super) viewers: Presence,
    pub(super) peers: Arc<Peers>,
    /// Who is present as far as viewers know.
    pub(super) told: HashMap<Key, Arc<Meta>>,
}

impl Postman {
    /// Sends until the daemon stops.
    pub(super) async fn run(mut self, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.crowd.outbox.arrived.notified() => {}
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = sleep(TICK) => {}
            }
            let waiting = self.crowd.outbox.take();
            for (key, first) in waiting.changed {
                self.tell_presence(key, first);
                tokio::task::yield_now().await;
            }
            for (key, cursor) in waiting.cursors {
                self.tell_cursor(&key, &cursor);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Tells who views a board what has become of somebody there since they were told last. Who came
    /// is told of with what was shown first, so that each change after it is an update.
    fn tell_presence(&mut self, key: Key, first: Option<Arc<Meta>>) {
        let now = self.viewers.newest(&key.0, &key.1);
        let told = match (self.told.remove(&key), &now) {
            (Some(told), None) => return self.send_presence("removed", &key, &told),
            (None, None) => return,
            (None, Some(now)) => {
                let came = first.unwrap_or_else(|| Arc::clone(now));
                self.send_presence("created", &key, &came);
                came
            }
            (Some(told), Some(_)) => told,
        };
        if let Some(now) = now {
            if told.reference != now.reference {
                self.send_presence("updated", &key, &now);
            }
            self.told.insert(key, now);
        }
    }

    fn send_presence(&self, event: &str, (board, _): &Key, meta: &Meta) {
        let viewers = self.crowd.on(board).into_iter();
        let viewers = viewers.filter(|login| login.views(board));
        self.send(viewers, board, &format!("presence {event}"), &meta.data);
    }

    fn tell_cursor(&self, (board, user): &Key, cursor: &Cursor) {
        let (x, y) = cursor.place.as_ref().map(|(x, y)| (x, y)).unzip();
        let frame = CursorFrame {
            user_id: user,
            board_id: board,
            x,
            y,
            timestamp: &cursor.timestamp,
        };
        let name = if x.is_some() {
            "cursor-moved"
        } else {
            "cursor-left"
        };
        let watchers = self
            .crowd
            .on(board)
            .into_iter()
            .chain(self.crowd.anywhere());
        let others = watchers.filter(|login| login.sid != cursor.from);
        self.send(others, board, name, &frame);
    }

    /// Sends something to those who may see a board; who has no room for it is cut off.
    fn send(
        &self,
        sockets: impl Iterator<Item = Arc<SocketLogin>>,
        board: &str,
        name: &str,
        data: &impl Serialize,
    ) {
        let Ok(data): Result<Box<RawValue>, _> = to_raw_value(data) else {
            return;
        };
        for login in sockets {
            if login.is_full_after(board, name, &data) {
                self.peers.cut_off(login.sid);
            }
        }
    }
}
