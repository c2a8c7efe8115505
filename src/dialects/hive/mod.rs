//! Hive: agents' executions, streamed over plain JSON to who subscribes.
//!
//! Source: docs/protocols/hive.md. `request` reads what clients ask, `conversation` answers it, `filter` says
//! what a subscription carries, `following` where its events come from and how it gives way to another, `frames` is
//! where what is sent comes from, `words` is how the log's events are said.

mod conversation;
mod filter;
mod following;
mod frames;
mod request;
mod words;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc;

use self::{
    conversation::Hive,
    frames::{Change, Frames},
};
use super::{
    feathers::ErrorResponse,
    visitor::Visitor,
    ws::{self, Close},
};
use crate::{App, config::Auth, core::connection::Connection, error::Error};

/// What overflows are counted as.
const PROTOCOL: &str = "hive";

/// The largest message that a client may send, in bytes.
const MAX_INBOUND: usize = 1024 * 1024;

/// The largest that is read to its end: a client that still writes when it is turned away may not see why.
const MAX_READ: usize = 4 * MAX_INBOUND;

/// After which silence a client is asked whether it is there; after as long again it is taken as gone.
const SILENCE: Duration = Duration::from_secs(20);

/// Time that a client has to say who it is.
const TO_LOG_IN: Duration = Duration::from_secs(5);

/// Opens a connection for a request that asks for one.
///
/// # Errors
/// The request, if it does not.
pub(super) async fn upgrade(app: &Arc<App>, request: Request) -> Result<Response, Request> {
    let (mut parts, body) = request.into_parts();
    match WebSocketUpgrade::from_request_parts(&mut parts, app).await {
        Ok(upgrade) => {
            let address = parts.extensions.get::<Connection>();
            let stranger = Visitor {
                identity: app.services.door.stranger(),
                login: None,
                address: address.map(|connection| connection.peer().ip()),
            };
            Ok(open(app, stranger, upgrade))
        }
        Err(_) => Err(Request::from_parts(parts, body)),
    }
}

/// Answers where there is nothing but streams.
pub(super) async fn stream(State(app): State<Arc<App>>, request: Request) -> Response {
    match upgrade(&app, request).await {
        Ok(response) => response,
        Err(request) => {
            let text = format!("{} speaks WebSocket", request.uri().path());
            ErrorResponse(Error::not_found(text)).into_response()
        }
    }
}

fn open(app: &Arc<App>, stranger: Visitor, upgrade: WebSocketUpgrade) -> Response {
    let asks_who = app.config.auth == Auth::Required;
    let (tell, told) = mpsc::unbounded_channel();
    let silence = app.config.heartbeat_secs.min(SILENCE);
    let mut hive = Hive::new(app, tell.clone(), silence, stranger.address);
    let end = if asks_who {
        TO_LOG_IN
    } else {
        hive.enter(stranger);
        Duration::MAX
    };
    if !asks_who {
        // Whoever reaches an open daemon is in.
        drop(tell.send(Change::Say(conversation::welcome())));
    }
    let frames = Frames::new(app, told, end, Close(1008, "Auth failed: timeout"));
    let app = Arc::clone(app);
    ws::modest(upgrade)
        .max_message_size(MAX_READ)
        .max_frame_size(MAX_READ)
        .on_upgrade(move |socket| ws::run(socket, app, hive, frames))
}
