//! A closed loop of creates: each answer brings the next create, so as many as wanted are in flight.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::timeout;

use crate::{Result, client::Client, wire::frame};

/// Bytes of a message in JSON: a create of one has 800.
const SIZE: usize = 765;

/// The first create's number, which is its ack id and the message's index: all have as many digits.
const FIRST: u64 = 10_000_000;

/// Time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that creates messages.
pub(crate) struct Load {
    client: Client,
    /// The creates' frames, one after another.
    frames: VecDeque<Frame>,
    in_flight: InFlight,
}

/// A create's frame, and where its number stands in it.
struct Frame {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

/// What a stretch of load was like.
#[derive(Default)]
pub(crate) struct Stretch {
    /// Seconds it took.
    pub(crate) seconds: f64,
    /// Milliseconds from each create to its answer, shortest first.
    pub(crate) latencies: Vec<f64>,
}

impl Load {
    /// Makes a session with these fields for the messages.
    pub(crate) async fn new(mut client: Client, session: &Value) -> Result<Self> {
        let id = client.make("sessions", "session_id", session).await?;
        Self::of(client, "messages", &message(&id))
    }

    /// Creates such records, in each of which [`FIRST`] stands for a number of its own.
    pub(crate) fn of(client: Client, service: &str, record: &str) -> Result<Self> {
        Self::of_all(client, [service], record)
    }

    /// As [`of`](Self::of), with these services in turn.
    pub(crate) fn of_all<'a>(
        client: Client,
        services: impl IntoIterator<Item = &'a str>,
        record: &str,
    ) -> Result<Self> {
        let frames = services
            .into_iter()
            .map(|service| Frame::new(service, record));
        Ok(Self {
            client,
            frames: frames.collect::<Result<_>>()?,
            in_flight: InFlight::default(),
        })
    }

    /// Keeps this many creates in flight for a while; they are still in flight afterwards.
    pub(crate) async fn run(&mut self, in_flight: usize, time: Duration) -> Result<Stretch> {
        let began = Instant::now();
        let mut stretch = Stretch::default();
        self.create(in_flight.saturating_sub(self.in_flight.count))
            .await?;
        while began.elapsed() < time {
            // As a client does: whatever came together is dealt with, then the new creates go out.
            let answers = self.answers(&mut stretch).await?;
            self.create(answers).await?;
        }
        stretch.seconds = began.elapsed().as_secs_f64();
        stretch.latencies.sort_unstable_by(f64::total_cmp);
        Ok(stretch)
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn finish(&mut self) -> Result<Stretch> {
        let mut rest = Stretch::default();
        while self.in_flight.count > 0 {
            self.answers(&mut rest).await?;
        }
        Ok(rest)
    }

    /// Sends this many creates.
    async fn create(&mut self, count: usize) -> Result<()> {
        let now = Instant::now();
        for _ in 0..count {
            let number = self.in_flight.sent(now).to_string();
            self.frames.rotate_left(1);
            if let Some(Frame { bytes, places }) = self.frames.back_mut() {
                for place in places {
                    bytes[*place..][..number.len()].copy_from_slice(number.as_bytes());
                }
                self.client.queue(bytes);
            }
        }
        self.client.flush().await
    }

    /// Waits for bytes and notes the answers in them; how many there are.
    async fn answers(&mut self, stretch: &mut Stretch) -> Result<usize> {
        timeout(PATIENCE, self.client.read())
            .await
            .map_err(|_| "a create was not answered")??;
        let now = Instant::now();
        let before = stretch.latencies.len();
        while let Some(packet) = self.client.packet()? {
            // Whatever else comes is an event.
            if let Some(answer) = packet.strip_prefix(b"43") {
                let unknown = || String::from_utf8_lossy(answer).into_owned();
                let sent = self.in_flight.answered(answer).ok_or_else(unknown)?;
                stretch.latencies.push((now - sent).as_secs_f64() * 1e3);
            }
        }
        Ok(stretch.latencies.len() - before)
    }
}

impl Frame {
    fn new(service: &str, record: &str) -> Result<Self> {
        let bytes = frame(&format!(r#"42{FIRST}["create","{service}",{record},{{}}]"#))?;
        let number = FIRST.to_string();
        let places = bytes
            .windows(number.len())
            .enumerate()
            .filter(|(_, bytes)| *bytes == number.as_bytes())
            .map(|(place, _)| place)
            .collect();
        Ok(Self { bytes, places })
    }
}

/// A record of the conformance daemon's table of people, in JSON, as long as a message.
pub(crate) fn person() -> String {
    let person = |name: &str| format!(r#"{{"name":"{name}","age":{FIRST}}}"#);
    let bare = person("").len();
    person(&prose(SIZE.saturating_sub(bare)))
}

/// A text of so many letters.
fn prose(length: usize) -> String {
    "The quick brown fox. ".repeat(SIZE)[..length].to_owned()
}

/// A message of a session, in JSON.
pub(crate) fn message(session: &str) -> String {
    let message = |content: &str| {
        format!(
            concat!(
                r#"{{"session_id":"{}","index":{},"#,
                r#""type":"assistant","role":"assistant","timestamp":"2026-01-01T00:00:00.000Z","#,
                r#""content_preview":"It is measured, not guessed","content":"{}","#,
                r#""metadata":{{"model":"bench","tokens":{{"input":1234,"output":567}}}}}}"#
            ),
            session, FIRST, content
        )
    };
    let bare = message("").len();
    message(&prose(SIZE.saturating_sub(bare)))
}

/// The creates that wait for their answers.
#[derive(Default)]
struct InFlight {
    /// How many were sent before the oldest that waits.
    before: u64,
    /// When each was sent from then on; `None` for those that were answered.
    sent: VecDeque<Option<Instant>>,
    count: usize,
}

impl InFlight {
    /// Notes a create; its number.
    fn sent(&mut self, now: Instant) -> u64 {
        let number = FIRST + self.before + self.sent.len() as u64;
        self.sent.push_back(Some(now));
        self.count += 1;
        number
    }

    /// Notes an answer, `<ack id>[null,…`; when its create was sent. `None` if it says that a create
    /// failed, or answers none that waits.
    fn answered(&mut self, answer: &[u8]) -> Option<Instant> {
        let digits = answer.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, rest) = answer.split_at(digits.count());
        let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
        let index = number.checked_sub(FIRST + self.before)?;
        let waits = self.sent.get_mut(usize::try_from(index).ok()?)?;
        let sent = waits.take_if(|_| rest.starts_with(b"[null,{"))?;
        self.count -= 1;
        while self.sent.front().is_some_and(Option::is_none) {
            self.sent.pop_front();
            self.before += 1;
        }
        Some(sent)
    }
}

impl Stretch {
    /// Creates a second.
    pub(crate) fn rate(&self) -> f64 {
        self.creates() / self.seconds
    }

    /// Creates that were answered.
    pub(crate) const fn creates(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// The latency that this many of a hundred creates did not exceed, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let index =
            (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).copied().unwrap_or(f64::NAN)
    }
}
