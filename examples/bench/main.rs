//! Drives Roost and a plain Feathers daemon in turn with one load client, and prints both and their
//! ratio; what the other does not have is Roost alone, or Roost in two ways. `make bench` builds what it
//! needs and runs it.
//!
//! - [`target`], [`daemon`]: what is driven, and one running process of it
//! - [`client`], [`load`]: the client that creates messages
//! - [`subscribers`]: those who are told of them
//! - [`wire`]: the frames that both send and read
//! - [`scenario`]: the measurements, and those beside the other daemon
//! - [`people`], [`boards`], [`log`], [`runs`], [`chunks`]: those of Roost with users, with boards, of its
//!   log, of prompts that run and of what tasks stream
//! - [`table`]: medians, ranges and ratios
//!
//! It prints; it fails only where Roost could not be driven. The clients share one thread, so that
//! on two cores a daemon has at least the other one.

mod boards;
mod chunks;
mod client;
mod daemon;
mod load;
mod log;
mod people;
mod runs;
mod scenario;
mod subscribers;
mod table;
mod target;
mod wire;

use std::{
    error::Error,
    io::{Write, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, ValueEnum};

use crate::{
    scenario::{Column, Scenario},
    table::Table,
    target::Target,
};

/// Whatever went wrong: it is shown, never looked into.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Compares Roost with a plain Feathers daemon.
#[derive(Parser)]
struct Options {
    /// Times each measurement is taken, the daemons in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Seconds that each load is measured, after a warm-up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,

    /// Subscribers of the deliveries and of the audience, those who reconnect, and idle connections
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,

    /// Measure this only
    #[arg(long, value_enum)]
    only: Option<Scenario>,

    /// Roost's binary
    #[arg(long, value_name = "PATH", default_value = "target/release/roost")]
    roost: PathBuf,

    /// The conformance binary, which has a service whose writes are logged, and one whose are not
    #[arg(
        long,
        value_name = "PATH",
        default_value = "target/release/examples/conformance"
    )]
    conformance: PathBuf,

    /// Events that are replayed
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    events: u32,

    /// The folder of the Feathers daemon, installed with npm
    #[arg(long, value_name = "FOLDER", default_value = "web-fixtures/bench-peer")]
    peer: PathBuf,

    /// Speaks as an agent, so many lines
    #[arg(long, hide = true)]
    speak: Option<u32>,

    /// Measure Roost alone
    #[arg(long)]
    no_peer: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
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
    if let Some(lines) = options.speak {
        return runs::speak(lines);
    }
    // A socket for each subscriber here, and one in the daemon, which inherits the limit.
    let files = rlimit::increase_nofile_limit(u64::from(options.subscribers) * 4 + 512)?;
    if files < u64::from(options.subscribers) + 256 {
        say(&format!(
            "bench: only {files} files may be open; {} subscribers need more",
            options.subscribers
        ));
    }
    let targets = targets(options);
    let scenarios: Vec<Scenario> = match options.only {
        Some(scenario) => vec![scenario],
        None => Scenario::value_variants().to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut tables = Vec::new();
    for round in 1..=options.rounds {
        for scenario in &scenarios {
            say(&format!(
                "round {round} of {}: {}",
                options.rounds,
                scenario.name()
            ));
            let columns = scenario.columns(&targets);
            let table = table_of(&mut tables, &columns);
            for (index, column) in columns.iter().enumerate() {
                match runtime.block_on(scenario.measure(column, options)) {
                    Ok(samples) => table.add(index, samples),
                    Err(error) if column.target.is_peer => {
                        say(&format!("bench: {} FAILED: {error}", column.name));
                    }
                    Err(error) => {
                        return Err(format!("{}, {}: {error}", column.name, scenario.name()).into());
                    }
                }
            }
        }
    }
    let texts: Vec<_> = tables
        .iter()
        .map(|table| table.text(options.rounds))
        .collect();
    write!(stdout(), "{}", texts.join("\n"))?;
    Ok(())
}

/// The table with these columns.
fn table_of<'t>(tables: &'t mut Vec<Table>, columns: &[Column<'_>]) -> &'t mut Table {
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    let known = tables.iter().position(|table| table.columns == names);
    let index = known.unwrap_or(tables.len());
    if index == tables.len() {
        tables.push(Table::new(names));
    }
    &mut tables[index]
}

/// Roost, and the peer if it can be driven.
fn targets(options: &Options) -> Vec<Target> {
    let mut targets = vec![Target::roost(&options.roost)];
    if options.no_peer {
        return targets;
    }
    match Target::feathers(&options.peer) {
        Ok(peer) => targets.push(peer),
        Err(reason) => {
            say("bench: ======================================================================");
            say("bench: THE FEATHERS DAEMON CANNOT BE DRIVEN: Roost is measured alone, no ratios");
            say(&format!("bench: {reason}"));
            say("bench: ======================================================================");
        }
    }
    targets
}
