//! The socket loop that WebSocket protocols share.
//!
//! It feeds all that waits and flushes once, gives up on a peer that takes no bytes, answers pings
//! and closes with a code. A [`Dialect`] never touches the socket; what it sends comes from a
//! [`Source`].

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;

use super::timers::{Ring, Timers};
use crate::{
    App,
    core::{
        BoxFuture,
        feed::{Feed, Item},
    },
};

/// Frames written before the socket is flushed, at most.
const GATHER: usize = 512;

/// Time that a peer has to take the goodbye and answer it.
const FAREWELL: Duration = Duration::from_secs(1);

/// One connection's side of a WebSocket protocol.
pub(super) trait Dialect: Send {
    /// Where what it sends comes from.
    type Source: Source;

    /// Answers a frame that the client sent.
    fn receive(&mut self, frame: Inbound) -> Step;

    /// Frames an item; `None` if this connection does not carry it.
    fn frame(&self, item: <Self::Source as Source>::Item) -> Option<Message>;

    /// After which silence of ours an idle connection is sent a heartbeat; `None` for never.
    fn silence(&self) -> Option<Duration> {
        None
    }

    /// What it is sent then.
    fn heartbeat(&self) -> Message {
        Message::Ping(Bytes::new())
    }

    /// After which silence of the client the connection is closed (1002); `None` for never.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// Where a connection's outgoing items come from.
pub(super) trait Source: Send {
    /// What it gives.
    type Item: Send;

    /// The next item, or why the connection ends.
    ///
    /// Cancel safe: dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Self::Item, Close>> + Send;

    /// The next item, if it is at hand.
    fn take(&mut self) -> Option<Self::Item>;
}

impl Source for Feed {
    type Item = Item;

    async fn next(&mut self) -> Result<Item, Close> {
        Self::next(self).await.map_err(|error| {
            tracing::error!(%error, "a stream could not be read");
            Close(1011, "the log could not be read; come back")
        })
    }

    fn take(&mut self) -> Option<Item> {
        Self::take(self)
    }
}

/// A frame from the client.
pub(super) enum Inbound {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// What follows from a frame.
pub(super) enum Step {
    /// The next frame.
    Next,
    /// The next frame, but not before this is done; sending goes on.
    Wait(BoxFuture<'static, ()>),
    /// The connection ends.
    Close(Close),
}

/// Why a connection ends: a close code, and a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Close(pub(super) u16, pub(super) &'static str);

/// Runs a connection until one side ends it.
pub(super) async fn run<D: Dialect>(
    mut socket: WebSocket,
    app: Arc<App>,
    mut dialect: D,
    mut source: D::Source,
) {
    let ending = converse(&mut socket, &app, &mut dialect, &mut source).await;
    // What the connection holds goes before the goodbye, which may take a while.
    drop((dialect, source));
    let farewell = async {
        match ending {
            Ending::Close(Close(code, reason)) => {
                let frame = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                drop(socket.send(Message::Close(Some(frame))).await);
                // A socket closed with unread bytes is reset, and the peer never sees the frame.
                while let Some(Ok(_)) = socket.next().await {}
            }
            // The answer to the peer's close frame waits to be flushed.
            Ending::Closed => drop(socket.close().await),
            Ending::Gone => {}
        }
    };
    // The peer may be gone or deaf; then there is nobody to tell.
    drop(timeout(FAREWELL, farewell).await);
}

/// How a connection ends.
enum Ending {
    /// With a code and a reason of ours.
    Close(Close),
    /// The peer closed it.
    Closed,
    /// The peer is not there any more.
    Gone,
}

async fn converse<D: Dialect>(
    socket: &mut WebSocket,
    app: &App,
    dialect: &mut D,
    source: &mut D::Source,
) -> Ending {
    let mut timers = Timers::new(dialect.silence(), dialect.patience());
    // Made once: a token's waiters share one lock.
    let mut stopping = pin!(app.stopping.cancelled());
    let mut step = Step::Next;
    loop {
        let mut wave = Vec::new();
        tokio::select! {
            () = &mut stopping => return Ending::Close(Close(1012, "the daemon stops")),
            frame = socket.next(), if matches!(step, Step::Next) => match received(frame) {
                Ok(frame) => {
                    timers.heard();
                    step = frame.map_or(Step::Next, |frame| dialect.receive(frame));
                }
                Err(ending) => return ending,
            },
            () = waited(&mut step) => {
                timers.heard();
                step = Step::Next;
            }
            item = source.next() => match item {
                Ok(item) => wave.extend(dialect.frame(item)),
                Err(close) => return Ending::Close(close),
            },
            ring = timers.ring() => match ring {
                Ring::Silence => wave.push(dialect.heartbeat()),
                // Nobody listens to a client whose last frame is being answered.
                Ring::Patience if matches!(step, Step::Next) => {
                    return Ending::Close(Close(1002, "nothing was heard for too long"));
                }
                Ring::Patience => timers.heard(),
            },
        }
        while wave.len() < GATHER {
            let Some(item) = source.take() else { break };
            wave.extend(dialect.frame(item));
        }
        if !wave.is_empty() {
            timers.sent();
            if !matches!(
                timeout(app.config.stall_secs, send(socket, wave)).await,
                Ok(Ok(()))
            ) {
                return Ending::Gone;
            }
        }
        if let Step::Close(close) = step {
            return Ending::Close(close);
        }
    }
}

/// Done when the frame before has been dealt with.
async fn waited(step: &mut Step) {
    match step {
        Step::Wait(done) => done.await,
        Step::Next | Step::Close(_) => pending().await,
    }
}

/// What the client sent: a frame, `None` for a ping or pong, or how the connection ends.
fn received(frame: Option<Result<Message, axum::Error>>) -> Result<Option<Inbound>, Ending> {
    match frame {
        Some(Ok(Message::Text(text))) => Ok(Some(Inbound::Text(text))),
        Some(Ok(Message::Binary(bytes))) => Ok(Some(Inbound::Binary(bytes))),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Close(_))) => Err(Ending::Closed),
        Some(Err(error)) => Err(fault(&error.to_string()).map_or(Ending::Gone, Ending::Close)),
        None => Err(Ending::Gone),
    }
}

/// What a frame that the library refused is answered; `None` if the peer is gone.
fn fault(error: &str) -> Option<Close> {
    // The library's errors are not to be had as types here: axum hides which version it uses.
    let faults = [
        ("too long", Close(1009, "the message is too big")),
        ("UTF-8", Close(1007, "the text is no UTF-8")),
        ("without closing", Close(1006, "")),
        (
            "protocol error",
            Close(1002, "the frame breaks the protocol"),
        ),
    ];
    let found = faults.into_iter().find(|(words, _)| error.contains(words));
    found
        .map(|(_, close)| close)
        .filter(|close| close.0 != 1006)
}

async fn send(socket: &mut WebSocket, wave: Vec<Message>) -> Result<(), axum::Error> {
    for message in wave {
        socket.feed(message).await?;
    }
    socket.flush().await
}
