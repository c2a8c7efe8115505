//! A closed loop of creates: each answer brings the next create, so as many as wanted are in flight.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{Result, client::Client};

/// Bytes of a message as the client sends it.
const SIZE: usize = 800;

/// Time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that creates messages.
pub(crate) struct Load {
    client: Client,
    /// A create packet after its ack id and before its index, and after its index.
    before: String,
    after: String,
    next: u64,
    in_flight: HashMap<u64, Instant>,
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
    /// Makes a session for the messages.
    pub(crate) async fn new(mut client: Client) -> Result<Self> {
        let session = client.create("sessions", &json!({})).await?;
        let id = session
            .get("session_id")
            .and_then(Value::as_str)
            .ok_or("a session without an id")?;
        let before = format!(r#"["create","messages",{{"session_id":"{id}","index":"#);
        let rest = |content: &str| {
            format!(
                concat!(
                    r#","type":"assistant","role":"assistant","timestamp":"2026-01-01T00:00:00.000Z","#,
                    r#""content_preview":"It is measured, not guessed","content":"{}","#,
                    r#""metadata":{{"model":"bench","tokens":{{"input":1234,"output":567}}}}}},{{}}]"#
                ),
                content
            )
        };
        let bare = before.len() + rest("").len();
        let after = rest(&"The quick brown fox. ".repeat(SIZE)[..SIZE.saturating_sub(bare)]);
        Ok(Self {
            client,
            before,
            after,
            next: 1,
            in_flight: HashMap::new(),
        })
    }

    /// Keeps this many creates in flight for a while; they are still in flight afterwards.
    pub(crate) async fn run(&mut self, in_flight: usize, time: Duration) -> Result<Stretch> {
        let began = Instant::now();
        let mut stretch = Stretch::default();
        while self.in_flight.len() < in_flight {
            self.create().await?;
        }
        self.client.flush().await?;
        while began.elapsed() < time {
            let mut answers = self.answered(&mut stretch).await?;
            // As a client does: whatever came together is dealt with, then the new creates go out.
            while let Some(packet) = self.client.packet_now() {
                answers += usize::from(self.note(&packet?, &mut stretch)?);
            }
            for _ in 0..answers {
                self.create().await?;
            }
            self.client.flush().await?;
        }
        stretch.seconds = began.elapsed().as_secs_f64();
        stretch.latencies.sort_unstable_by(f64::total_cmp);
        Ok(stretch)
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        let mut rest = Stretch::default();
        while !self.in_flight.is_empty() {
            self.answered(&mut rest).await?;
        }
        Ok(())
    }

    async fn create(&mut self) -> Result<()> {
        let id = self.next;
        self.next += 1;
        self.in_flight.insert(id, Instant::now());
        let packet = format!("42{id}{}{id}{}", self.before, self.after);
        self.client.queue(packet.into()).await
    }

    /// Waits for a packet; the number of creates that it answers.
    async fn answered(&mut self, stretch: &mut Stretch) -> Result<usize> {
        let packet = timeout(PATIENCE, self.client.packet())
            .await
            .map_err(|_| "a create was not answered")??;
        self.note(&packet, stretch).map(usize::from)
    }

    /// Notes how long an answer took; `false` if the packet is none.
    fn note(&mut self, packet: &str, stretch: &mut Stretch) -> Result<bool> {
        let Some(answer) = packet.strip_prefix("43") else {
            return Ok(false);
        };
        let created = answer
            .split_once("[null,")
            .and_then(|(id, _)| self.in_flight.remove(&id.parse().ok()?));
        let Some(sent) = created else {
            return Err(format!("a create was answered with {packet}").into());
        };
        stretch.latencies.push(sent.elapsed().as_secs_f64() * 1e3);
        Ok(true)
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
