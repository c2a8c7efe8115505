//! The four measurements, each on daemons of its own.

use std::time::Duration;

use clap::ValueEnum;
use tokio::time::sleep;

use crate::{
    Options, Result,
    client::Client,
    daemon::Daemon,
    load::Load,
    subscribers::Subscribers,
    table::{Better, Metric, Sample},
    target::Target,
};

/// Time a load runs before it is measured: a just-in-time compiler needs it.
const WARM_UP: Duration = Duration::from_secs(2);

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
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Creates => "creates",
            Self::Deliveries => "deliveries",
            Self::Idle => "idle",
            Self::Startup => "startup",
        }
    }

    /// Measures a target once.
    pub(crate) async fn measure(self, target: &Target, options: &Options) -> Result<Vec<Sample>> {
        let daemon = Daemon::start(target)?;
        let time = Duration::try_from_secs_f64(options.seconds)?;
        match self {
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
    let mut load = Load::new(Client::connect(daemon.address).await?).await?;
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
    let mut subscribers = Subscribers::connect(daemon.address, size).await?;
    let mut load = Load::new(Client::connect(daemon.address).await?).await?;
    let mut samples = Vec::new();
    for (in_flight, rate_goal, cpu_goal) in [(1, "4x", "3x"), (16, "12x", "8x")] {
        load.run(in_flight, WARM_UP).await?;
        let (cpu, count) = (daemon.cpu()?, subscribers.count()?);
        let stretch = load.run(in_flight, time).await?;
        let (cpu, count) = (daemon.cpu()? - cpu, subscribers.count()? - count);
        load.finish().await?;
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
                count as f64 / stretch.seconds,
            ),
            (
                metric("server CPU per delivery", "µs", Better::Less).goal(cpu_goal),
                cpu * 1e6 / count as f64,
            ),
            (metric("creates", "/s", Better::More), stretch.rate()),
            (
                metric("ack p50", "ms", Better::Less),
                stretch.percentile(50),
            ),
            (
                metric("ack p99", "ms", Better::Less),
                stretch.percentile(99),
            ),
        ]);
    }
    Ok(samples)
}

async fn idle(daemon: &Daemon, size: u32) -> Result<Vec<Sample>> {
    // What the first connection alone brings is no connection's cost.
    let first = Client::connect(daemon.address).await?;
    sleep(SETTLE).await;
    let empty = daemon.memory()?;
    let mut subscribers = Subscribers::connect(daemon.address, size).await?;
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
