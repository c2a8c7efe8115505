//! How a command reaches the services: over HTTP, or in its own process while nobody uses the database.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{Client, Method as Verb};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Outcome, output};
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

/// Time that a daemon has to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the services.
pub(super) enum Way {
    /// A running daemon.
    Daemon(Daemon),
    /// The database, which nobody else uses.
    Direct(Arc<App>, Box<Closing>),
}

/// A running daemon.
pub(super) struct Daemon {
    client: Client,
    url: String,
    token: Option<SecretString>,
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
                let (url, file) = (&daemon.url, file.display());
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
                let url = &daemon.url;
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
                let segments = [path].into_iter().chain(id);
                daemon.send(verb, segments, &[], &data).await
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
            Self::Daemon(daemon) => daemon.send(Verb::GET, [path], query, &Value::Null).await,
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

impl Daemon {
    fn new(url: &str, token: Option<SecretString>) -> Outcome<Self> {
        let unusable = |why: &str| format!("{url} is no daemon's address: {why}");
        let parsed = reqwest::Url::parse(url).map_err(|error| unusable(&error.to_string()))?;
        if parsed.scheme() != "http" || parsed.host().is_none() {
            return Err(unusable(
                "write http://HOST:PORT; what is behind TLS is reached from its own machine",
            ));
        }
        // The daemon is here, whatever proxy leads elsewhere.
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(PATIENCE)
            .build();
        Ok(Self {
            client: client.map_err(|error| unusable(&error.to_string()))?,
            url: url.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Whether a daemon is there.
    async fn answers(&self) -> bool {
        // Whoever asks: a daemon whose token is not good any more is there all the same.
        let stranger = Self {
            client: self.client.clone(),
            url: self.url.clone(),
            token: None,
        };
        let health = stranger
            .send(Verb::GET, ["health"], &[], &Value::Null)
            .await;
        health.is_ok_and(|health| health.get("seq").is_some())
    }

    async fn send<'a>(
        &self,
        verb: Verb,
        segments: impl IntoIterator<Item = &'a str>,
        query: &[(&str, String)],
        data: &Value,
    ) -> Outcome<Value> {
        let unreachable = |_| {
            let url = &self.url;
            format!("no daemon answers at {url}; does it run, and is --url (ROOST_URL) right?")
        };
        let mut url = reqwest::Url::parse(&self.url).map_err(|error| error.to_string())?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(verb, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if !data.is_null() {
            request = request.json(data);
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let strange = |_| format!("what answers at {} is no roost daemon", self.url);
        let answer: Value = response.json().await.map_err(strange)?;
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or("no reason was given");
        Err(match status.as_u16() {
            401 => format!(
                "{message}; say who calls with a token or API key in ROOST_TOKEN (or --token)"
            ),
            _ => message.to_owned(),
        })
    }
}
