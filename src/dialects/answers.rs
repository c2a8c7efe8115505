//! What a dialect's own REST surface answers with: JSON, whatever its form.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::error::Error;

/// Seconds after which it may be tried again where nobody said.
pub(super) const LATER: u64 = 1;

/// What is answered where all is well.
pub(super) struct Reply(StatusCode, Value);

/// 200 with this.
pub(super) const fn ok<E>(data: Value) -> Result<Reply, E> {
    Ok(Reply(StatusCode::OK, data))
}

/// 201 with this.
pub(super) const fn created<E>(data: Value) -> Result<Reply, E> {
    Ok(Reply(StatusCode::CREATED, data))
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

/// The response to what went wrong, in a dialect's form: it says when to try again, and how to log in.
pub(super) fn failed(status: StatusCode, told: Value, error: &Error) -> Response {
    let mut response = (status, Json(told)).into_response();
    let headers = response.headers_mut();
    if [429, 503].contains(&status.as_u16()) {
        let wait = error.data().and_then(|data| data["retryAfter"].as_u64());
        headers.insert(header::RETRY_AFTER, wait.unwrap_or(LATER).into());
    }
    if status == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Bearer");
        headers.insert(header::WWW_AUTHENTICATE, how);
    }
    response
}
