//! How a command reaches the services: over HTTP, or in its own process while nobody uses the database.

use std::{path::Path, sync::Arc};

use reqwest::Method as Verb;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Outcome, daemon::Daemon, output};
use crate::{
    App,
    app::own_services,
    config::{Config, commands::Reach},
    core::{
        Record,
        call::{Call, Caller, Method},
    },
    error::Kind,
    store::{self, connect::Closing},
};

/// The way to the services.
pub(super) enum Way {
    /// A running daemon.
    Daemon(Daemon),
    /// The database, which nobody else uses.
    Direct(Arc<App>, Box<Closing>),
}

impl Way {
    /// The daemon that is named; else the one that uses the database, or else the database. It may be
    /// made where it is missing.
    ///
    /// # Errors
    /// A sentence that says what is not there, and what would help.
    pub(super) async fn find(config: Config, reach: &Reach, make: bool) -> Outcome<Self> {
        let named = reach.url.as_deref();
        let local = config.local_url()?;
        let daemon = Daemon::new(named.unwrap_or(&local), reach.token.clone())?;
        if named.is_some() {
            return Ok(Self::Daemon(daemon));
        }
        let file = store::sqlite_path(config.database_url.expose_secret());
        let file = file.map_err(|error| error.to_string())?;
        let is_there = file.as_deref().is_some_and(Path::exists);
        // A file says itself whether it is used. Whether a server's database is, a daemon says.
        if !is_there {
            if daemon.answers().await {
                return Ok(Self::Daemon(daemon));
            }
            if let Some(file) = file.as_deref().filter(|_| !make) {
                let (url, file) = (daemon.url(), file.display());
                return Err(format!(
                    "no daemon answers at {url}, and there is no database {file}; say where the daemon is with \
                     --url (ROOST_URL), or which database with --database-url (DATABASE_URL)"
                ));
            }
        }
        let services = own_services(&config)?;
        match App::open(config, services).await {
            Ok((app, closing)) => {
                output::note("No daemon uses the database: it is changed directly.");
                Ok(Self::Direct(app, Box::new(closing)))
            }
            Err(error) if error.kind() == Kind::Conflict => {
                if daemon.answers().await {
                    return Ok(Self::Daemon(daemon));
                }
                let url = daemon.url();
                Err(format!(
                    "a daemon uses the database, but none answers at {url}; say where it is with --url (ROOST_URL)"
                ))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether there is no daemon.
    pub(super) const fn is_direct(&self) -> bool {
        matches!(self, Self::Direct(..))
    }

    /// Calls a service.
    ///
    /// # Errors
    /// What the service says, or a sentence that says why it cannot be asked.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &'static str,
        id: Option<&str>,
        data: Value,
    ) -> Outcome<Value> {
        match self {
            Self::Daemon(daemon) => {
                let verb = match method {
                    Method::Create => Verb::POST,
                    Method::Remove => Verb::DELETE,
                    _ => Verb::GET,
                };
                let segments = path.split('/').chain(id);
                Ok(daemon.send(verb, segments, &[], &data).await?)
            }
            Self::Direct(app, _) => {
                let mut call = Call::new(path, method, Caller::system());
                (call.id, call.data) = (id.map(Value::from), data);
                run(app, path, call).await
            }
        }
    }

    /// A page of a service's records.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub(super) async fn find_page(
        &self,
        path: &'static str,
        query: &[(&str, String)],
    ) -> Outcome<Value> {
        match self {
            Self::Daemon(daemon) => Ok(daemon.look([path], query).await?),
            Self::Direct(app, _) => {
                let mut call = Call::new(path, Method::Find, Caller::system());
                let pairs = query
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
                call.query = pairs.collect::<Record>();
                run(app, path, call).await
            }
        }
    }

    /// Lets go of the database, if it was used; an outcome that is an error stays one.
    ///
    /// # Errors
    /// The outcome's, or that the database was not closed in good order.
    pub(super) async fn leave(self, outcome: Outcome) -> Outcome {
        let Self::Direct(app, closing) = self else {
            return outcome;
        };
        drop(app);
        let closed = closing.close().await.map_err(|error| error.to_string());
        outcome.and(closed)
    }
}

async fn run(app: &App, path: &'static str, call: Call) -> Outcome<Value> {
    let (entry, _) = app
        .services
        .find(&[path])
        .ok_or_else(|| format!("there is no service {path}"))?;
    let answer = app.services.run(entry, call, &app.store).await;
    answer
        .map(|answer| answer.data)
        .map_err(|error| error.to_string())
}
