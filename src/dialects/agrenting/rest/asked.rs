//! A request to `/api/v1`, whose caller has a key.

use std::{ops::Deref, sync::Arc};

use axum::extract::{FromRequest, Request};
use http::request::Parts;
use serde_json::Value;

use super::{
    super::super::{
        asked,
        visitor::{self, Visitor},
    },
    envelope::Failure,
};
use crate::{
    App,
    core::{Record, call::Caller, login::Credential},
    error::{Error, Result},
};

/// A request of somebody with a key.
pub(super) struct Asked(asked::Asked);

/// A request of anybody, as far as they may come in without a key.
pub(super) struct Anyone(pub(super) Asked);

impl Deref for Asked {
    type Target = asked::Asked;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest<Arc<App>> for Asked {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let Anyone(asked) = Anyone::from_request(request, app).await?;
        if asked.caller.login.is_some() {
            return Ok(asked);
        }
        Err(Failure(no_key()))
    }
}

impl FromRequest<Arc<App>> for Anyone {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let caller = caller(app, &parts).await.map_err(Failure)?;
        let request = Request::from_parts(parts, body);
        let asked = asked::Asked::read(request, app, caller).await;
        Ok(Self(Asked(asked.map_err(Failure)?)))
    }
}

fn no_key() -> Error {
    Error::not_authenticated("A good key is needed: X-API-Key, Api-Key or Authorization: Bearer")
}

/// Who asks; a key that is not good is none that could be left out.
async fn caller(app: &Arc<App>, parts: &Parts) -> Result<Caller> {
    let visitor = Visitor::of(app, parts).await?;
    if visitor.login.is_none() && visitor::credential(&parts.headers).is_some() {
        return Err(no_key());
    }
    Ok(asked::caller(visitor))
}

impl Asked {
    /// One record.
    pub(super) async fn get(&self, service: &str, id: &str) -> Result<Record> {
        match self.one(&[service], id).await? {
            Value::Object(record) => Ok(record),
            _ => Err(Error::not_found("There is no such thing")),
        }
    }

    /// The records among what was found.
    pub(super) async fn records(&self, segments: &[&str], query: Value) -> Result<Vec<Record>> {
        self.find(segments, query).await.map(records)
    }

    /// The key that came with the request.
    pub(super) fn key(&self) -> Option<&Credential> {
        self.caller.login.as_ref().map(|login| &login.credential)
    }

    /// Lets somebody in who showed something elsewhere than in a header.
    pub(super) async fn log_in(&mut self, shown: Credential) -> Result<()> {
        let door = &self.app.services.door;
        let login = door.identify(&shown, &self.app.store).await?;
        self.0.caller.identity = login.identity.clone();
        self.0.caller.login = Some(login);
        Ok(())
    }
}

/// The records of a page.
pub(super) fn records(mut page: Value) -> Vec<Record> {
    let Value::Array(data) = page["data"].take() else {
        return Vec::new();
    };
    let record = |value| match value {
        Value::Object(record) => Some(record),
        _ => None,
    };
    data.into_iter().filter_map(record).collect()
}

/// The name of the header that says what a request is the same as.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
