//! The console: the page where people see the workspace live, as `make run` built it into the binary.
//!
//! It is at the root for who asks for a page, and its parts are below `/console/`. Nothing that it loads or calls
//! is elsewhere, and its policy says so to the browser. Without Node the daemon is built without it, and a plain
//! page says how to have it.

use std::{
    borrow::Cow,
    path::{self, Component},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rust_embed::Embed;
use uuid::Uuid;

use crate::{App, error::Error};

use super::feathers::ErrorResponse;

/// What was built; nothing, where it was not.
#[derive(Embed)]
#[folder = "web-fixtures/console/dist/"]
#[allow_missing = true]
struct Built;

/// The page itself.
const PAGE: &str = "index.html";

/// Where the page has its nonce, which is another each time.
const NONCE: &str = "STYLE_NONCE";

/// The page where there is no console.
const PLAIN: &str = include_str!("console.html");

/// Files whose name says what is in them.
const HASHED: &str = "assets/";

/// The routes of its parts.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/console/{*path}", get(part))
        .route("/icon.svg", get(icon))
}

/// Whether somebody asks for a page rather than for data.
pub(super) fn is_asked_for(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|accepted| accepted.to_str().ok());
    accepted.any(|accepted| accepted.contains("text/html"))
}

/// The page.
pub(super) async fn page(app: &App) -> Response {
    let nonce = Uuid::new_v4().simple().to_string();
    let page = find(app, PAGE).await;
    let page = page.and_then(|page| String::from_utf8(page.into_owned()).ok());
    let page = page.as_deref().unwrap_or(PLAIN).replace(NONCE, &nonce);
    let mut response = Html(page).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in SAFE {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the browser is told of the page beside its policy.
const SAFE: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "accept"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// What the page may do: nothing with any other origin, no script and no style that did not come with it.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// One of its parts.
async fn part(State(app): State<Arc<App>>, Path(path): Path<String>) -> Response {
    file(&app, &path).await
}

async fn icon(State(app): State<Arc<App>>) -> Response {
    file(&app, "icon.svg").await
}

async fn file(app: &App, path: &str) -> Response {
    let Some(data) = find(app, path).await.filter(|_| path != PAGE) else {
        return ErrorResponse(Error::not_found("The console has no such part")).into_response();
    };
    let kept = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = [
        (header::CONTENT_TYPE, kind(path)),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, data).into_response()
}

/// What is in a file of this name: one of those that are built.
fn kind(path: &str) -> &'static str {
    let end = path.rsplit_once('.').map_or("", |(_, end)| end);
    match end {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "png" => "image/png",
        "json" | "map" => "application/json",
        "html" => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A file that was built: of the binary, or of the folder that somebody works in.
async fn find(app: &App, path: &str) -> Option<Cow<'static, [u8]>> {
    let Some(folder) = &app.config.console_dir else {
        return Built::get(path).map(|file| file.data);
    };
    let mut parts = path::Path::new(path).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    tokio::fs::read(folder.join(path))
        .await
        .ok()
        .map(Cow::Owned)
}
