//! A client that was away: first what it missed, then what comes, without gap or duplicate.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use socketioxide::SendError;

use super::{
    events::Frame,
    rooms::{PAUSE, STAMPED, Socket, is_full, when_there_is_room},
};
use crate::{
    App,
    core::{
        event::Event,
        feed::Reset,
        stamp::{LogId, Seq, Since},
    },
    error::Result,
};

/// Events that may be handed over at once when a client goes live; more are paged from the log.
const HAND_OVER: usize = 512;

/// What a client says at the handshake.
#[derive(Default, Deserialize)]
pub(super) struct Handshake {
    since: Option<serde_json::Value>,
}

impl Handshake {
    /// Where the client asks to start; `None` if it knows nothing of stamps.
    ///
    /// # Errors
    /// `BadRequest` if `since` cannot be read.
    pub(super) fn since(&self) -> Result<Option<Since>> {
        match &self.since {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Since::parse(text).map(Some),
            Some(other) => Since::parse(&other.to_string()).map(Some),
        }
    }
}

/// Sends a client what it missed and joins it to what comes.
pub(super) async fn resume(app: Arc<App>, socket: Socket, since: Since) {
    let log = app.store.story().log.id();
    if let Err(error) = replay(&app, &socket, &since, &log).await {
        tracing::error!(%error, "a client could not be sent what it missed");
        // It comes back and asks again.
        drop(socket.disconnect());
    }
}

async fn replay(app: &App, socket: &Socket, since: &Since, log: &LogId) -> Result<()> {
    let story = app.store.story();
    let mut cursor = match story.start(since).await? {
        Ok(cursor) => cursor,
        Err(reset) => tell(socket, log, &reset).await,
    };
    while socket.connected() {
        match go_live(app, socket, cursor, log) {
            Joined::Live => return Ok(()),
            Joined::Full(reached) => {
                cursor = reached;
                tokio::time::sleep(PAUSE).await;
            }
            Joined::Behind => match story.page(cursor).await? {
                Ok(page) => {
                    for event in page {
                        when_there_is_room(socket, || emit(socket, &event, log)).await;
                        cursor = event.seq;
                    }
                }
                Err(reset) => cursor = tell(socket, log, &reset).await,
            },
        }
    }
    Ok(())
}

enum Joined {
    /// The client has everything and is in its rooms.
    Live,
    /// Its queue is full: it has everything up to here.
    Full(Seq),
    /// It lacks more than can be handed over at once.
    Behind,
}

/// Hands over the last events and joins the rooms while nothing is published.
fn go_live(app: &App, socket: &Socket, cursor: Seq, log: &LogId) -> Joined {
    let joined = app.store.story().hub.join(Some(cursor), |tail| {
        if tail.len() > HAND_OVER {
            return Joined::Behind;
        }
        let mut reached = cursor;
        for event in tail.events() {
            if is_full(&emit(socket, event, log)) {
                return Joined::Full(reached);
            }
            reached = event.seq;
        }
        socket.join(STAMPED);
        Joined::Live
    });
    joined.unwrap_or(Joined::Behind)
}

/// Tells a client that it must read its records anew; returns the place after which events follow.
async fn tell(socket: &Socket, log: &LogId, reset: &Reset) -> Seq {
    let (oldest, latest) = (log.stamp(reset.oldest), log.stamp(reset.latest));
    let text = json!({"reason": reset.reason, "oldest": oldest, "latest": latest});
    when_there_is_room(socket, || socket.emit("reset", &text)).await;
    reset.latest
}

fn emit(socket: &Socket, event: &Event, log: &LogId) -> Result<(), SendError> {
    let Some(frame) = Frame::of(event, log) else {
        return Ok(());
    };
    socket.emit(&frame.name, &(frame.data, &frame.stamp))
}
