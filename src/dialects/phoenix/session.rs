//! Long-polling sessions: a connection whose frames wait to be fetched.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::extract::ws::Message;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{connection::Connection, endpoint::Mount, outbox::Outbox};

/// Open sessions of one mount, at most.
const SESSIONS: usize = 16_384;

/// Frames, and about bytes of them, in the answer to one poll.
const GATHER: usize = 512;
const GATHER_BYTES: usize = 1 << 20;

/// The sessions of a mount, by token.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

/// One client's session.
pub(super) struct Session {
    /// Its posts are dealt with one after another.
    pub(super) connection: tokio::sync::Mutex<Connection>,
    outbox: Arc<Outbox>,
    /// Cancelled at its end.
    pub(super) ended: CancellationToken,
    /// The newest poll; it alone is given frames.
    polls: AtomicU64,
    polled: Notify,
    seen: Mutex<Instant>,
}

/// What a poll finds.
pub(super) enum Found {
    /// Frames.
    Frames(Vec<Message>),
    /// Nothing in time.
    Nothing,
    /// The session has ended.
    Gone,
}

impl Sessions {
    /// A session that is open.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Session>> {
        let session = self.lock().get(token).cloned();
        session.filter(|session| !session.ended.is_cancelled())
    }

    /// Opens a session, whose token nobody can guess; `None` if there are too many.
    pub(super) fn open(
        &self,
        mount: &Arc<Mount>,
        connection: Connection,
        window: Duration,
    ) -> Option<String> {
        let app = mount.endpoint.app();
        let outbox = Arc::clone(connection.outbox());
        let session = Arc::new(Session {
            connection: tokio::sync::Mutex::new(connection),
            outbox,
            ended: CancellationToken::new(),
            polls: AtomicU64::new(0),
            polled: Notify::new(),
            seen: Mutex::new(Instant::now()),
        });
        // A secret: it is random, whatever makes the ids.
        let token = [Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes);
        let token = URL_SAFE_NO_PAD.encode(token.concat());
        {
            let mut sessions = self.lock();
            if sessions.len() >= SESSIONS {
                return None;
            }
            sessions.insert(token.clone(), Arc::clone(&session));
        }
        app.tasks
            .spawn(keep(Arc::clone(mount), token.clone(), session, window));
        Some(token)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a session that was not polled for one and a half windows, or when the daemon stops.
async fn keep(mount: Arc<Mount>, token: String, session: Arc<Session>, window: Duration) {
    let patience = window.mul_f32(1.5);
    loop {
        let due = session.seen() + patience;
        tokio::select! {
            () = mount.endpoint.app().stopping.cancelled() => break,
            () = session.ended.cancelled() => break,
            () = sleep_until(due) => if session.seen() + patience <= Instant::now() {
                break;
            },
        }
    }
    session.ended.cancel();
    mount.sessions.lock().remove(&token);
}

impl Session {
    /// Whether it has ended, or ends now that its connection has: who was disconnected posts no more.
    pub(super) fn is_over(&self) -> bool {
        if self.outbox.ended() {
            self.ended.cancel();
        }
        self.ended.is_cancelled()
    }

    /// Waits for frames, for a window at most.
    pub(super) async fn poll(&self, window: Duration, stopping: &CancellationToken) -> Found {
        self.see();
        let turn = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        self.polled.notify_waiters();
        let mut window = std::pin::pin!(sleep(window));
        let newer = async {
            loop {
                let polled = self.polled.notified();
                if self.polls.load(Ordering::Relaxed) != turn {
                    return;
                }
                polled.await;
            }
        };
        let found = tokio::select! {
            // The newest poll alone is given frames; and a stop, which ends the session, too, is no fault.
            biased;
            () = newer => {
                tokio::select! {
                    () = &mut window => {}
                    () = stopping.cancelled() => {}
                    () = self.ended.cancelled() => {}
                }
                Found::Nothing
            }
            () = stopping.cancelled() => Found::Nothing,
            () = self.ended.cancelled() => Found::Gone,
            frame = self.outbox.next() => match frame {
                Some(frame) => Found::Frames(self.gather(frame)),
                None => {
                    self.ended.cancel();
                    Found::Gone
                }
            },
            () = &mut window => Found::Nothing,
        };
        self.see();
        found
    }

    fn gather(&self, first: Message) -> Vec<Message> {
        let mut bytes = length(&first);
        let mut frames = vec![first];
        while frames.len() < GATHER && bytes < GATHER_BYTES {
            let Some(frame) = self.outbox.take() else {
                break;
            };
            bytes += length(&frame);
            frames.push(frame);
        }
        frames
    }

    fn see(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn seen(&self) -> Instant {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(frame: &Message) -> usize {
    match frame {
        Message::Text(text) => text.as_str().len(),
        Message::Binary(bytes) => bytes.len(),
        _ => 0,
    }
}
