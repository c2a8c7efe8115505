//! How requests to the Engine.IO server are refused: as engine.io does, with a number as code.
//!
//! The library writes the code as a text, and says nothing at all of some requests.

use axum::{
    Json,
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

/// No refusal is larger, in bytes.
const LARGEST: usize = 1_024;

/// What engine.io says of a request that is wrong in no way that it has a code for.
const BAD_REQUEST: (u8, &str) = (3, "Bad request");

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// Writes a refusal as engine.io does; other responses stay as they are.
pub(super) async fn as_engine_io(response: Response) -> Response {
    if response.status() != StatusCode::BAD_REQUEST {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap_or_default();
    if body.is_empty() {
        return refuse(BAD_REQUEST.0, BAD_REQUEST.1);
    }
    let refusal = serde_json::from_slice::<Refusal>(&body).ok();
    match refusal.and_then(|Refusal { code, message }| Some((code.parse().ok()?, message))) {
        Some((code, message)) => refuse(code, &message),
        None => Response::from_parts(parts, Body::from(body)),
    }
}

/// A refusal as engine.io writes it.
pub(super) fn refuse(code: u8, message: &str) -> Response {
    let body = Json(json!({"code": code, "message": message}));
    (StatusCode::BAD_REQUEST, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rewritten(status: StatusCode, body: &'static str) -> (StatusCode, String) {
        let response = as_engine_io((status, body).into_response()).await;
        let status = response.status();
        let body = to_bytes(response.into_body(), LARGEST).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn codes_are_numbers() {
        let refused = StatusCode::BAD_REQUEST;
        for (body, expected) in [
            (
                r#"{"code":"5","message":"Unsupported protocol version"}"#,
                r#"{"code":5,"message":"Unsupported protocol version"}"#,
            ),
            ("", r#"{"code":3,"message":"Bad request"}"#),
            (r#"{"code":400,"name":"x"}"#, r#"{"code":400,"name":"x"}"#),
            ("else", "else"),
        ] {
            assert_eq!(
                rewritten(refused, body).await,
                (refused, expected.to_owned())
            );
        }
        let taken = r#"{"code":"5","message":"x"}"#;
        assert_eq!(
            rewritten(StatusCode::OK, taken).await,
            (StatusCode::OK, taken.to_owned())
        );
    }
}
