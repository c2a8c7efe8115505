//! Services over REST: verbs are methods, paths are services, query strings are queries.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method as Verb, StatusCode, header, request::Parts,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{
    super::{
        body, query_string,
        visitor::{self, Visitor},
    },
    attachments,
};
use crate::{
    App,
    core::{
        Record,
        call::{Answer, Call, Caller, Method},
    },
    error::{Error, Result},
    services::registry::Entry,
};

/// An error as REST answers it.
pub(in crate::dialects) struct ErrorResponse(pub(in crate::dialects) Error);

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind().status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.0.data().and_then(|data| data["retryAfter"].as_u64());
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = json_response(status, body);
        if let Some(seconds) = retry_after {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Answers every request that no other dialect takes.
pub(in crate::dialects) async fn rest(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match answer(&app, &parts, body).await {
        Ok(response) => response,
        Err(error) => ErrorResponse(error).into_response(),
    }
}

async fn answer(app: &Arc<App>, parts: &Parts, body: Body) -> Result<Response> {
    let (entry, route, id) = find(app, parts.uri.path())?;
    let method = method(parts, id.is_some())?;
    if !entry.allows(&method) {
        return Err(Error::method_not_allowed(format!(
            "Method `{method}` is not supported by this endpoint."
        )));
    }
    let visitor = Visitor::of(app, parts).await?;
    let caller = Caller {
        identity: visitor.identity,
        provider: Some("rest"),
        headers: Arc::new(headers(&parts.headers)),
        connection: None,
        login: visitor.login,
        address: visitor.address,
    };
    let mut call = Call::new(entry.path, method.clone(), caller);
    call.route = route;
    call.query = query_string::parse(parts.uri.query().unwrap_or_default())?;
    call.query.shift_remove(visitor::PARAMETER);
    call.id = id.filter(|_| !matches!(method, Method::Create | Method::Custom(_)));
    if matches!(parts.method, Verb::POST | Verb::PUT | Verb::PATCH) {
        let body = body::read(body, app).await?;
        call.data = data(&parts.headers, &body)?;
    }
    let answer = app.services.run(entry, call, &app.store).await?;
    Ok(respond(&method, answer))
}

/// The service of a path, its route parameters, and the id behind it.
fn find<'a>(app: &'a App, path: &str) -> Result<(&'a Entry, Record, Option<Value>)> {
    let missing = || Error::not_found(format!("Path {path} not found"));
    let segments: Vec<_> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(decode)
        .collect::<Result<_>>()?;
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    if let Some((entry, route)) = app.services.find(&segments) {
        return Ok((entry, route, None));
    }
    let (id, service) = segments.split_last().ok_or_else(missing)?;
    let (entry, route) = app.services.find(service).ok_or_else(missing)?;
    Ok((entry, route, Some(Value::String((*id).to_owned()))))
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
        .filter(|name| parts.method == Verb::POST && !name.is_empty());
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

fn data(headers: &HeaderMap, body: &[u8]) -> Result<Value> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let is_form = kind.starts_with("application/x-www-form-urlencoded");
    if body.is_empty() {
        // Nothing, or an object with nothing in it.
        let is_object = is_form || kind.starts_with("application/json");
        return Ok(if is_object { json!({}) } else { Value::Null });
    }
    let text =
        || std::str::from_utf8(body).map_err(|_| Error::bad_request("The body is not UTF-8"));
    if is_form {
        return query_string::parse(text()?).map(Value::Object);
    }
    if kind.starts_with("text/") {
        return text().map(Value::from);
    }
    serde_json::from_slice(body)
        .map_err(|error| Error::bad_request(format!("The body is no JSON: {error}")))
}

/// Status and body as Feathers chooses them: a location, then nothing, then what was created.
fn respond(method: &Method, answer: Answer) -> Response {
    let location = answer
        .location
        .as_deref()
        .and_then(|location| HeaderValue::from_str(location).ok());
    let status = match method {
        _ if location.is_some() => StatusCode::SEE_OTHER,
        _ if is_falsy(&answer.data) => return StatusCode::NO_CONTENT.into_response(),
        Method::Create => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    let mut response = json_response(
        status,
        attachments::as_json(answer).to_string().into_bytes(),
    );
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
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
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decodes_whatever_path_comes_or_refuses_it(segment in "[a-z%0-9A-F\u{0}-\u{2ff}]{0,40}") {
            if let Err(error) = decode(&segment) {
                prop_assert_eq!(error.kind().status(), 400);
            }
        }
    }
}
