//! Socket.IO clients that only count the messages they are told of.
//!
//! A thousand of them share the machine with the daemon, so they do next to nothing: all read into
//! one buffer, look at the first bytes of each frame and skip the rest.

use std::{
    cell::RefCell,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, ready},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Result,
    wire::{CONNECTED, PING, PONG, connect, join, text, upgrade, upgraded},
};

/// How an event begins that tells of a created message.
const CREATED: &[u8] = br#"42["messages created""#;

/// How what is said in a task's stream begins.
const STREAMED: &[u8] = br#"42/task_stream/"#;

/// How an event begins that tells of a message that grows.
const GROWN: &[u8] = br#"42["messages streamin"#;

/// Time that news may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between looks at the count.
const PAUSE: Duration = Duration::from_millis(5);

/// Clients that connect at the same time.
const CONNECTING: usize = 32;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// Connected clients.
pub(crate) struct Subscribers {
    counting: JoinSet<()>,
    heard: Arc<Heard>,
    size: usize,
}

/// What all of them were told.
#[derive(Default)]
struct Heard {
    created: AtomicU64,
    grown: AtomicU64,
    streamed: AtomicU64,
    bytes: AtomicU64,
}

impl Subscribers {
    /// Connects one for each of these texts, which it says of itself: JSON, or nothing.
    pub(crate) async fn connect(
        address: SocketAddr,
        auths: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        Self::connect_some(address, auths, CONNECTING).await
    }

    /// As [`connect`](Self::connect), so many at the same time.
    pub(crate) async fn connect_some(
        address: SocketAddr,
        auths: impl IntoIterator<Item = String>,
        at_once: usize,
    ) -> Result<Self> {
        let first = auths.into_iter().map(|auth| connect(&auth));
        Self::connect_with(address, first, at_once).await
    }

    /// Connects one to each of these namespaces.
    pub(crate) async fn join(
        address: SocketAddr,
        namespaces: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let first = namespaces.into_iter().map(|namespace| join(&namespace));
        Self::connect_with(address, first, CONNECTING).await
    }

    /// Connects one for each of these frames, which it sends first.
    async fn connect_with(
        address: SocketAddr,
        first: impl Iterator<Item = Result<Vec<u8>>>,
        at_once: usize,
    ) -> Result<Self> {
        let heard = Arc::<Heard>::default();
        let subscribers: Vec<Subscriber> = stream::iter(first)
            .map(|first| Subscriber::come(address, first, Arc::clone(&heard)))
            .buffer_unordered(at_once)
            .try_collect()
            .await?;
        let (mut counting, size) = (JoinSet::new(), subscribers.len());
        for mut subscriber in subscribers {
            counting.spawn(async move { while subscriber.read().await.is_ok() {} });
        }
        Ok(Self {
            counting,
            heard,
            size,
        })
    }

    /// Messages that all of them were told of so far.
    ///
    /// # Errors
    /// If one lost its connection: the count would be worth nothing.
    pub(crate) fn count(&mut self) -> Result<u64> {
        self.check()?;
        Ok(self.heard.created.load(Ordering::Relaxed))
    }

    /// Deltas of messages that all of them were told so far.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub(crate) fn grown(&mut self) -> Result<u64> {
        self.check()?;
        Ok(self.heard.grown.load(Ordering::Relaxed))
    }

    /// What all of them were told in tasks' streams so far.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub(crate) fn streamed(&mut self) -> Result<u64> {
        self.check()?;
        Ok(self.heard.streamed.load(Ordering::Relaxed))
    }

    fn check(&mut self) -> Result<()> {
        while self.counting.try_join_next().is_some() {}
        let lost = self.size - self.counting.len();
        if lost > 0 {
            return Err(
                format!("{lost} of {} subscribers lost their connections", self.size).into(),
            );
        }
        Ok(())
    }

    /// Waits until all of them together were told of this many messages; the bytes of all frames so far.
    ///
    /// # Errors
    /// If they are told of fewer, or of more.
    pub(crate) async fn bytes_of(&mut self, messages: u64) -> Result<u64> {
        let reached = async {
            while self.count()? < messages {
                sleep(PAUSE).await;
            }
            Result::Ok(())
        };
        // If that took too long, there are fewer.
        timeout(PATIENCE, reached).await.unwrap_or(Ok(()))?;
        match self.count()? {
            told if told == messages => Ok(self.heard.bytes.load(Ordering::Relaxed)),
            told => Err(format!("{told} messages were told of, not {messages}").into()),
        }
    }
}

