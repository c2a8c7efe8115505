//! What web pages of other origins may do, and what `OPTIONS` is answered.

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method as Verb, StatusCode, header};
use tower_http::cors::{AllowHeaders, CorsLayer};

use super::ErrorResponse;
use crate::{config::Config, error::Error};

/// What pages of other origins may do.
pub(in crate::dialects) fn cors(config: &Config) -> CorsLayer {
    let origins: Vec<HeaderValue> = config
        .cors_origins
        .iter()
        .filter(|origin| !origin.is_empty())
        .filter_map(|origin| origin.parse().ok())
        .collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Verb::GET,
            Verb::HEAD,
            Verb::PUT,
            Verb::POST,
            Verb::DELETE,
            Verb::PATCH,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}

/// Answers `OPTIONS` as Feathers on koa does: 204 to a browser that asks beforehand, 405 to others.
pub(in crate::dialects) async fn options(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let preflight = headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Verb::OPTIONS {
        return next.run(request).await;
    }
    if !preflight {
        let refused = Error::method_not_allowed("Method OPTIONS not allowed");
        return ErrorResponse(refused).into_response();
    }
    let mut response = next.run(request).await;
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}
