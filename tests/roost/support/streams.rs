//! Listeners of the plain streams: `/ws/stream` and `/events`.

use futures_util::StreamExt;
use reqwest::Response;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::soon;

/// A plain WebSocket.
pub struct Plain(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Plain {
    /// Connects to a path; the status if the upgrade is refused.
    pub async fn connect(address: impl std::fmt::Display, path: &str) -> Result<Self, u16> {
        match soon("an upgrade", connect_async(format!("ws://{address}{path}"))).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("no upgrade: {error}"),
        }
    }

    /// Connects to a path; `None` while there is no daemon.
    pub async fn try_connect(address: impl std::fmt::Display, path: &str) -> Option<Self> {
        let (socket, _) = soon("an upgrade", connect_async(format!("ws://{address}{path}")))
            .await
            .ok()?;
        Some(Self(socket))
    }

    /// The next JSON frame, or the close code.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            match soon("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Err(_)) | None => return Err(None),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The socket itself.
    pub const fn socket(&mut self) -> &mut WebSocketStream<MaybeTlsStream<TcpStream>> {
        &mut self.0
    }
}

/// A server-sent event.
#[derive(Debug, PartialEq)]
pub struct ServerSent {
    /// Its stamp.
    pub id: String,
    /// Its type, `message` if none is said.
    pub event: String,
    /// Its JSON.
    pub data: Value,
}

/// A stream of server-sent events.
pub struct Sse {
    response: Response,
    text: String,
}

impl Sse {
    /// Opens the stream after a stamp, or now; returns once the server has greeted.
    pub async fn open(address: impl std::fmt::Display, last: Option<&str>) -> Self {
        Self::try_open(address, last).await.expect("a stream")
    }

    /// As [`open`](Self::open); `None` while there is no daemon.
    pub async fn try_open(address: impl std::fmt::Display, last: Option<&str>) -> Option<Self> {
        let mut request = reqwest::Client::new()
            .get(format!("http://{address}/events"))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = soon("a stream", request.send()).await.ok()?;
        assert_eq!(response.status(), 200);
        let mut stream = Self {
            response,
            text: String::new(),
        };
        let greeting = stream.block().await?;
        assert_eq!(greeting, ": roost");
        Some(stream)
    }

    /// The next event; `None` when the server ends the stream.
    pub async fn next(&mut self) -> Option<ServerSent> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::to_owned)
            };
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                let event = field("event: ").unwrap_or_else(|| "message".to_owned());
                return Some(ServerSent {
                    id,
                    event,
                    data: serde_json::from_str(&data).expect("JSON"),
                });
            }
        }
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = soon("bytes", self.response.chunk()).await.ok()??;
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
