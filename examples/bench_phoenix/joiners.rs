//! Those who are told, who only count bytes, and the one who tells them.
//!
//! A thousand of them share the machine with the server, so they do next to nothing: every frame of a
//! broadcast is equally long.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio::{net::TcpStream, sync::Notify, task::JoinSet, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{Result, target::Speech};

/// Bytes of text in a broadcast.
const SIZE: usize = 1_024;

/// A frame's head before 1 KiB and more.
const HEAD: u64 = 4;

/// Joiners that connect at the same time.
const CONNECTING: usize = 32;

/// Time that a broadcast may take.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<TcpStream>;

/// Connected joiners.
pub(crate) struct Joiners {
    _reading: JoinSet<()>,
    size: u64,
    /// Bytes that all of them read.
    read: Arc<AtomicU64>,
    news: Arc<Notify>,
}

impl Joiners {
    /// Connects this many.
    pub(crate) async fn connect(address: SocketAddr, speech: Speech, size: u32) -> Result<Self> {
        let sockets: Vec<Socket> = stream::iter(0..size)
            .map(|_| join(address, speech))
            .buffer_unordered(CONNECTING)
            .try_collect()
            .await?;
        let (read, news) = (Arc::<AtomicU64>::default(), Arc::<Notify>::default());
        let mut reading = JoinSet::new();
        for socket in sockets {
            let (read, news) = (Arc::clone(&read), Arc::clone(&news));
            reading.spawn(count(socket, read, news));
        }
        Ok(Self {
            _reading: reading,
            size: size.into(),
            read,
            news,
        })
    }

    /// Broadcasts that everybody has heard, and deliveries.
    fn heard(&self, frame: u64) -> (u64, u64) {
        let delivered = self.read.load(Ordering::Relaxed) / frame;
        (delivered / self.size, delivered)
    }
}

/// Reads bytes and counts them.
async fn count(socket: Socket, read: Arc<AtomicU64>, news: Arc<Notify>) {
    let tcp = socket.into_inner();
    let mut buffer = [0; 64 * 1024];
    while tcp.readable().await.is_ok() {
        match tcp.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => {
                read.fetch_add(bytes as u64, Ordering::Relaxed);
                news.notify_one();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn join(address: SocketAddr, speech: Speech) -> Result<Socket> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let url = format!("ws://{address}{}", speech.path);
    let (mut socket, _) = client_async(url, tcp).await?;
    if let Some(join) = speech.join {
        socket.send(Message::text(join)).await?;
        socket.next().await.ok_or("no answer to a join")??;
    }
    Ok(socket)
}

/// The one who tells.
pub(crate) struct Speaker {
    socket: Socket,
    said: Message,
    frame: u64,
    sent: u64,
}

impl Speaker {
    /// Connects and joins.
    pub(crate) async fn connect(address: SocketAddr, speech: Speech) -> Result<Self> {
        let frame = |(before, after): (&str, &str)| {
            let text = "The quick brown fox. ".repeat(SIZE);
            format!("{before}{}{after}", &text[..SIZE])
        };
        Ok(Self {
            socket: join(address, speech).await?,
            said: Message::text(frame(speech.said)),
            frame: HEAD + frame(speech.heard).len() as u64,
            sent: 0,
        })
    }

    /// Keeps this many broadcasts in flight for a while; deliveries, and how many seconds it took.
    pub(crate) async fn speak(
        &mut self,
        joiners: &Joiners,
        in_flight: u64,
        time: Duration,
    ) -> Result<(f64, f64)> {
        let (began, (_, before)) = (Instant::now(), joiners.heard(self.frame));
        while began.elapsed() < time {
            while self.sent < joiners.heard(self.frame).0 + in_flight {
                self.socket.send(self.said.clone()).await?;
                self.sent += 1;
            }
            tokio::select! {
                // It hears itself, too.
                frame = self.socket.next() => drop(frame.ok_or("the connection was closed")??),
                heard = timeout(PATIENCE, joiners.news.notified()) => heard.map_err(|_| "nothing is heard")?,
            }
        }
        let (_, delivered) = joiners.heard(self.frame);
        let seconds = began.elapsed().as_secs_f64();
        while joiners.heard(self.frame).0 < self.sent {
            timeout(PATIENCE, joiners.news.notified())
                .await
                .map_err(|_| "a broadcast is missing")?;
        }
        Ok(((delivered - before) as f64, seconds))
    }
}
