//! `<mount>/websocket`.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri};

use super::{
    admission::{SUBPROTOCOL, admit, offered_token},
    connection::Connection,
    endpoint::Mount,
    outbox::Sending,
};
use crate::{core::connection::Connection as Tcp, dialects::ws};

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Opens a connection.
pub(super) async fn open(
    State(mount): State<Arc<Mount>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    tcp: Option<Extension<Tcp>>,
    upgrade: Upgrade,
) -> Response {
    if method != Method::GET {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(fault) => return (StatusCode::BAD_REQUEST, fault.body_text()).into_response(),
    };
    let options = mount.options;
    let token = if options.auth_token {
        offered_token(&headers)
    } else {
        Ok(None)
    };
    let peer = tcp.map(|Extension(tcp)| tcp.peer());
    let admitted = match token {
        Ok(token) => admit(&mount, uri.query().unwrap_or(""), headers, token, peer).await,
        Err(status) => Err(status),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(status) => return status.into_response(),
    };
    let app = Arc::clone(mount.endpoint.app());
    let max = app.config.max_message as usize;
    let connection = Connection::new(&mount, admitted);
    let outbox = Arc::clone(connection.outbox());
    let upgrade = if options.auth_token {
        upgrade.protocols([SUBPROTOCOL])
    } else {
        upgrade
    };
    ws::modest(upgrade)
        .max_frame_size(options.max_frame.unwrap_or(max))
        .max_message_size(max)
        .on_upgrade(move |socket| ws::run(socket, app, connection, Sending(outbox)))
}
