//! A request to `/api/v1`: who asks, and what; and the calls that come of it.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use http::{HeaderMap, Method as Verb, request::Parts};
use serde_json::{Value, json};

use super::{
    super::super::{
        body, query_string,
        visitor::{self, Visitor},
    },
    envelope::Failure,
};
use crate::{
    App,
    core::{
        Record,
        call::{Call, Caller, Method},
        login::Credential,
    },
    error::{Error, Result},
};

/// What calls over REST come through.
const PROVIDER: &str = "rest";

/// A request of somebody with a key.
pub(super) struct Asked {
    pub(super) app: Arc<App>,
    caller: Caller,
    pub(super) query: Record,
    pub(super) data: Value,
    headers: HeaderMap,
}

/// A request of anybody, as far as they may come in without a key.
pub(super) struct Anyone(pub(super) Asked);

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
        let read = async {
            let query = query_string::parse(parts.uri.query().unwrap_or_default())?;
            let data = match parts.method {
                Verb::POST | Verb::PUT | Verb::PATCH => data(&body::read(body, app).await?)?,
                _ => json!({}),
            };
            Ok((query, data))
        };
        let (mut query, data) = read.await.map_err(Failure)?;
        query.shift_remove(visitor::PARAMETER);
        Ok(Self(Asked {
            app: Arc::clone(app),
            caller,
            query,
            data,
            headers: parts.headers,
        }))
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
    Ok(Caller {
        identity: visitor.identity,
        provider: Some(PROVIDER),
        headers: Arc::default(),
        connection: None,
        login: visitor.login,
        address: visitor.address,
    })
}

/// A body is an object, or nothing.
fn data(body: &[u8]) -> Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    let data: Value = serde_json::from_slice(body)
        .map_err(|error| Error::bad_request(format!("The body is no JSON: {error}")))?;
    if data.is_object() {
        return Ok(data);
    }
    Err(Error::bad_request("The body must be an object"))
}

impl Asked {
    /// Calls a service; the segments are its path's.
    pub(super) async fn call(
        &self,
        segments: &[&str],
        method: Method,
        with: impl FnOnce(&mut Call),
    ) -> Result<Value> {
        let found = self.app.services.find(segments);
        let missing = || Error::not_found("There is no such thing");
        let (entry, route) = found.ok_or_else(missing)?;
        if !entry.allows(&method) {
            return Err(Error::method_not_allowed(format!(
                "{method} is not offered"
            )));
        }
        let mut call = Call::new(entry.path, method, self.caller.clone());
        call.route = route;
        with(&mut call);
        let answer = self.app.services.run(entry, call, &self.app.store).await?;
        Ok(answer.data)
    }

    /// Makes something.
    pub(super) async fn create(&self, segments: &[&str], data: Value) -> Result<Value> {
        self.call(segments, Method::Create, |call| call.data = data)
            .await
    }

    /// One record.
    pub(super) async fn get(&self, service: &str, id: &str) -> Result<Record> {
        let id = json!(id);
        let path = [service];
        let got = self.call(&path, Method::Get, |call| call.id = Some(id));
        match got.await? {
            Value::Object(record) => Ok(record),
            _ => Err(Error::not_found("There is no such thing")),
        }
    }

    /// What fits a query.
    pub(super) async fn find(&self, segments: &[&str], query: Value) -> Result<Value> {
        let Value::Object(query) = query else {
            return Err(Error::general("A query must be an object"));
        };
        self.call(segments, Method::Find, |call| call.query = query)
            .await
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
        self.caller.identity = login.identity.clone();
        self.caller.login = Some(login);
        Ok(())
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter's text; none if it is empty.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name)?.as_str()?;
        Some(value).filter(|value| !value.is_empty())
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
