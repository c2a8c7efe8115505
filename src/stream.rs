//! An accepted TCP stream under its [`Connection`] handle: it can be aborted whatever library holds
//! it, it knows since when its bytes are unsent, and it reads ahead, so that a library's small buffer
//! costs no system calls.

use std::{
    cell::RefCell,
    io::{self, Error, ErrorKind},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::core::connection::Connection;

/// Bytes taken from the system at once.
const AT_ONCE: usize = 64 * 1024;

thread_local! {
    /// Where they are taken to; what the library has no room for stays with the stream.
    static SPACE: RefCell<Vec<u8>> = RefCell::new(vec![0; AT_ONCE]);
}

/// All open connections.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<slab::Slab<Connection>>>);

impl Connections {
    /// Wraps an accepted stream. The token keeps the daemon's tasks from counting as done.
    ///
    /// # Errors
    /// If the peer is gone already.
    pub fn wrap(&self, tcp: TcpStream, token: TaskTrackerToken) -> io::Result<Stream> {
        tcp.set_nodelay(true)?;
        let connection = Connection::new(tcp.peer_addr()?, tcp.local_addr()?);
        let key = self.lock().insert(connection.clone());
        metrics::gauge!("roost_connections").increment(1);
        Ok(Stream {
            tcp,
            ahead: Bytes::new(),
            connection,
            key,
            connections: self.clone(),
            _token: token,
        })
    }

    /// Aborts every connection whose peer has not taken a byte for this long.
    pub fn abort_stalled(&self, limit: Duration) {
        for (_, connection) in self.lock().iter() {
            if !connection.aborted() && connection.unsent_for().is_some_and(|time| time >= limit) {
                metrics::counter!("roost_connections_stalled_total").increment(1);
                tracing::info!(peer = %connection.peer(), "aborted a connection whose peer takes no bytes");
                connection.abort();
            }
        }
    }

    /// Aborts every connection.
    pub fn abort_all(&self) {
        self.lock()
            .iter()
            .for_each(|(_, connection)| connection.abort());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, slab::Slab<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An accepted stream.
pub struct Stream {
    tcp: TcpStream,
    /// What was read and nobody has taken yet.
    ahead: Bytes,
    connection: Connection,
    key: usize,
    connections: Connections,
    _token: TaskTrackerToken,
}

impl Stream {
    /// The handle that ends this stream.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    fn alive(&self) -> io::Result<()> {
        if self.connection.aborted() {
            return Err(Error::new(
                ErrorKind::ConnectionAborted,
                "the daemon aborted the connection",
            ));
        }
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.connection.aborted() {
            // A reset frees the kernel's buffers at once and tells the peer that bytes are missing.
            drop(self.tcp.set_zero_linger());
        }
        metrics::gauge!("roost_connections").decrement(1);
        self.connection.note_closed();
        self.connections.lock().try_remove(self.key);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.connection.reader().register(cx.waker());
        self.alive()?;
        if self.ahead.is_empty() {
            return self.read_ahead(cx, buffer);
        }
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.alive()?;
        let written = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.after_write(cx, &written)?;
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.alive()?;
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.after_write(cx, &written)?;
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl Stream {
    fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        SPACE.with_borrow_mut(|space| {
            let mut space = ReadBuf::new(space);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut space))?;
            let length = space.filled().len().min(buffer.remaining());
            let (now, later) = space.filled().split_at(length);
            buffer.put_slice(now);
            self.ahead = Bytes::copy_from_slice(later);
            Poll::Ready(Ok(()))
        })
    }

    fn after_write(&self, cx: &Context<'_>, written: &Poll<io::Result<usize>>) -> io::Result<()> {
        let taken = match written {
            Poll::Ready(taken) => Some(*taken.as_ref().unwrap_or(&0)),
            Poll::Pending => None,
        };
        self.connection.note_write(taken);
        if written.is_pending() {
            self.connection.writer().register(cx.waker());
            // An abort between the first look and the registration would go unnoticed.
            self.alive()?;
        }
        Ok(())
    }
}
