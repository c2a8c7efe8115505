//! A client that was away: first what it missed, then what comes, without gap or duplicate.

use std::sync::Arc;

use serde::Deserialize;
use socketioxide::SendError;

use super::{
    events::{Frame, is_heard},
    login::Hearing,
    rooms::{PAUSE, Socket, is_full, when_there_is_room},
};
use crate::{
    App,
    auth::keys,
    config::Channels,
    core::{
        event::Event,
        feed::Reset,
        login::Credential,
        stamp::{LogId, Seq, Since},
    },
    error::{Error, Result},
};

/// Events that may be handed over at once when a client goes live; more are paged from the log.
const HAND_OVER: usize = 512;

/// Boards that a handshake may name.
const NAMED: usize = 1_000;

/// What a client says at the handshake.
#[derive(Default, Deserialize)]
pub(super) struct Handshake {
    since: Option<serde_json::Value>,
    token: Option<serde_json::Value>,
    scope: Option<serde_json::Value>,
    boards: Option<serde_json::Value>,
    api_key: Option<serde_json::Value>,
}

/// What a client wants to hear.
pub(super) struct Wishes {
    /// Where it wants to start; `None` if it knows nothing of stamps.
    pub(super) since: Option<Since>,
    /// Whether it hears of its boards only, once it is on one.
    pub(super) scoped: bool,
    /// The boards that it is on from the start. They need not exist.
    pub(super) boards: Vec<String>,
}

/// The token or key that a handshake shows.
pub(super) fn shown(
    token: Option<&serde_json::Value>,
    api_key: Option<&serde_json::Value>,
) -> Option<Credential> {
    let text = |value: Option<&serde_json::Value>| {
        let text = value?.as_str()?.to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let token = text(token).map(|token| keys::credential(&token));
    token.or_else(|| text(api_key).map(Credential::Key))
}

impl Handshake {
    /// The token or key that the client shows.
    pub(super) fn credential(&self) -> Option<Credential> {
        shown(self.token.as_ref(), self.api_key.as_ref())
    }

    /// What the client wants to hear, where nothing is said as the daemon is set.
    ///
    /// # Errors
    /// `BadRequest` if it cannot be read.
    pub(super) fn wishes(&self, channels: Channels) -> Result<Wishes> {
        let scoped = match self.scope.as_ref().map(serde_json::Value::as_str) {
            None => channels == Channels::Board,
            Some(Some("board")) => true,
            Some(Some("everybody")) => false,
            Some(_) => return Err(Error::bad_request("`scope` must be board or everybody")),
        };
        Ok(Wishes {
            since: self.since()?,
            scoped,
            boards: self.boards()?,
        })
    }

    fn boards(&self) -> Result<Vec<String>> {
        let Some(boards) = &self.boards else {
            return Ok(Vec::new());
        };
        let is_id = |id: &&str| !id.is_empty() && id.len() <= 128;
        let ids = boards.as_array().filter(|ids| ids.len() <= NAMED);
        let ids = ids.into_iter().flatten();
        let ids: Vec<_> = ids
            .filter_map(serde_json::Value::as_str)
            .filter(is_id)
            .collect();
        if boards.as_array().is_none_or(|all| all.len() != ids.len()) {
            return Err(Error::bad_request(
                "`boards` must be a list of at most 1000 ids of boards",
            ));
        }
        Ok(ids.into_iter().map(str::to_owned).collect())
    }

    /// Where the client asks to start; `None` if it knows nothing of stamps.
    fn since(&self) -> Result<Option<Since>> {
        match &self.since {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Since::parse(text).map(Some),
            Some(other) => Since::parse(&other.to_string()).map(Some),
        }
    }
}

/// Sends a client what it missed and joins it to what comes.
pub(super) async fn resume(app: Arc<App>, socket: Socket, hearing: Hearing, since: Since) {
    let client = Client {
        log: app.store.story().log.id(),
        socket: &socket,
        hearing,
    };
    if let Err(error) = client.replay(&app, &since).await {
        tracing::error!(%error, "a client could not be sent what it missed");
        // It comes back and asks again.
        client.hearing.peers().end(socket.id);
    }
}

/// A client that is sent what it missed.
struct Client<'a> {
    socket: &'a Socket,
    hearing: Hearing,
    log: LogId,
}

enum Joined {
    /// The client has everything and is in its rooms, or logged out meanwhile.
    Live,
    /// Its queue is full: it has everything up to here.
    Full(Seq),
    /// It lacks more than can be handed over at once.
    Behind,
}

impl Client<'_> {
    async fn replay(&self, app: &App, since: &Since) -> Result<()> {
        let story = app.store.story();
        let mut cursor = match story.start(since).await? {
            Ok(cursor) => cursor,
            Err(reset) => self.tell(&reset).await,
        };
        let mut start = (*since == Since::Start).then_some(cursor);
        while self.socket.connected() && self.hearing.goes_on() {
            match self.go_live(app, cursor) {
                Joined::Live => return Ok(()),
                Joined::Full(reached) => {
                    cursor = reached;
                    tokio::time::sleep(PAUSE).await;
                }
                Joined::Behind => match story.page(cursor).await? {
                    Ok(page) => {
                        for event in page {
                            when_there_is_room(self.socket, || self.emit(&event)).await;
                            cursor = event.seq;
                        }
                    }
                    // The log's start was pruned before it was read.
                    Err(reset) if start == Some(cursor) => {
                        cursor = reset.start();
                        start = Some(cursor);
                    }
                    Err(reset) => cursor = self.tell(&reset).await,
                },
            }
        }
        Ok(())
    }

    /// Hands over the last events and joins the rooms while nothing is published.
    fn go_live(&self, app: &App, cursor: Seq) -> Joined {
        let joined = app.store.story().hub.join(Some(cursor), |tail| {
            if tail.len() > HAND_OVER {
                return Joined::Behind;
            }
            let mut reached = cursor;
            for event in tail.events() {
                if is_full(&self.emit(event)) {
                    return Joined::Full(reached);
                }
                reached = event.seq;
            }
            self.hearing.ends(self.socket);
            Joined::Live
        });
        joined.unwrap_or(Joined::Behind)
    }

    /// Tells a client that it must read its records anew; returns the place after which events follow.
    async fn tell(&self, reset: &Reset) -> Seq {
        let text = reset.told(&self.log);
        when_there_is_room(self.socket, || self.socket.emit("reset", &text)).await;
        self.hearing.reached(reset.latest);
        reset.latest
    }

    fn emit(&self, event: &Event) -> Result<(), SendError> {
        if !is_heard(event) {
            return Ok(());
        }
        self.hearing.hand(event, |data| {
            let frame = Frame::new(event, data, &self.log);
            self.socket.emit(&frame.name, &(frame.data, &frame.stamp))
        })
    }
}
