//! The socket loop that WebSocket protocols share.
//!
//! It feeds all that waits and flushes once, gives up on a peer that takes no bytes, answers pings
//! and closes with a code. A [`Dialect`] never touches the socket; what it sends comes from a
//! [`Source`].

use std::{
    future::{pending, ready},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::extract::{
    WebSocketUpgrade,
    ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
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

/// Small, since each connection keeps one, and the library fills it with zeroes before every read.
const READ_BUFFER: usize = 4 * 1024;

/// Written to the socket when it is full, and kept at this size.
const WRITE_BUFFER: usize = 32 * 1024;

/// One time in so many the client is listened to first, or one that is sent much would not be heard.
const FAIRNESS: usize = 16;

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

    /// After which silence a connection is sent a heartbeat; `None` for never.
    fn silence(&self) -> Option<Duration> {
        None
    }

    /// Whether that silence is the client's, and the heartbeat asks whether it is there; else it is ours.
    fn asks(&self) -> bool {
        false
    }

    /// What it is sent then.
    fn heartbeat(&self) -> Message {
        Message::Ping(Bytes::new())
    }

    /// After which silence of the client the connection is closed (1002); `None` for never.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// What the client is told when the daemon stops.
    fn goodbye(&self) -> Close {
        Close(1012, "the daemon stops")
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

/// A source that gives no more once the connection is to end.
pub(super) struct Until<S> {
    /// What is given until then.
    pub(super) source: S,
    /// Done when it is to end.
    pub(super) end: BoxFuture<'static, Close>,
}

impl<S: Source> Source for Until<S> {
    type Item = S::Item;

    async fn next(&mut self) -> Result<S::Item, Close> {
        tokio::select! {
            biased;
            close = &mut self.end => Err(close),
            item = self.source.next() => item,
        }
    }

    fn take(&mut self) -> Option<S::Item> {
        self.source.take()
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

/// An upgrade to a connection with small buffers.
pub(super) fn modest(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
}

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
    let mut timers = Timers::new(dialect.silence(), dialect.asks(), dialect.patience());
    // Made once: a token's waiters share one lock.
    let mut stopping = pin!(app.stopping.cancelled());
    let (mut step, mut wave, mut turn) = (Step::Next, Vec::new(), 0_usize);
    loop {
        turn = turn.wrapping_add(1);
        if turn.is_multiple_of(FAIRNESS)
            && matches!(step, Step::Next)
            && let Some(frame) = socket.next().now_or_never()
        {
            match hear(frame, dialect, &mut timers) {
                Ok(next) => step = next,
                Err(ending) => return ending,
            }
        }
        tokio::select! {
            // What is to be sent goes first: a look at the socket is a system call.
            biased;
            () = &mut stopping => return Ending::Close(dialect.goodbye()),
            () = ready(()), if matches!(step, Step::Close(_)) => {}
            item = source.next() => match item {
                Ok(item) => wave.extend(dialect.frame(item)),
                Err(close) => return Ending::Close(close),
            },
            frame = socket.next(), if matches!(step, Step::Next) => {
                match hear(frame, dialect, &mut timers) {
                    Ok(next) => step = next,
                    Err(ending) => return ending,
                }
            }
            () = waited(&mut step) => {
                timers.heard();
                step = Step::Next;
            }
            ring = timers.ring() => match ring {
                Ring::Silence => {
                    wave.push(dialect.heartbeat());
                    timers.beat();
                }
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
            if !send(socket, &mut wave, app.config.stall_secs).await {
                return Ending::Gone;
            }
        }
        if let Step::Close(close) = step {
            return Ending::Close(close);
        }
    }
}

/// Deals with what came from the socket.
fn hear<D: Dialect>(
    frame: Option<Result<Message, axum::Error>>,
    dialect: &mut D,
    timers: &mut Timers,
) -> Result<Step, Ending> {
    let frame = received(frame)?;
    timers.heard();
    Ok(frame.map_or(Step::Next, |frame| dialect.receive(frame)))
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

/// Sends a wave; `false` if the peer does not take it in time.
async fn send(socket: &mut WebSocket, wave: &mut Vec<Message>, limit: Duration) -> bool {
    let sending = async {
        for message in wave.drain(..) {
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    let mut sending = pin!(sending);
    // Most waves are taken at once, and need no timer.
    let sent: Result<(), axum::Error> = match futures_util::poll!(sending.as_mut()) {
        Poll::Ready(sent) => sent,
        Poll::Pending => match timeout(limit, sending).await {
            Ok(sent) => sent,
            Err(_) => return false,
        },
    };
    sent.is_ok()
}
