//! The Socket.IO client that calls: it reads and writes many frames at once, and tells packets apart
//! by their first bytes.

use std::{
    fmt::Display,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpSocket, TcpStream},
};

use crate::{
    Result,
    wire::{CONNECTED, PING, PONG, connect, frame, text, upgrade, upgraded},
};

/// Bytes read at once: the answers to all that is in flight fit.
const READ: usize = 256 * 1024;

/// A connected client.
pub(crate) struct Client {
    tcp: TcpStream,
    /// Bytes that were read; from `taken` on they are not looked at yet.
    input: Vec<u8>,
    taken: usize,
    /// Frames that wait for [`flush`](Self::flush).
    output: Vec<u8>,
}

impl Client {
    /// Opens a WebSocket, without polling first, and joins the default namespace.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        Self::over(TcpStream::connect(address).await?, address).await
    }

    /// As [`connect`](Self::connect), from an address of this machine.
    pub(crate) async fn connect_from(from: Ipv4Addr, address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        Self::over(socket.connect(address).await?, address).await
    }

    async fn over(tcp: TcpStream, address: SocketAddr) -> Result<Self> {
        tcp.set_nodelay(true)?;
        let mut client = Self {
            tcp,
            input: Vec::new(),
            taken: 0,
            output: upgrade(address).into(),
        };
        client.flush().await?;
        client.taken = loop {
            client.read().await?;
            if let Some(end) = upgraded(&client.input)? {
                break end;
            }
        };
        client.queue(&connect("")?);
        client.flush().await?;
        loop {
            match client.packet()? {
                Some(packet) if packet.starts_with(CONNECTED) => return Ok(client),
                Some(packet) if packet.starts_with(b"0") || packet == PING => {}
                Some(packet) => {
                    let packet = String::from_utf8_lossy(packet);
                    return Err(format!("the namespace was refused: {packet}").into());
                }
                None => client.read().await?,
            }
        }
    }

    /// Creates a record and waits for it.
    pub(crate) async fn create(&mut self, service: &str, data: &impl Display) -> Result<Value> {
        let packet = format!(r#"420["create","{service}",{data},{{}}]"#);
        self.queue(&frame(&packet)?);
        self.flush().await?;
        loop {
            let Some(packet) = self.packet()? else {
                self.read().await?;
                continue;
            };
            if let Some(answer) = packet.strip_prefix(b"430") {
                let mut answer: Value = serde_json::from_slice(answer)?;
                return match answer.get_mut(1) {
                    Some(record) => Ok(record.take()),
                    None => Err(format!("{service} create was answered with {answer}").into()),
                };
            }
        }
    }

    /// Creates a record; its id, which is in this field.
    pub(crate) async fn make(
        &mut self,
        service: &str,
        id: &str,
        data: &impl Display,
    ) -> Result<String> {
        let record = self.create(service, data).await?;
        match record.get(id).and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => Err(format!("{service} create was answered without `{id}`").into()),
        }
    }

    /// Queues a frame, to be sent with the next [`flush`](Self::flush).
    pub(crate) fn queue(&mut self, frame: &[u8]) {
        self.output.extend_from_slice(frame);
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            let rest = &self.output[sent..];
            sent += poll_fn(|context| Pin::new(&mut self.tcp).poll_write(context, rest)).await?;
        }
        self.output.clear();
        Ok(())
    }

    /// Waits for bytes and reads what is there.
    pub(crate) async fn read(&mut self) -> Result<()> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let known = self.input.len();
        self.input.resize(known + READ, 0);
        let mut buffer = ReadBuf::new(&mut self.input[known..]);
        poll_fn(|context| Pin::new(&mut self.tcp).poll_read(context, &mut buffer)).await?;
        let read = buffer.filled().len();
        self.input.truncate(known + read);
        if read == 0 {
            return Err("the connection was closed".into());
        }
        Ok(())
    }

    /// The next packet of those that were read; a ping is answered with the next flush.
    pub(crate) fn packet(&mut self) -> Result<Option<&[u8]>> {
        let bytes = &self.input[self.taken..];
        let Some((start, length)) = text(bytes)? else {
            return Ok(None);
        };
        let packet = bytes[start..].get(..length);
        if packet.is_some() {
            self.taken += start + length;
        }
        if packet == Some(PING) {
            self.output.extend_from_slice(PONG);
        }
        Ok(packet)
    }
}
