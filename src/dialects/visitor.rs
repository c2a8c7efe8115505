//! Who stands behind a request: a token or API key as header, or as `?token=` where no header can be
//! sent.

use std::{future::pending, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::sleep;

use super::feathers::ErrorResponse;
use crate::{
    App,
    auth::keys,
    core::{
        connection::Connection,
        identity::Identity,
        login::{Credential, LoggedIn},
    },
    error::{Error, Result},
};

/// The name of the parameter that holds a token.
pub(super) const PARAMETER: &str = "token";

/// The headers that hold an API key.
const KEY_HEADERS: [&str; 2] = ["x-api-key", "api-key"];

/// The header in which MGX's dashboards send their token.
const DASHBOARD: &str = "x-dashboard-token";

/// Somebody at the door.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// Who it is.
    pub(super) identity: Identity,
    /// With what that was proved.
    pub(super) login: Option<LoggedIn>,
    /// Where the visitor is.
    pub(super) address: Option<IpAddr>,
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ErrorResponse> {
        Self::of(app, parts).await.map_err(ErrorResponse)
    }
}

impl Visitor {
    /// Looks at a request. Where nobody has to log in, a token that is not good is as none.
    ///
    /// # Errors
    /// `NotAuthenticated` if the token is not good and one is required.
    pub(super) async fn of(app: &Arc<App>, parts: &Parts) -> Result<Self> {
        let connection = parts.extensions.get::<Connection>();
        let address = connection.map(|connection| connection.peer().ip());
        let shown = credential(&parts.headers).or_else(|| parameter(&parts.uri));
        let login = match shown {
            Some(shown) => login(app, &shown).await?,
            None => None,
        };
        Ok(Self::new(app, login, address))
    }

    /// Somebody who logged in, or a stranger.
    pub(super) fn new(app: &App, login: Option<LoggedIn>, address: Option<IpAddr>) -> Self {
        let identity = login.as_ref().map(|login| login.identity.clone());
        Self {
            identity: identity.unwrap_or_else(|| app.services.door.stranger()),
            login,
            address,
        }
    }

    /// Who listens now: a login may have ended since, and with it what the visitor came for, or the role
    /// have changed.
    pub(super) fn identity(&self, app: &App) -> Identity {
        if self.has_left(app) {
            return Identity::Nobody;
        }
        app.store.story().hub.access().current(&self.identity)
    }

    /// Done when the login has ended; never, for who came without one.
    pub(super) async fn left(self, app: Arc<App>) {
        let Some(login) = &self.login else {
            return pending().await;
        };
        let access = app.store.story().hub.access();
        loop {
            let mut some_end = pin!(access.logins_end());
            some_end.as_mut().enable();
            if self.has_left(&app) {
                return;
            }
            let Some(ends) = login.ends else {
                some_end.await;
                continue;
            };
            let left = ends.millis() - app.store.clock().now().millis();
            let left = Duration::from_millis(left.max(0).unsigned_abs());
            tokio::select! {
                () = some_end => {}
                () = sleep(left) => {}
            }
        }
    }

    fn has_left(&self, app: &App) -> bool {
        let (now, access) = (app.store.clock().now(), app.store.story().hub.access());
        let login = self.login.as_ref();
        login.is_some_and(|login| login.has_ended(now, access))
    }

    /// Refuses somebody who may see nothing at all.
    ///
    /// # Errors
    /// `NotAuthenticated`.
    pub(super) fn admit(self) -> Result<Self> {
        match self.identity {
            Identity::Nobody => Err(Error::not_authenticated("Not authenticated")),
            _ => Ok(self),
        }
    }
}

/// `GET /auth/verify`, for reverse proxies: 204 to somebody who may come in, 401 to others. The token
/// is the request's own, or stands in the URI that the proxy was asked for.
pub(super) async fn verify(State(app): State<Arc<App>>, mut request: Request) -> Response {
    let asked = ["x-original-uri", "x-forwarded-uri"]
        .into_iter()
        .find_map(|name| request.headers().get(name)?.to_str().ok()?.parse().ok());
    if let Some(uri) = asked {
        *request.uri_mut() = uri;
    }
    let (parts, _) = request.into_parts();
    match Visitor::of(&app, &parts).await.and_then(Visitor::admit) {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => ErrorResponse(error).into_response(),
    }
}

/// The login that a token or key stands for; a bad one is an error only where one is required.
pub(super) async fn login(app: &Arc<App>, shown: &Credential) -> Result<Option<LoggedIn>> {
    let door = &app.services.door;
    match door.identify(shown, &app.store).await {
        Ok(login) => Ok(Some(login)),
        // Not good, or its user is gone. That the database fails says nothing of who shows it.
        Err(error) if door.is_open() && error.kind().status() < 500 => Ok(None),
        Err(error) => Err(error),
    }
}

/// The token or key that a Phoenix client shows: as a parameter, as its `authToken`, or in the headers.
pub(super) fn shown(
    param: Option<&str>,
    token: Option<&SecretString>,
    headers: &HeaderMap,
) -> Option<Credential> {
    let text = param.or_else(|| token.map(SecretString::expose_secret));
    let text = text.filter(|text| !text.is_empty());
    text.map(keys::credential).or_else(|| credential(headers))
}

/// The token or key in the headers.
pub(super) fn credential(headers: &HeaderMap) -> Option<Credential> {
    let value = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?.trim();
        Some(value).filter(|value| !value.is_empty())
    };
    let token = bearer(headers).or_else(|| value(DASHBOARD));
    let key = || {
        let key = KEY_HEADERS.iter().find_map(|name| value(name))?;
        Some(Credential::Key(key.to_owned()))
    };
    token.map(keys::credential).or_else(key)
}

/// The token in the `Authorization` header: `Bearer <token>`, `JWT <token>` or the token alone.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        None => Some(value).filter(|value| !value.is_empty()),
        Some((scheme, token)) => {
            let known = ["bearer", "jwt"];
            let known = known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            known.then(|| token.trim())
        }
    }
}

fn parameter(uri: &Uri) -> Option<Credential> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == PARAMETER)?;
    let token = percent_decode_str(token).decode_utf8().ok()?;
    (!token.is_empty()).then(|| keys::credential(&token))
}
