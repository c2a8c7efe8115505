//! A server that sends every frame it is sent to everybody, and does nothing else.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast::{self, Sender},
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{Result, say};

/// Frames that may wait for a connection.
const CAPACITY: usize = 4_096;

/// The library fills it with zeroes before every read: its default, 128 KiB, would be most of the work.
const READ_BUFFER: usize = 4 * 1024;

/// Serves until it is killed.
pub(crate) fn run() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(serve())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("listening on http://{}", listener.local_addr()?));
    let (everybody, _) = broadcast::channel(CAPACITY);
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        #[expect(clippy::disallowed_methods, reason = "it is killed, never stopped")]
        tokio::spawn(converse(tcp, everybody.clone()));
    }
}

async fn converse(tcp: TcpStream, everybody: Sender<Message>) -> Result<()> {
    let mut heard = everybody.subscribe();
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let socket = accept_async_with_config(tcp, Some(config)).await?;
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            frame = stream.next() => match frame {
                Some(Ok(frame)) if frame.is_text() => drop(everybody.send(frame)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
            frame = heard.recv() => sink.send(frame?).await?,
        }
    }
}
