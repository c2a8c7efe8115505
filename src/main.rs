//! The command line of Roost.

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use roost::{
    App,
    app::own_services,
    config::{Cli, Command, Config, LogFormat},
    serve::{announce, bind, serve, signalled},
    services,
};
use tracing_subscriber::EnvFilter;

/// What one thread allocates another frees here, which the system's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| format!("the runtime could not be started: {error}"))
        .and_then(|runtime| {
            runtime.block_on(async {
                match cli.command.unwrap_or(Command::Serve) {
                    Command::Serve => run(cli.config).await,
                }
            })
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            complain(&message);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn complain(message: &str) {
    eprintln!("roost: {message}");
}

/// Runs the daemon until it is told to stop.
async fn run(config: Config) -> Result<(), String> {
    log(&config)?;
    let listeners = bind(&config).await?;
    let services = own_services(&config)?;
    let (app, closing) = App::open(config, services)
        .await
        .map_err(|error| error.to_string())?;
    services::seed(&app.store)
        .await
        .map_err(|error| error.to_string())?;
    announce(&listeners);
    let shutdown = signalled().map_err(|error| format!("signals cannot be received: {error}"))?;
    serve(listeners, app, closing, shutdown)
        .await
        .map_err(|error| error.to_string())
}

fn log(config: &Config) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&config.log).map_err(|error| format!("LOG cannot be read: {error}"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
