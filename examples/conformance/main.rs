//! A daemon of fixture services on the public API, for the suites that ask for them.
//!
//! - [`people`]: the table of Feathers' adapter tests, under nine configurations
//!
//! It takes Roost's own flags and prints the same lines.

#![expect(unreachable_pub, reason = "a program exports nothing")]

mod people;

use std::process::ExitCode;

use clap::Parser;
use roost::{
    App,
    app::own_services,
    config::{Cli, Config},
    serve::{announce, bind, serve, signalled},
};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
    match run(Cli::parse().config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), String> {
    let listeners = bind(&config).await?;
    let mut services = own_services(&config)?;
    people::register(&mut services);
    let (app, closing) = App::open(config, services)
        .await
        .map_err(|error| error.to_string())?;
    people::create_table(&app.store)
        .await
        .map_err(|error| error.to_string())?;
    announce(&listeners);
    let shutdown = signalled().map_err(|error| error.to_string())?;
    serve(listeners, app, closing, shutdown)
        .await
        .map_err(|error| error.to_string())
}
