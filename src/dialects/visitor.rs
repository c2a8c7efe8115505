//! Who stands behind a request: a token as header, or as `?token=` where no header can be sent.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;

use super::feathers::ErrorResponse;
use crate::{
    App,
    core::{connection::Connection, identity::Identity, login::LoggedIn},
    error::{Error, Result},
};

/// The name of the parameter that holds a token.
pub(super) const PARAMETER: &str = "token";

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
        let token = bearer(&parts.headers).or_else(|| parameter(&parts.uri));
        let login = match token {
            Some(token) => login(app, &token).await?,
            None => None,
        };
        let stranger = || app.services.door.stranger();
        let identity = login.as_ref().map(|login| login.identity.clone());
        Ok(Self {
            identity: identity.unwrap_or_else(stranger),
            login,
            address,
        })
    }

    /// Who listens now: a login may have ended since.
    pub(super) fn identity(&self, app: &App) -> Identity {
        let ends = self.login.as_ref().and_then(|login| login.ends);
        if ends.is_some_and(|ends| ends <= app.store.clock().now()) {
            return app.services.door.stranger();
        }
        self.identity.clone()
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

/// The login that a token stands for; a bad one is an error only where one is required.
pub(super) async fn login(app: &Arc<App>, token: &str) -> Result<Option<LoggedIn>> {
    let door = &app.services.door;
    match door.identify(token, &app.store).await {
        Ok((_, login)) => Ok(Some(login)),
        Err(error) if door.settings.required => Err(error),
        Err(_) => Ok(None),
    }
}

/// The token in the `Authorization` header: `Bearer <token>`, `JWT <token>` or the token alone.
pub(super) fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        None => Some(value).filter(|value| !value.is_empty()),
        Some((scheme, token)) => {
            let known = ["bearer", "jwt"];
            let known = known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            known.then(|| token.trim())
        }
    }
    .map(str::to_owned)
}

fn parameter(uri: &Uri) -> Option<String> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == PARAMETER)?;
    let token = percent_decode_str(token).decode_utf8().ok()?;
    Some(token.into_owned()).filter(|token| !token.is_empty())
}
