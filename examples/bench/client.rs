//! The Socket.IO client that calls: packets are told apart by their first bytes.

use std::net::SocketAddr;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::Result;

/// Engine.IO's ping and its answer, and Socket.IO's request for the default namespace.
const PING: &str = "2";
const PONG: &str = "3";
const CONNECT: &str = "40";

/// Bytes read at once: a burst of 16 messages fits.
const READ: usize = 16 * 1024;

/// A connected client.
pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// Opens a WebSocket, without polling first, and joins the default namespace.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
        let config = WebSocketConfig::default().read_buffer_size(READ);
        let (socket, _) = client_async_with_config(url, tcp, Some(config)).await?;
        let mut client = Self(socket);
        client.queue(CONNECT.into()).await?;
        client.flush().await?;
        loop {
            let packet = client.packet().await?;
            if packet.starts_with(CONNECT) {
                return Ok(client);
            }
            if !packet.starts_with('0') {
                return Err(format!("the namespace was refused: {packet}").into());
            }
        }
    }

    /// Creates a record and waits for it.
    pub(crate) async fn create(&mut self, service: &str, data: &Value) -> Result<Value> {
        self.queue(format!(r#"420["create","{service}",{data},{{}}]"#).into())
            .await?;
        self.flush().await?;
        loop {
            let packet = self.packet().await?;
            if let Some(answer) = packet.strip_prefix("430") {
                let mut answer: Value = serde_json::from_str(answer)?;
                return match answer.get_mut(1) {
                    Some(record) => Ok(record.take()),
                    None => Err(format!("{service} create was answered with {answer}").into()),
                };
            }
        }
    }

    /// Queues a packet, to be sent with the next [`flush`](Self::flush).
    pub(crate) async fn queue(&mut self, packet: Utf8Bytes) -> Result<()> {
        Ok(self.0.feed(Message::Text(packet)).await?)
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush().await?)
    }

    /// The next packet; pings are answered.
    pub(crate) async fn packet(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(packet))) if packet.as_str() == PING => {
                    self.0.send(Message::text(PONG)).await?;
                }
                Some(Ok(Message::Text(packet))) => return Ok(packet),
                Some(Ok(Message::Close(_))) | None => {
                    return Err("the connection was closed".into());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// The next packet if it is here already.
    pub(crate) fn packet_now(&mut self) -> Option<Result<Utf8Bytes>> {
        self.packet().now_or_never()
    }
}