struct Subscriber {
    tcp: TcpStream,
    frames: Frames,
    heard: Arc<Heard>,
}

impl Subscriber {
    /// Connects, and once more if it is cut off meanwhile, as real clients do: of those who come to a
    /// namespace that nobody is in, at the very same time, one may be.
    async fn come(address: SocketAddr, first: Result<Vec<u8>>, heard: Arc<Heard>) -> Result<Self> {
        let first = first?;
        match Self::connect(address, &first, Arc::clone(&heard)).await {
            Ok(subscriber) => Ok(subscriber),
            Err(_) => Self::connect(address, &first, heard).await,
        }
    }

    async fn connect(address: SocketAddr, first: &[u8], heard: Arc<Heard>) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let mut subscriber = Self {
            tcp,
            frames: Frames::default(),
            heard,
        };
        subscriber.write(upgrade(address).as_bytes())?;
        let mut seen = subscriber.read().await?;
        while !subscriber.frames.upgraded {
            seen = subscriber.read().await?;
        }
        subscriber.write(first)?;
        while !seen.connected {
            seen = subscriber.read().await?;
        }
        Ok(subscriber)
    }

    /// Writes a few bytes, for which a socket always has room.
    fn write(&self, bytes: &[u8]) -> Result<()> {
        match self.tcp.try_write(bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err("a few bytes could not be written".into()),
        }
    }

    /// Reads what is there, or waits for something, and notes it; answers pings.
    async fn read(&mut self) -> Result<Seen> {
        let seen = poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut self.tcp).poll_read(context, &mut buffer))?;
                if buffer.filled().is_empty() {
                    return Poll::Ready(Err("the connection was closed".into()));
                }
                Poll::Ready(self.frames.take(buffer.filled()))
            })
        });
        let seen = seen.await?;
        let heard = &self.heard;
        heard.bytes.fetch_add(seen.bytes, Ordering::Relaxed);
        heard.created.fetch_add(seen.created, Ordering::Relaxed);
        heard.grown.fetch_add(seen.grown, Ordering::Relaxed);
        heard.streamed.fetch_add(seen.streamed, Ordering::Relaxed);
        if seen.pinged {
            self.write(PONG)?;
        }
        Ok(seen)
    }
}

/// What some bytes held.
#[derive(Default)]
struct Seen {
    created: u64,
    grown: u64,
    streamed: u64,
    /// Of frames that began.
    bytes: u64,
    pinged: bool,
    connected: bool,
}

/// Where in the stream of frames a connection is.
#[derive(Default)]
struct Frames {
    /// The answer to the upgrade was read to its end.
    upgraded: bool,
    /// The beginning of a frame, as far as it is read; before the upgrade, of the answer.
    head: Vec<u8>,
    /// Bytes of the frame that do not matter any more.
    rest: usize,
}

impl Frames {
    fn take(&mut self, mut bytes: &[u8]) -> Result<Seen> {
        let mut seen = Seen::default();
        while let [first, others @ ..] = bytes {
            if self.rest > 0 {
                let skipped = self.rest.min(bytes.len());
                self.rest -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            bytes = others;
            self.head.push(*first);
            if !self.upgraded {
                self.upgrade()?;
            } else if let Some((start, length)) = text(&self.head)? {
                let known = self.head.len() - start;
                if known >= length.min(CREATED.len()) {
                    self.note(start, length, &mut seen);
                    self.rest = length - known;
                    self.head.clear();
                }
            }
        }
        Ok(seen)
    }

    fn upgrade(&mut self) -> Result<()> {
        if upgraded(&self.head)?.is_some() {
            self.upgraded = true;
            self.head = Vec::with_capacity(32);
        }
        Ok(())
    }

    fn note(&self, start: usize, length: usize, seen: &mut Seen) {
        let payload = &self.head[start..];
        seen.bytes += (start + length) as u64;
        seen.created += u64::from(payload == CREATED);
        seen.grown += u64::from(payload == GROWN);
        seen.streamed += u64::from(payload.starts_with(STREAMED));
        seen.pinged |= length == PING.len() && payload == PING;
        seen.connected |= payload.starts_with(CONNECTED);
    }
}
