//! A bare Phoenix client: it sees frames as they are.

use futures_util::{SinkExt, StreamExt};
use roost::{dialects::phoenix::Endpoint, services::Services};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{daemon::Daemon, databases, soon};
use crate::phoenix_app;

/// A daemon that serves the reference app.
pub async fn daemon() -> Daemon {
    daemon_with(&[]).await
}

/// A daemon that serves the reference app, with flags.
pub async fn daemon_with(flags: &[&str]) -> Daemon {
    Daemon::start_routes(
        &databases::sqlite(),
        flags,
        no_services,
        phoenix_app::routes,
    )
    .await
}

/// A daemon with mounts of the test's own.
pub async fn daemon_of(mount: impl FnOnce(&Endpoint) -> axum::Router) -> (Daemon, Endpoint) {
    let (database, mut endpoint) = (databases::sqlite(), None);
    let daemon = Daemon::start_routes(&database, &[], no_services, |app| {
        let made = Endpoint::new(app);
        let routes = mount(&made);
        endpoint = Some(made);
        routes
    });
    let daemon = daemon.await;
    (daemon, endpoint.expect("an endpoint"))
}

const fn no_services(_: &mut Services) {}

/// A frame as a test sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// A ping's answer.
    Pong(Vec<u8>),
    /// The end: a close code, if there was one.
    End(Option<u16>),
}

/// A connection.
pub struct Phoenix {
    socket: WebSocketStream<TcpStream>,
    /// What the server chose.
    pub subprotocol: Option<String>,
}

impl Phoenix {
    /// Connects; the status if the upgrade is refused.
    pub async fn connect(daemon: &Daemon, path: &str) -> Result<Self, u16> {
        Self::connect_with(daemon, path, &[]).await
    }

    /// Connects with headers.
    pub async fn connect_with(
        daemon: &Daemon,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let tcp = TcpStream::connect(daemon.address)
            .await
            .expect("a connection");
        let mut request = format!("ws://{}{path}", daemon.address)
            .into_client_request()
            .expect("a request");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header");
            request.headers_mut().insert(*name, value);
        }
        match soon("an upgrade", client_async(request, tcp)).await {
            Ok((socket, response)) => {
                let chosen = response.headers().get("sec-websocket-protocol");
                let text = |chosen: &HeaderValue| chosen.to_str().expect("text").to_owned();
                let subprotocol = chosen.map(text);
                Ok(Self {
                    socket,
                    subprotocol,
                })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            // Upgraded without the subprotocol that was offered.
            Err(Error::Protocol(_)) => Err(101),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Connects to `/socket` with version 2.
    pub async fn open(daemon: &Daemon) -> Self {
        let path = "/socket/websocket?vsn=2.0.0";
        Self::connect(daemon, path).await.expect("an upgrade")
    }

    /// Sends a text frame.
    pub async fn send(&mut self, text: impl ToString) {
        self.message(Message::text(text.to_string())).await;
    }

    /// Sends any message.
    pub async fn message(&mut self, message: Message) {
        soon("a sent frame", self.socket.send(message))
            .await
            .expect("an open socket");
    }

    /// The next frame.
    pub async fn next(&mut self) -> Frame {
        loop {
            match soon("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Frame::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => return Frame::Binary(bytes.into()),
                Some(Ok(Message::Pong(bytes))) => return Frame::Pong(bytes.into()),
                Some(Ok(Message::Close(frame))) => {
                    return Frame::End(frame.map(|frame| frame.code.into()));
                }
                Some(Err(_)) | None => return Frame::End(None),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame's JSON.
    pub async fn json(&mut self) -> Value {
        match self.next().await {
            Frame::Text(text) => serde_json::from_str(&text).expect("JSON"),
            frame => panic!("{frame:?} instead of text"),
        }
    }

    /// Sends text and returns the next frame's JSON.
    pub async fn ask(&mut self, text: impl ToString) -> Value {
        self.send(text).await;
        self.json().await
    }

    /// The close code with which the server ends the connection; frames before it are passed over.
    pub async fn end(&mut self) -> Option<u16> {
        loop {
            if let Frame::End(code) = self.next().await {
                return code;
            }
        }
    }

    /// The socket itself.
    pub const fn socket(&mut self) -> &mut WebSocketStream<TcpStream> {
        &mut self.socket
    }
}
