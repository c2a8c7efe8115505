//! Requests, and what they are answered: what was asked for, or `{"detail": …}`: a sentence, or, for what
//! cannot be read (422), a list of `{type, loc, msg}`.

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
    error::{Error, Kind},
};

/// A request of somebody who may come in.
pub(super) struct Asked(asked::Asked);

/// What a route answers.
pub(super) type Outcome = Result<Reply, Failure>;

/// What went wrong.
pub(super) struct Failure(Error);

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
        asked.map(Self).map_err(|error| match error.kind() {
            Kind::BadRequest => {
                let problem = json!({"type": "json_invalid", "loc": [], "msg": error.message()});
                let text = error.message().to_owned();
                Failure(Error::unprocessable(text).with_errors(json!([problem])))
            }
            _ => Failure(error),
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// What an error says.
fn detail(error: &Error) -> Value {
    let problems = error.errors().and_then(Value::as_array);
    match (error.kind(), problems) {
        (Kind::Unprocessable, Some(problems)) => problems.iter().map(placed).collect(),
        (Kind::NotAuthenticated, _) => json!("Not authenticated"),
        (kind, _) if kind.status() == 500 => json!("Internal Server Error"),
        _ => json!(error.message()),
    }
}

/// A problem whose place says whether it is in the query or the body.
fn placed(problem: &Value) -> Value {
    let mut place = problem["loc"].as_array().cloned().unwrap_or_default();
    if place.first() != Some(&json!("query")) {
        place.insert(0, json!("body"));
    }
    json!({"type": problem["type"], "loc": place, "msg": problem["msg"]})
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = StatusCode::from_u16(error.kind().status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        failed(status, json!({"detail": detail(&error)}), &error)
    }
}
