//! The command line of Roost.

use std::process::ExitCode;

use clap::Parser;
use roost::{
    App,
    app::own_services,
    command_line,
    config::{Cli, Command, Config},
    log,
    serve::{announce, bind, serve, signalled},
    services, tls,
};

/// What one thread allocates another frees here, which the system's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tls::prepare();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| format!("the runtime could not be started: {error}"))
        .and_then(|runtime| {
            runtime.block_on(async {
                match cli.command.unwrap_or(Command::Serve) {
                    Command::Serve => run(cli.config).await,
                    Command::Stream(stream) => run(cli.config.streaming(stream)).await,
                    Command::Token(command) => command_line::token(command, cli.config).await,
                    Command::User(command) => command_line::user(command, cli.config).await,
                    Command::Key(command) => command_line::key(command, cli.config).await,
                    Command::Swarm(command) => command_line::swarm(command, cli.config).await,
                    Command::Health(command) => command_line::health(command, cli.config).await,
                    Command::Backup(command) => command_line::backup(command, cli.config).await,
                    Command::Restore(command) => command_line::restore(command, cli.config).await,
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
    log::start(&config)?;
    let listeners = bind(&config).await?;
    let services = own_services(&config)?;
    let (app, closing) = App::open(config, services)
        .await
        .map_err(|error| error.to_string())?;
    services::seed(&app.store)
        .await
        .map_err(|error| error.to_string())?;
    // Whoever reads that it listens may ask it to stop at once.
    let shutdown = signalled().map_err(|error| format!("signals cannot be received: {error}"))?;
    announce(&listeners);
    serve(listeners, app, closing, shutdown)
        .await
        .map_err(|error| error.to_string())
}
