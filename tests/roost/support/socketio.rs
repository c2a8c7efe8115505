//! A bare Socket.IO client over a WebSocket: it sees frames as they are.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::soon;

/// A connected client.
pub struct SocketIo {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_ack: u64,
    /// Events that came while something else was awaited.
    events: VecDeque<Value>,
}

impl SocketIo {
    /// Connects with a handshake's `auth`.
    pub async fn connect(address: impl std::fmt::Display, auth: &Value) -> Self {
        Self::try_connect(address, auth)
            .await
            .expect("an accepted handshake")
    }

    /// Connects; the server's words if it refuses.
    pub async fn try_connect(
        address: impl std::fmt::Display,
        auth: &Value,
    ) -> Result<Self, String> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = soon("a handshake", connect_async(url))
            .await
            .map_err(|error| error.to_string())?;
        let mut client = Self {
            socket,
            next_ack: 0,
            events: VecDeque::new(),
        };
        let connect = if auth.is_null() {
            "40".to_owned()
        } else {
            format!("40{auth}")
        };
        client
            .socket
            .send(Message::text(connect))
            .await
            .map_err(|error| error.to_string())?;
        loop {
            let text = client.read().await.ok_or("the connection ended")?;
            if text.starts_with("40") {
                return Ok(client);
            }
            if let Some(refusal) = text.strip_prefix("44") {
                return Err(refusal.to_owned());
            }
            if let Some(event) = text.strip_prefix("42") {
                client.keep(event);
            }
        }
    }

    /// Sends a frame.
    pub async fn send(&mut self, text: impl Into<String>) {
        self.socket
            .send(Message::text(text.into()))
            .await
            .expect("an open connection");
    }

    /// Sends a call without awaiting its answer; its ack id.
    pub async fn emit(&mut self, call: &Value) -> u64 {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(format!("42{id}{call}")).await;
        id
    }

    /// As [`emit`](Self::emit); whether the connection still took it.
    pub async fn try_emit(&mut self, call: &Value) -> bool {
        let id = self.next_ack;
        self.next_ack += 1;
        self.socket
            .send(Message::text(format!("42{id}{call}")))
            .await
            .is_ok()
    }

    /// Calls a service: `[null, result]` is the result, `[error]` the error.
    pub async fn call(&mut self, call: &Value) -> Result<Value, Value> {
        let id = self.emit(call).await;
        let (answered, outcome) = self.answer().await.expect("an answer");
        assert_eq!(answered, id, "answers in order");
        outcome
    }

    /// The next answer; events before it are kept. `None` if the connection ends.
    pub async fn answer(&mut self) -> Option<(u64, Result<Value, Value>)> {
        loop {
            let text = self.read().await?;
            if let Some(event) = text.strip_prefix("42") {
                self.keep(event);
            } else if let Some(answer) = text.strip_prefix("43") {
                let start = answer.find('[').expect("a list");
                let id = answer[..start].parse().expect("an ack id");
                let mut list: Vec<Value> = serde_json::from_str(&answer[start..]).expect("JSON");
                return Some((
                    id,
                    if list.len() == 1 {
                        Err(list.remove(0))
                    } else {
                        Ok(list.remove(1))
                    },
                ));
            }
        }
    }

    /// The next event: `[name, data, stamp?]`. `None` if the connection ends.
    pub async fn event(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let text = self.read().await?;
            if let Some(event) = text.strip_prefix("42") {
                self.keep(event);
            }
        }
    }

    /// The events that came so far and before the answer to a call made now.
    pub async fn events_so_far(&mut self) -> Vec<Value> {
        self.call(&json!(["find", "health", {}]))
            .await
            .expect("an answer");
        self.events.drain(..).collect()
    }

    /// Gives up the stream, to stop reading it.
    pub fn into_inner(self) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        self.socket
    }

    fn keep(&mut self, event: &str) {
        self.events
            .push_back(serde_json::from_str(event).expect("JSON"));
    }

    /// The next frame that is no heartbeat.
    async fn read(&mut self) -> Option<String> {
        loop {
            match soon("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => {
                    self.socket.send(Message::text("3")).await.ok()?;
                }
                Some(Ok(Message::Text(text))) => return Some(text.as_str().to_owned()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
