//! The measurements, each on daemons of its own, and those that any such daemon can be put to.

use std::{iter::repeat_n, time::Duration};

use clap::ValueEnum;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    Options, Result, boards, chunks,
    client::Client,
    daemon::Daemon,
    load::{Load, Stretch},
    log, people, runs,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
    target::Target,
};

/// Time a load runs before it is measured: a just-in-time compiler needs it.
pub(crate) const WARM_UP: Duration = Duration::from_secs(2);

/// Time that idle connections have to come to rest.
const SETTLE: Duration = Duration::from_secs(2);

/// What is measured.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Scenario {
    /// Creates over one connection, nobody else connected
    Creates,
    /// Creates of which every subscriber is told
    Deliveries,
    /// Memory of idle connections
    Idle,
    /// Time until the daemon listens, on an empty database
    Startup,
    /// Logins with a password
    Logins,
    /// Creates on a private board, of which every subscriber is told, beside those on a public one
    Audience,
    /// A log that is sent to one client, over Socket.IO and as server-sent events
    Replay,
    /// Creates on a table whose events are logged, beside those that have none
    Logging,
    /// Clients that come back all at once and are sent what they missed
    Storm,
    /// An agent's words, sent to the viewers of its session
    Deltas,
    /// Time from an agent's line to a viewer, while many sessions run
    Latency,
    /// What tasks stream, stored and told to who watches
    Chunks,
    /// What viewers of boards are sent who hear of their boards only, beside those who hear of all
    Scopes,
}

/// A table's column: what is driven, and in which way.
pub(crate) struct Column<'t> {
    /// Its name in the table.
    pub(crate) name: String,
    /// What is driven.
    pub(crate) target: &'t Target,
    /// What a scenario that compares Roost with itself varies: a value on the wire.
    way: &'static str,
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Creates => "creates",
            Self::Deliveries => "deliveries",
            Self::Idle => "idle",
            Self::Startup => "startup",
            Self::Logins => "logins",
            Self::Audience => "audience",
            Self::Replay => "replay",
            Self::Logging => "logging",
            Self::Storm => "storm",
            Self::Deltas => "deltas",
            Self::Latency => "latency",
            Self::Chunks => "chunks",
            Self::Scopes => "scopes",
        }
    }

    /// What it measures: the targets, of which Roost is the first, or that alone.
    pub(crate) fn columns<'t>(self, targets: &'t [Target]) -> Vec<Column<'t>> {
        let plain = |target: &'t Target| Column {
            name: target.name.to_owned(),
            target,
            way: "",
        };
        let roost = &targets[0];
        let ways = |kind: &str, ways: [&'static str; 2]| {
            let column = |way| Column {
                name: format!("{way} {kind}"),
                target: roost,
                way,
            };
            ways.map(column).into()
        };
        match self {
            Self::Creates | Self::Deliveries | Self::Idle | Self::Startup => {
                targets.iter().map(plain).collect()
            }
            Self::Logins | Self::Storm | Self::Deltas | Self::Latency | Self::Chunks => {
                vec![plain(roost)]
            }
            Self::Replay => ways("replayed", ["Socket.IO", "SSE"]),
            Self::Logging => ways("event row", ["without", "with an"]),
            Self::Audience => ways("board", ["public", "private"]),
            Self::Scopes => ways("scope", ["board", "everybody"]),
        }
    }

    /// Measures a column once.
    pub(crate) async fn measure(
        self,
        column: &Column<'_>,
        options: &Options,
    ) -> Result<Vec<Sample>> {
        let further: &[&str] = match self {
            // One connection creates as fast as it can.
            Self::Audience => &["--auth", "required", "--calls-per-sec", "0"],
            Self::Deltas | Self::Latency => &runs::AGENT,
            Self::Chunks => &chunks::LIMITS,
            _ => &[],
        };
        let daemon = match self {
            Self::Logging => Daemon::start(&Target::roost(&options.conformance), further)?,
            _ => Daemon::start(column.target, further)?,
        };
        let time = Duration::try_from_secs_f64(options.seconds)?;
        match self {
            Self::Logins => people::logins(&daemon).await,
            Self::Audience => {
                people::audience(&daemon, column.way, options.subscribers, time).await
            }
            Self::Scopes => boards::scopes(&daemon, column.way).await,
            Self::Replay => log::replay(&daemon, column.way, options.events).await,
            Self::Logging => log::logging(&daemon, column.way, time).await,
            Self::Deltas => runs::deltas(&daemon).await,
            Self::Latency => runs::latency(&daemon).await,
            Self::Chunks => chunks::chunks(&daemon, time).await,
            Self::Storm => log::storm(&daemon, options.subscribers).await,
            Self::Creates => creates(&daemon, time).await,
            Self::Deliveries => deliveries(&daemon, options.subscribers, time).await,
            Self::Idle => idle(&daemon, options.subscribers).await,
            Self::Startup => {
                let milliseconds = daemon.start_up.as_secs_f64() * 1e3;
                Ok(vec![(
                    Metric::new("start-up, empty database", "ms", Better::Less),
                    milliseconds,
                )])
            }
        }
    }
}

