//! Services over REST: verbs are methods, paths are services, query strings are queries.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, header, request::Parts,
};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::time::timeout;
use tower_http::cors::{AllowHeaders, CorsLayer};

use crate::{
    App,
    config::Config,
    core::{
        Record,
        call::{Call, Caller, Method},
        identity::Identity,
    },
    error::{Error, Kind, Result},
    services::registry::Entry,
};

/// Time that a body has to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// An error as REST answers it.
pub(in crate::dialects) struct ErrorResponse(pub(in crate::dialects) Error);

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        json_response(status, serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

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
            Verb::POST,
            Verb::PUT,
            Verb::PATCH,
            Verb::DELETE,
            Verb::OPTIONS,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
}

/// Answers every request that no other dialect takes.
pub(in crate::dialects) async fn rest(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match answer(&app, &parts, body).await {
        Ok(response) => response,
        Err(error) => ErrorResponse(error).into_response(),
    }
}

async fn answer(app: &App, parts: &Parts, body: Body) -> Result<Response> {
    let (entry, route, id) = find(app, parts.uri.path())?;
    let method = method(parts, id.is_some())?;
    if !entry.allows(&method) {
        return Err(Error::method_not_allowed(format!(
            "Method `{method}` is not supported by this endpoint."
        )));
    }
    let caller = Caller {
        identity: Identity::Owner,
        provider: Some("rest"),
        headers: Arc::new(headers(&parts.headers)),
    };
    let mut call = Call::new(entry.path, method.clone(), caller);
    call.route = route;
    call.query = query(parts.uri.query().unwrap_or_default())?;
    call.id = id.filter(|_| !matches!(method, Method::Create | Method::Custom(_)));
    if matches!(parts.method, Verb::POST | Verb::PUT | Verb::PATCH) {
        let body = read(body, app.config.max_message as usize).await?;
        call.data = data(&parts.headers, &body)?;
    }
    let answer = app.services.run(entry, call, &app.store).await?;
    Ok(respond(&method, &answer))
}

/// The service of a path, its route parameters, and the id behind it.
fn find<'a>(app: &'a App, path: &str) -> Result<(&'a Entry, Record, Option<Value>)> {
    let missing = || Error::not_found(format!("Path {path} not found"));
    let segments: Vec<_> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect::<Result<_>>()?;
    if let Some((entry, route)) = app.services.find(&segments.join("/")) {
        return Ok((entry, route, None));
    }
    let (id, service) = segments.split_last().ok_or_else(missing)?;
    let (entry, route) = app.services.find(&service.join("/")).ok_or_else(missing)?;
    Ok((entry, route, Some(Value::String(id.clone()))))
}

fn decode(segment: &str) -> Result<String> {
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Error::bad_request("The path is not UTF-8"))
}

fn method(parts: &Parts, with_id: bool) -> Result<Method> {
    let custom = parts
        .headers
        .get("x-service-method")
        .filter(|_| parts.method == Verb::POST);
    if let Some(name) = custom {
        let method = Method::parse(name.to_str().unwrap_or_default());
        return match method {
            Method::Custom(_) => Ok(method),
            _ => Err(Error::method_not_allowed(format!(
                "Method `{method}` is not supported by this endpoint."
            ))),
        };
    }
    match parts.method {
        Verb::GET | Verb::HEAD if with_id => Ok(Method::Get),
        Verb::GET | Verb::HEAD => Ok(Method::Find),
        Verb::POST => Ok(Method::Create),
        Verb::PUT => Ok(Method::Update),
        Verb::PATCH => Ok(Method::Patch),
        Verb::DELETE => Ok(Method::Remove),
        ref other => Err(Error::method_not_allowed(format!(
            "Method {other} not allowed"
        ))),
    }
}

fn query(text: &str) -> Result<Record> {
    let pairs: Vec<_> = text.split('&').filter(|pair| !pair.is_empty()).collect();
    if pairs.is_empty() {
        return Ok(Record::new());
    }
    let config = serde_qs::Config::new().max_depth(5).use_form_encoding(true);
    config
        .deserialize_str(&pairs.join("&"))
        .map_err(|_| Error::bad_request("The query string cannot be read"))
}

async fn read(body: Body, limit: usize) -> Result<Bytes> {
    let slow = |_| Error::new(Kind::Timeout, "The body did not come in time");
    let too_large = |_| Error::payload_too_large(format!("The body is larger than {limit} bytes"));
    timeout(BODY_TIMEOUT, to_bytes(body, limit))
        .await
        .map_err(slow)?
        .map_err(too_large)
}

fn data(headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("application/json");
    if kind.starts_with("application/x-www-form-urlencoded") {
        let text =
            std::str::from_utf8(body).map_err(|_| Error::bad_request("The body is not UTF-8"))?;
        return query(text).map(Value::Object);
    }
    serde_json::from_slice(body)
        .map_err(|error| Error::bad_request(format!("The body is no JSON: {error}")))
}

fn respond(method: &Method, answer: &Value) -> Response {
    match (method, answer) {
        (_, answer) if is_falsy(answer) => StatusCode::NO_CONTENT.into_response(),
        (Method::Create, _) => json_response(StatusCode::CREATED, answer.to_string().into_bytes()),
        _ => json_response(StatusCode::OK, answer.to_string().into_bytes()),
    }
}

/// What JavaScript takes for nothing.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let kind: (HeaderName, &str) = (header::CONTENT_TYPE, "application/json; charset=utf-8");
    (status, [kind], body).into_response()
}

/// Headers as services see them.
pub(super) fn headers(headers: &HeaderMap) -> Record {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (
            name.as_str().to_owned(),
            Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned()),
        )
    };
    headers.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_query_strings_as_clients_write_them() {
        let cases = [
            ("a=1&b=x%20y+z", json!({"a": "1", "b": "x y z"})),
            (
                "age[$in][0]=1&age[$in][1]=2",
                json!({"age": {"$in": ["1", "2"]}}),
            ),
            (
                "$sort[z]=1&$sort[a]=-1",
                json!({"$sort": {"z": "1", "a": "-1"}}),
            ),
            ("%24limit=5&a[]=1", json!({"$limit": "5", "a": ["1"]})),
            (
                "$or[0][a]=1&$or[1][b][$gt]=2",
                json!({"$or": [{"a": "1"}, {"b": {"$gt": "2"}}]}),
            ),
        ];
        for (text, expected) in cases {
            let read = query(text).unwrap();
            assert_eq!(Value::Object(read.clone()), expected, "{text}");
            let keys = |value: &Value| value.to_string();
            assert_eq!(keys(&Value::Object(read)), keys(&expected), "{text}: order");
        }
    }

    proptest! {
        #[test]
        fn reads_whatever_query_comes_or_refuses_it(text in "[a-c$=&%+\\[\\]0-9A-F\u{0}-\u{2ff}]{0,60}") {
            if let Err(error) = query(&text) {
                prop_assert_eq!(error.kind().status(), 400);
            }
        }

        #[test]
        fn decodes_whatever_path_comes_or_refuses_it(segment in "[a-z%0-9A-F\u{0}-\u{2ff}]{0,40}") {
            if let Err(error) = decode(&segment) {
                prop_assert_eq!(error.kind().status(), 400);
            }
        }
    }
}
