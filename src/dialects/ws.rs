//! The socket loop that plain WebSocket protocols share.
//!
//! It feeds all that waits and flushes once, gives up on a peer that takes no bytes, answers pings
//! and closes with a code. A [`Dialect`] never touches the socket.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink, SinkExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    App,
    core::feed::{Feed, Item},
};

/// Frames written before the socket is flushed, at most.
const GATHER: usize = 512;

/// One connection's side of a WebSocket protocol.
pub(super) trait Dialect: Send {
    /// Answers a frame that the client sent.
    fn receive(&mut self, frame: Inbound<'_>) -> Step;

    /// Frames an item of the story; `None` if this connection does not carry it.
    fn frame(&self, item: &Item) -> Option<Message>;

    /// After which silence an idle connection is sent a heartbeat; `None` for never.
    fn silence(&self) -> Option<Duration>;

    /// What it is sent then.
    fn heartbeat(&self) -> Message;
}

/// A frame from the client.
pub(super) enum Inbound<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// What follows from a frame.
pub(super) enum Step {
    /// Nothing.
    Ignore,
    /// The connection ends.
    Close(u16, &'static str),
}

/// Runs a connection until one side ends it.
pub(super) async fn run(
    socket: WebSocket,
    app: Arc<App>,
    mut dialect: impl Dialect,
    mut feed: Feed,
) {
    let (mut sink, mut frames) = socket.split();
    let limit = app.config.stall_secs;
    let mut sent = Instant::now();
    let ending = loop {
        let due = dialect.silence().map(|silence| sent + silence);
        let mut wave = Vec::new();
        tokio::select! {
            () = app.stopping.cancelled() => break Ending::Close(1012, "the daemon stops"),
            frame = frames.next() => if let Err(ending) = received(frame, &mut dialect) {
                break ending;
            },
            item = feed.next() => match item {
                Ok(item) => wave.extend(dialect.frame(&item)),
                Err(error) => {
                    tracing::error!(%error, "a stream could not be read");
                    break Ending::Close(1011, "the log could not be read; come back");
                }
            },
            () = sleep_until(due.unwrap_or(sent)), if due.is_some() => wave.push(dialect.heartbeat()),
        }
        while wave.len() < GATHER {
            let Some(item) = feed.take() else { break };
            wave.extend(dialect.frame(&item));
        }
        if !wave.is_empty() {
            sent = Instant::now();
            if !matches!(timeout(limit, send(&mut sink, wave)).await, Ok(Ok(()))) {
                break Ending::Gone;
            }
        }
    };
    // The peer may be gone or deaf; then there is nobody to tell.
    let farewell = async {
        match ending {
            Ending::Close(code, reason) => {
                let frame = CloseFrame {
                    code,
                    reason: reason.into(),
                };
                drop(sink.send(Message::Close(Some(frame))).await);
            }
            // The answer to the peer's close frame waits to be flushed.
            Ending::Closed => drop(sink.close().await),
            Ending::Gone => {}
        }
    };
    drop(timeout(Duration::from_secs(1), farewell).await);
}

/// How a connection ends.
enum Ending {
    /// With a code and a reason of ours.
    Close(u16, &'static str),
    /// The peer closed it.
    Closed,
    /// The peer is not there any more.
    Gone,
}

fn received(
    frame: Option<Result<Message, axum::Error>>,
    dialect: &mut impl Dialect,
) -> Result<(), Ending> {
    let step = match frame {
        Some(Ok(Message::Text(text))) => dialect.receive(Inbound::Text(&text)),
        Some(Ok(Message::Binary(bytes))) => dialect.receive(Inbound::Binary(&bytes)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Step::Ignore,
        Some(Ok(Message::Close(_))) => return Err(Ending::Closed),
        Some(Err(error)) if error.to_string().contains("too long") => {
            Step::Close(1009, "the message is too big")
        }
        Some(Err(_)) | None => return Err(Ending::Gone),
    };
    match step {
        Step::Ignore => Ok(()),
        Step::Close(code, reason) => Err(Ending::Close(code, reason)),
    }
}

async fn send(
    sink: &mut (impl Sink<Message, Error = axum::Error> + Unpin),
    wave: Vec<Message>,
) -> Result<(), axum::Error> {
    for message in wave {
        sink.feed(message).await?;
    }
    sink.flush().await
}
