//! What `/api/v1` answers: `{data, meta, errors}`, also where something went wrong.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::super::super::answers::LATER;
use crate::{
    App,
    error::{Error, Kind},
};

/// The version that the envelope tells.
const VERSION: &str = "1.0";

/// What is answered; [`seal`] writes it.
#[derive(Clone)]
pub(super) struct Reply {
    status: StatusCode,
    data: Value,
    /// More of the `meta`.
    meta: Map<String, Value>,
    errors: Vec<Value>,
    retry_after: Option<u64>,
}

/// An error as the envelope has it.
pub(super) struct Failure(pub(super) Error);

impl Reply {
    /// 200 with this.
    pub(super) fn ok(data: Value) -> Self {
        Self {
            status: StatusCode::OK,
            data,
            meta: Map::new(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// 201 with this.
    pub(super) fn created(data: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::ok(data)
        }
    }

    /// Says more in the `meta`.
    pub(super) fn with_meta(mut self, name: &str, value: Value) -> Self {
        self.meta.insert(name.to_owned(), value);
        self
    }
}

impl From<Failure> for Reply {
    fn from(Failure(error): Failure) -> Self {
        let (status, code) = code(&error);
        let data = error.data().and_then(Value::as_object).cloned();
        let mut data = data.unwrap_or_default();
        let retry_after = data
            .shift_remove("retryAfter")
            .and_then(|wait| wait.as_u64());
        let is_busy = [429, 503].contains(&status);
        let mut told = json!({"code": code, "message": error.message()});
        if let Some(field) = data.shift_remove("field") {
            told["field"] = field;
        }
        if !data.is_empty() {
            told["details"] = Value::Object(data);
        }
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            errors: vec![told],
            retry_after: retry_after.or(is_busy.then_some(LATER)),
            ..Self::ok(Value::Null)
        }
    }
}

/// The status and code of an error.
fn code(error: &Error) -> (u16, &'static str) {
    let reason = error.data().and_then(|data| data["reason"].as_str());
    match (error.kind(), reason) {
        (_, Some("route_not_found")) => (404, "ROUTE_NOT_FOUND"),
        (_, Some("task_closed")) => (409, "TASK_CLOSED"),
        (_, Some("idempotency_mismatch")) => (422, "IDEMPOTENCY_MISMATCH"),
        (_, Some("agent_unavailable")) => (503, "AGENT_UNAVAILABLE"),
        (Kind::BadRequest | Kind::Unprocessable, _) => (422, "VALIDATION_ERROR"),
        (Kind::NotAuthenticated, _) => (401, "UNAUTHORIZED"),
        (Kind::Forbidden, _) => (403, "FORBIDDEN"),
        (Kind::NotFound | Kind::Gone, _) => (404, "NOT_FOUND"),
        (Kind::MethodNotAllowed, _) => (405, "METHOD_NOT_ALLOWED"),
        (Kind::Conflict, _) => (409, "CONFLICT"),
        (Kind::PayloadTooLarge, _) => (413, "PAYLOAD_TOO_LARGE"),
        (Kind::Timeout, _) => (408, "REQUEST_TIMEOUT"),
        (Kind::TooManyRequests, _) => (429, "RATE_LIMIT_EXCEEDED"),
        (Kind::NotImplemented, _) => (501, "NOT_IMPLEMENTED"),
        (Kind::Unavailable, _) => (503, "SERVICE_UNAVAILABLE"),
        (kind, _) => (kind.status(), "INTERNAL_ERROR"),
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Reply::from(self).into_response()
    }
}

/// Writes what is answered, with an id by which a request is found again.
pub(super) async fn seal(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = app.store.clock().ordered_id().to_string();
    let mut response = next.run(request).await;
    let Some(reply) = response.extensions_mut().remove::<Reply>() else {
        return response;
    };
    let mut meta = json!({
        "version": VERSION,
        "timestamp": app.store.clock().now().to_string(),
        "request_id": id,
    });
    if let Some(meta) = meta.as_object_mut() {
        meta.extend(reply.meta);
    }
    let body = json!({"data": reply.data, "meta": meta, "errors": reply.errors});
    let mut sealed = (reply.status, Json(body)).into_response();
    let headers = sealed.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    if let Some(seconds) = reply.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if reply.status == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Bearer");
        headers.insert(header::WWW_AUTHENTICATE, how);
    }
    // Which methods there are.
    if let Some(allow) = response.headers().get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    sealed
}
