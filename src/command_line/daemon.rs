//! A running daemon, called over HTTP.

use std::time::Duration;

use reqwest::{Client, Method as Verb};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Outcome;

/// Time that a daemon has to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon.
pub(super) struct Daemon {
    client: Client,
    url: String,
    token: Option<SecretString>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nobody is there, or not yet, or not any more; later it may be otherwise.
    Away(String),
    /// The daemon refuses, with a status.
    Refused(u16, String),
}

impl From<Trouble> for String {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(message) | Trouble::Refused(_, message) => message,
        }
    }
}

impl Daemon {
    /// The daemon at an address.
    ///
    /// # Errors
    /// A sentence that says why it is none.
    pub(super) fn new(url: &str, token: Option<SecretString>) -> Outcome<Self> {
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

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Whether a daemon is there.
    pub(super) async fn answers(&self) -> bool {
        // Whoever asks: a daemon whose token is not good any more is there all the same.
        let stranger = Self {
            client: self.client.clone(),
            url: self.url.clone(),
            token: None,
        };
        let health = stranger.look(["health"], &[]).await;
        health.is_ok_and(|health| health.get("seq").is_some())
    }

    /// GET: a record, or what fits a query.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) async fn look<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        query: &[(&str, String)],
    ) -> Result<Value, Trouble> {
        self.send(Verb::GET, segments, query, &Value::Null).await
    }

    /// POST.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(super) async fn create<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        data: &Value,
    ) -> Result<Value, Trouble> {
        self.send(Verb::POST, segments, &[], data).await
    }

    /// Calls a service; the segments are its path's.
    ///
    /// # Errors
    /// A sentence that says who is not there, or what the daemon says.
    pub(super) async fn send<'a>(
        &self,
        verb: Verb,
        segments: impl IntoIterator<Item = &'a str>,
        query: &[(&str, String)],
        data: &Value,
    ) -> Result<Value, Trouble> {
        let unreachable = |_| {
            let url = &self.url;
            Trouble::Away(format!(
                "no daemon answers at {url}; does it run, and is --url (ROOST_URL) right?"
            ))
        };
        let unreadable =
            |error| Trouble::Refused(0, format!("{} cannot be read: {error}", self.url));
        let mut url = reqwest::Url::parse(&self.url).map_err(unreadable)?;
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
        let body = response.bytes().await.map_err(unreachable)?;
        let answer: Value = serde_json::from_slice(&body).map_err(|_| {
            let (url, status) = (&self.url, status.as_u16());
            match status {
                // A proxy whose daemon is away.
                429 | 500.. => Trouble::Away(format!("{url} answers {status}")),
                _ => Trouble::Refused(status, format!("what answers at {url} is no roost daemon")),
            }
        })?;
        if status.is_success() {
            return Ok(answer);
        }
        let message = answer["message"].as_str().unwrap_or("no reason was given");
        Err(match status.as_u16() {
            401 => Trouble::Refused(
                401,
                format!(
                    "{message}; say who calls with a token or API key in ROOST_TOKEN (or --token)"
                ),
            ),
            429 | 500.. => Trouble::Away(message.to_owned()),
            status => Trouble::Refused(status, message.to_owned()),
        })
    }
}
