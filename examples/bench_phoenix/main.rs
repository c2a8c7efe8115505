//! Drives Roost's Phoenix endpoint and a bare tokio-tungstenite broadcast server in turn, and prints
//! both and their ratio. `make bench` builds what it needs and runs it.
//!
//! - [`bare`]: the server that does nothing but broadcast
//! - [`target`], [`daemon`]: what is driven, and one running process of it
//! - [`joiners`]: those who are told, and the one who tells them
//! - [`table`]: medians, ranges and ratios
//!
//! It prints; it fails only where a server could not be driven.

mod bare;
#[path = "../bench/daemon.rs"]
mod daemon;
mod joiners;
#[path = "../bench/table.rs"]
mod table;
mod target;

use std::{
    error::Error,
    io::{Write, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use tokio::time::sleep;

use crate::{
    daemon::Daemon,
    joiners::{Joiners, Speaker},
    table::{Better, Metric, Sample, Table},
    target::Target,
};

/// Whatever went wrong: it is shown, never looked into.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Time a load runs before it is measured, and that idle connections have to come to rest.
const WARM_UP: Duration = Duration::from_secs(1);

/// Compares Roost's Phoenix endpoint with a bare broadcast server.
#[derive(Parser)]
struct Options {
    /// Times each measurement is taken, the servers in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Seconds that each load is measured, after a warm-up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,

    /// Joiners of the topic, and idle connections
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    joiners: u32,

    /// The conformance binary, which serves the reference app
    #[arg(
        long,
        value_name = "PATH",
        default_value = "target/release/examples/conformance"
    )]
    roost: PathBuf,

    /// Be the bare server
    #[arg(long)]
    bare: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = if options.bare {
        bare::run()
    } else {
        run(&options)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Says something about the run; the table alone goes to standard output.
fn say(line: &str) {
    // Without anybody to tell, there is nothing to say.
    drop(writeln!(stderr(), "{line}"));
}

fn run(options: &Options) -> Result<()> {
    rlimit::increase_nofile_limit(u64::from(options.joiners) * 4 + 512)?;
    let targets = [Target::roost(&options.roost), Target::bare()?];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut table = Table::new(targets.iter().map(|it| it.name.to_owned()).collect());
    for round in 1..=options.rounds {
        for (index, target) in targets.iter().enumerate() {
            say(&format!(
                "round {round} of {}: Phoenix, {}",
                options.rounds, target.name
            ));
            table.add(index, runtime.block_on(measure(target, options))?);
        }
    }
    write!(stdout(), "\n{}", table.text(options.rounds))?;
    Ok(())
}

async fn measure(target: &Target, options: &Options) -> Result<Vec<Sample>> {
    let (daemon, size) = (Daemon::start(target, &[])?, options.joiners);
    let mut speaker = Speaker::connect(daemon.address, target.speech).await?;
    sleep(WARM_UP).await;
    let empty = daemon.memory()?;
    let joiners = Joiners::connect(daemon.address, target.speech, size).await?;
    sleep(WARM_UP).await;
    let each = (daemon.memory()? - empty) / f64::from(size);
    let mut samples = vec![(
        Metric::new(
            "Phoenix: memory per joined, idle connection",
            "KiB",
            Better::Less,
        ),
        each,
    )];
    let time = Duration::try_from_secs_f64(options.seconds)?;
    for in_flight in [1, 16] {
        speaker.speak(&joiners, in_flight, WARM_UP).await?;
        let cpu = daemon.cpu()?;
        let (delivered, seconds) = speaker.speak(&joiners, in_flight, time).await?;
        let cpu = (daemon.cpu()? - cpu) * 1e6 / delivered;
        let metric = |what: &str, unit, better| {
            let name = format!("Phoenix: {what}, {in_flight} in flight, {size} joiners");
            Metric::new(&name, unit, better)
        };
        samples.extend([
            (
                metric("deliveries of 1 KiB", "/s", Better::More),
                delivered / seconds,
            ),
            (
                metric("server CPU per delivery", "µs", Better::Less).goal("0.8x"),
                cpu,
            ),
        ]);
    }
    samples.push((
        Metric::new("Phoenix: start-up", "ms", Better::Less),
        daemon.start_up.as_secs_f64() * 1e3,
    ));
    Ok(samples)
}
