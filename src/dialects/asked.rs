//! A request to a dialect's own REST surface: who asks, and what; and the calls that come of it.

use std::sync::Arc;

use axum::extract::Request;
use http::{HeaderMap, Method as Verb};
use serde_json::{Value, json};

use super::{
    body, query_string,
    visitor::{self, Visitor},
};
use crate::{
    App,
    core::{
        Record,
        call::{Call, Caller, Method},
    },
    error::{Error, Result},
};

/// What calls over REST come through.
const PROVIDER: &str = "rest";

/// A request, read whole.
pub(super) struct Asked {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) query: Record,
    /// The body: an object.
    pub(super) data: Value,
    pub(super) headers: HeaderMap,
}

/// What a visitor's calls over REST come from.
pub(super) fn caller(visitor: Visitor) -> Caller {
    Caller {
        identity: visitor.identity,
        provider: Some(PROVIDER),
        headers: Arc::default(),
        connection: None,
        login: visitor.login,
        address: visitor.address,
    }
}

impl Asked {
    /// Reads a request of a caller's.
    ///
    /// # Errors
    /// `BadRequest` for a query or body that cannot be read, `PayloadTooLarge`, `Timeout`.
    pub(super) async fn read(request: Request, app: &Arc<App>, caller: Caller) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let mut query = query_string::parse(parts.uri.query().unwrap_or_default())?;
        query.shift_remove(visitor::PARAMETER);
        let data = match parts.method {
            Verb::POST | Verb::PUT | Verb::PATCH => data(&body::read(body, app).await?)?,
            _ => json!({}),
        };
        Ok(Self {
            app: Arc::clone(app),
            caller,
            query,
            data,
            headers: parts.headers,
        })
    }

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

    /// What a service has under an id.
    pub(super) async fn one(&self, segments: &[&str], id: &str) -> Result<Value> {
        let id = json!(id);
        self.call(segments, Method::Get, |call| call.id = Some(id))
            .await
    }

    /// What fits a query.
    pub(super) async fn find(&self, segments: &[&str], query: Value) -> Result<Value> {
        let Value::Object(query) = query else {
            return Err(Error::general("A query must be an object"));
        };
        self.call(segments, Method::Find, |call| call.query = query)
            .await
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
