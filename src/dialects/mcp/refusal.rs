//! A request that is not taken: HTTP's status, with the reason as a JSON-RPC error that answers no id.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use rmcp::model::ClientJsonRpcMessage;
use serde_json::json;

use crate::error::{Error, Kind, Result};

/// JSON-RPC's codes: the body is no JSON; it is JSON, but no message; anything else.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const SERVER_ERROR: i32 = -32000;

/// Why a request is not taken.
pub(super) struct Refusal {
    code: i32,
    error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            Kind::BadRequest => INVALID_REQUEST,
            _ => SERVER_ERROR,
        };
        Self { code, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.kind().status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({
            "jsonrpc": "2.0",
            "id": null,
            "error": {"code": self.code, "message": self.error.message(), "data": &self.error},
        });
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        let wait = self
            .error
            .data()
            .and_then(|data| data["retryAfter"].as_u64());
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The message in a body.
///
/// # Errors
/// If there is none: 400.
pub(super) fn message(body: &[u8]) -> Result<ClientJsonRpcMessage, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            let what = "The body is no JSON-RPC request, notification or response";
            return Error::bad_request(what).into();
        }
        Refusal {
            code: PARSE_ERROR,
            error: Error::bad_request(format!("The body is no JSON: {error}")),
        }
    })
}