async fn creates(daemon: &Daemon, time: Duration) -> Result<Vec<Sample>> {
    let mut load = Load::new(Client::connect(daemon.address).await?, &json!({})).await?;
    let mut samples = Vec::new();
    for (in_flight, goal) in [(1, ""), (16, "6x"), (64, "10x")] {
        load.run(in_flight, WARM_UP).await?;
        let cpu = daemon.cpu()?;
        let stretch = load.run(in_flight, time).await?;
        let cpu = (daemon.cpu()? - cpu) * 1e6 / stretch.creates();
        load.finish().await?;
        let metric = |what: &str, unit, better| {
            Metric::new(&format!("{what}, {in_flight} in flight"), unit, better)
        };
        samples.extend([
            (
                metric("creates", "/s", Better::More).goal(goal),
                stretch.rate(),
            ),
            (metric("server CPU per create", "µs", Better::Less), cpu),
            (
                metric("ack p50", "ms", Better::Less),
                stretch.percentile(50),
            ),
            (
                metric("ack p99", "ms", Better::Less),
                stretch.percentile(99),
            ),
            (
                metric("ack max", "ms", Better::Less),
                stretch.percentile(100),
            ),
        ]);
    }
    Ok(samples)
}

async fn deliveries(daemon: &Daemon, size: u32, time: Duration) -> Result<Vec<Sample>> {
    let mut subscribers = Subscribers::connect(daemon.address, strangers(size)).await?;
    let mut load = Load::new(Client::connect(daemon.address).await?, &json!({})).await?;
    let mut samples = Vec::new();
    for (in_flight, rate_goal, cpu_goal) in [(1, "4x", "3x"), (16, "12x", "8x")] {
        let told = tell(daemon, &mut load, &mut subscribers, in_flight, time).await?;
        let metric = |what: &str, unit, better| {
            Metric::new(
                &format!("{what}, {in_flight} in flight, {size} subscribers"),
                unit,
                better,
            )
        };
        samples.extend([
            (
                metric("deliveries", "/s", Better::More).goal(rate_goal),
                told.deliveries / told.stretch.seconds,
            ),
            (
                metric("server CPU per delivery", "µs", Better::Less).goal(cpu_goal),
                told.cpu * 1e6 / told.deliveries,
            ),
            (metric("creates", "/s", Better::More), told.stretch.rate()),
            (
                metric("ack p50", "ms", Better::Less),
                told.stretch.percentile(50),
            ),
            (
                metric("ack p99", "ms", Better::Less),
                told.stretch.percentile(99),
            ),
        ]);
    }
    Ok(samples)
}

/// Subscribers who say nothing of themselves.
fn strangers(size: u32) -> impl Iterator<Item = String> {
    repeat_n(String::new(), size as usize)
}

/// What a load brought to subscribers.
pub(crate) struct Told {
    pub(crate) stretch: Stretch,
    pub(crate) deliveries: f64,
    /// The daemon's processor time, in seconds.
    pub(crate) cpu: f64,
}

/// Keeps this many creates in flight for a while, after a warm-up.
pub(crate) async fn tell(
    daemon: &Daemon,
    load: &mut Load,
    subscribers: &mut Subscribers,
    in_flight: usize,
    time: Duration,
) -> Result<Told> {
    load.run(in_flight, WARM_UP).await?;
    let (cpu, count) = (daemon.cpu()?, subscribers.count()?);
    let stretch = load.run(in_flight, time).await?;
    let (cpu, count) = (daemon.cpu()? - cpu, subscribers.count()? - count);
    load.finish().await?;
    Ok(Told {
        stretch,
        deliveries: count as f64,
        cpu,
    })
}

async fn idle(daemon: &Daemon, size: u32) -> Result<Vec<Sample>> {
    // What the first connection alone brings is no connection's cost.
    let first = Client::connect(daemon.address).await?;
    sleep(SETTLE).await;
    let empty = daemon.memory()?;
    let mut subscribers = Subscribers::connect(daemon.address, strangers(size)).await?;
    sleep(SETTLE).await;
    let full = daemon.memory()?;
    subscribers.count()?;
    drop(first);
    let each = (full - empty) / f64::from(size);
    Ok(vec![
        (
            Metric::new("memory per idle connection", "KiB", Better::Less).goal("20 KiB"),
            each,
        ),
        (
            Metric::new("memory without connections", "MiB", Better::Less),
            empty / 1024.0,
        ),
    ])
}
