//! `<mount>/longpoll`: frames are posted, and fetched by polls.
//!
//! The HTTP status is 200 whatever happens; the `status` in the body counts. Source:
//! docs/protocols/phoenix.md, "Long polling".

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Body,
    extract::{
        State,
        ws::{Message, Utf8Bytes},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use secrecy::SecretString;
use serde::Serialize;
use tokio::time::timeout;

use super::{
    admission::admit,
    connection::Connection,
    endpoint::Mount,
    params,
    session::{Found, Session},
};
use crate::{
    core::connection::Connection as Tcp,
    dialects::ws::{Dialect, Inbound, Step},
};

/// Where clients to come will send their session's token.
const TOKEN: &str = "x-phoenix-longpoll-token";

/// Where clients send their `authToken`.
const AUTH_TOKEN: &str = "x-phoenix-authtoken";

/// What a body says.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<String>>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Answers a request.
pub(super) async fn serve(
    State(mount): State<Arc<Mount>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    tcp: Option<Extension<Tcp>>,
    body: Body,
) -> Response {
    let Some(window) = mount.options.poll_window else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let token = headers.get(TOKEN).and_then(|token| token.to_str().ok());
    let params = params::parse(uri.query().unwrap_or(""));
    let token = token.or_else(|| params.get("token")?.as_str());
    let session = token.and_then(|token| Some((token.to_owned(), mount.sessions.find(token)?)));
    match method {
        Method::GET => match session {
            Some((token, session)) => {
                let stopping = &mount.endpoint.app().stopping;
                match session.poll(window, stopping).await {
                    Found::Frames(frames) => answer(200, Some(frames), Some(token)),
                    Found::Nothing => answer(204, Some(Vec::new()), Some(token)),
                    // Told 410, old clients would go on and not join their channels again.
                    Found::Gone => status(500),
                }
            }
            None => open(&mount, &uri, headers, tcp, window).await,
        },
        Method::POST => match session {
            Some((_, session)) => post(&mount, &session, &headers, body, window).await,
            None => status(410),
        },
        _ => StatusCode::BAD_REQUEST.into_response(),
    }
}

/// Opens a session: 410 and its token.
async fn open(
    mount: &Arc<Mount>,
    uri: &Uri,
    headers: HeaderMap,
    tcp: Option<Extension<Tcp>>,
    window: Duration,
) -> Response {
    let auth_token = headers
        .get(AUTH_TOKEN)
        .filter(|_| mount.options.auth_token)
        .and_then(|token| token.to_str().ok())
        .map(SecretString::from);
    let peer = tcp.map(|Extension(tcp)| tcp.peer());
    let query = uri.query().unwrap_or("");
    let admitted = match admit(mount, query, headers, auth_token, peer).await {
        Ok(admitted) => admitted,
        Err(refused) if refused.is_server_error() => return status(500),
        // Clients know no other refusal; told another, they stop for ever.
        Err(_) => return status(403),
    };
    let connection = Connection::new(mount, admitted);
    match mount.sessions.open(mount, connection, window) {
        Some(token) => answer(410, Some(Vec::new()), Some(token)),
        None => status(500),
    }
}

/// Takes frames: 200, or 408 if one of them ended the session.
async fn post(
    mount: &Mount,
    session: &Session,
    headers: &HeaderMap,
    body: Body,
    window: Duration,
) -> Response {
    if session.is_over() {
        return status(410);
    }
    let max = mount.endpoint.app().config.max_message as usize;
    let Ok(body) = axum::body::to_bytes(body, max).await else {
        return status(413);
    };
    let lines = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-ndjson"));
    let taken = async {
        let mut connection = session.connection.lock().await;
        for frame in frames(&body, lines) {
            let step = frame.map(|frame| connection.receive(frame));
            match step {
                Some(Step::Next) => {}
                Some(Step::Wait(done)) => done.await,
                Some(Step::Close(_)) | None => return false,
            }
        }
        true
    };
    let taken = tokio::select! {
        taken = timeout(window, taken) => taken.unwrap_or(false),
        () = session.ended.cancelled() => return status(410),
    };
    if taken {
        return status(200);
    }
    session.ended.cancel();
    status(408)
}

/// The frames in a body; `None` for one that cannot be read. An empty line is no frame.
fn frames(body: &Bytes, lines: bool) -> Vec<Option<Inbound>> {
    let text = |bytes: Bytes| Utf8Bytes::try_from(bytes).ok().map(Inbound::Text);
    let frame = |line: &[u8]| match line.first() {
        Some(b'[' | b'{') => text(body.slice_ref(line)),
        _ => STANDARD
            .decode(line)
            .ok()
            .map(|bytes| Inbound::Binary(bytes.into())),
    };
    if !lines {
        return if body.is_empty() {
            Vec::new()
        } else {
            vec![text(body.clone())]
        };
    }
    body.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(frame)
        .collect()
}

fn status(status: u16) -> Response {
    answer(status, None, None)
}

fn answer(status: u16, frames: Option<Vec<Message>>, token: Option<String>) -> Response {
    let messages = frames.map(|frames| frames.into_iter().filter_map(string).collect());
    let answer = Answer {
        messages,
        status,
        token,
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// A frame in JSON: text as it is, bytes in base64, as they are posted.
fn string(frame: Message) -> Option<String> {
    match frame {
        Message::Text(text) => Some(text.as_str().to_owned()),
        Message::Binary(bytes) => Some(STANDARD.encode(bytes)),
        _ => None,
    }
}
