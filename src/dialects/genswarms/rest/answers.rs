//! Requests, and what they are answered: what was asked for, `{"error": <text>}`, or, where no application would
//! have been reached, `{"errors": {"detail": <text>}}`.

use std::{ops::Deref, sync::Arc};

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};

pub(super) use super::super::super::answers::{created, ok};
use super::super::super::{
    answers::{Reply, failed},
    asked,
    visitor::Visitor,
};
use crate::{
    App,
    error::{Error, Kind, Result},
};

/// A request of somebody who may come in.
pub(super) struct Asked(asked::Asked);

/// What a route answers.
pub(super) type Outcome = Result<Reply, Failure>;

/// What went wrong.
pub(super) struct Failure {
    error: Error,
    /// What is answered instead of what the error says.
    told: Option<(StatusCode, Value)>,
}

impl Deref for Asked {
    type Target = asked::Asked;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest<Arc<App>> for Asked {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(app, &parts).await.and_then(Visitor::admit)?;
        let request = Request::from_parts(parts, body);
        let asked = asked::Asked::read(request, app, asked::caller(visitor)).await;
        asked.map(Self).map_err(Failure::unreadable)
    }
}

impl Failure {
    /// A request that no application was reached with.
    fn unreadable(error: Error) -> Self {
        let status = status(&error);
        let reason = status.canonical_reason().unwrap_or("Bad Request");
        let told = json!({"errors": {"detail": reason}, "error": error.message()});
        Self {
            error,
            told: Some((status, told)),
        }
    }

    /// There is no such route.
    pub(super) fn no_route() -> Self {
        let told = json!({"errors": {"detail": "Not Found"}});
        Self {
            error: Error::not_found("Not Found"),
            told: Some((StatusCode::NOT_FOUND, told)),
        }
    }

    /// The error with another text than its own.
    pub(super) const fn saying(error: Error, status: StatusCode, told: Value) -> Self {
        Self {
            error,
            told: Some((status, told)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, told: None }
    }
}

/// The status of an error: what is refused as it stands is 400, whatever stands in its way.
fn status(error: &Error) -> StatusCode {
    let status = match error.kind() {
        Kind::Conflict => 400,
        kind => kind.status(),
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an error says.
fn told(error: &Error) -> Value {
    let said = |name: &str| error.data().map(|data| data[name].clone());
    let reason = said("reason").filter(Value::is_string);
    match error.kind() {
        Kind::NotAuthenticated => json!({"error": "Invalid or missing API token"}),
        kind if kind.status() == 500 => {
            json!({"errors": {"detail": "Internal Server Error"}})
        }
        _ => {
            let mut told = json!({"error": error.message()});
            if let Some(problems) = said("errors").filter(Value::is_array) {
                told["errors"] = problems;
            }
            if let Some(reason) = reason {
                told["reason"] = reason;
            }
            told
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { error, told: own } = self;
        let (status, body) = own.unwrap_or_else(|| (status(&error), told(&error)));
        failed(status, body, &error)
    }
}

/// Puts something under a name.
pub(super) fn under(name: &str, value: Value) -> Value {
    [(name.to_owned(), value)].into_iter().collect()
}

/// The items of a list; none, if it is no list.
pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}
