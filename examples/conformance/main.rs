//! A daemon of fixture services on the public API, for the suites that ask for them. Roost's own
//! services are not here.
//!
//! - [`app`]: what genuine Feathers servers were recorded with
//! - [`login`]: who logs in to it
//! - [`todos`]: what the suite of Feathers' behaviours calls
//! - [`people`]: the table of Feathers' adapter tests, under nine configurations
//! - [`mcp`]: what MCP's conformance suite names
//! - [`phoenix_app`]: the app behind the transcripts of genuine Phoenix servers
//!
//! It takes Roost's own flags and prints the same lines.

#![expect(unreachable_pub, reason = "a program exports nothing")]

mod app;
mod function;
mod login;
mod mcp;
mod people;
mod phoenix_app;
mod phoenix_room;
mod phoenix_topics;
mod tables;
mod todos;
mod validation;

use std::process::ExitCode;

use clap::Parser;
use roost::{
    App,
    config::{Cli, Config},
    core::call::Method,
    log,
    serve::{announce, bind, serve_with, signalled},
    services::{Services, registry::Entry},
};

/// The methods that may work on several records at once.
const SEVERAL: [Method; 3] = [Method::Create, Method::Patch, Method::Remove];

#[tokio::main]
async fn main() -> ExitCode {
    let config = Cli::parse().config;
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            tracing::error!("{message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> Result<(), String> {
    log::start(&config)?;
    ignore_panics_that_were_asked_for();
    let listeners = bind(&config).await?;
    let mut services = Services::new(login::door());
    app::register(&mut services);
    login::register(&mut services);
    todos::register(&mut services);
    people::register(&mut services);
    for path in services.paths().collect::<Vec<_>>() {
        // Strangers may call everything.
        services.entry(path).map(Entry::open);
    }
    let (app, closing) = App::open(config, services)
        .await
        .map_err(|error| error.to_string())?;
    tables::create(&app.store)
        .await
        .map_err(|error| error.to_string())?;
    announce(&listeners);
    let shutdown = signalled().map_err(|error| error.to_string())?;
    let more = phoenix_app::routes(&app).merge(mcp::routes(&app));
    serve_with(listeners, app, closing, more, shutdown)
        .await
        .map_err(|error| error.to_string())
}

/// They are part of the tests, and logged by the daemon all the same.
fn ignore_panics_that_were_asked_for() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(phoenix_app::ASKED_FOR) {
            hook(panic);
        }
    }));
}
