//! The browser guard: no web page elsewhere reaches the daemon, on any transport.
//!
//! CORS does not cover WebSockets and does not stop simple requests; a foreign name that resolves to
//! loopback (DNS rebinding) passes every check of the browser. So `Host` and `Origin` are checked
//! before anything else happens.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Uri, header};

use super::feathers::ErrorResponse;
use crate::{App, config::Config, core::connection::Connection, error::Error};

/// Answers 403 to requests whose `Host` or `Origin` is foreign.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let local = request
        .extensions()
        .get::<Connection>()
        .map(|connection| connection.local().ip());
    match check(&app.config, request.headers(), request.uri(), local) {
        Ok(()) => next.run(request).await,
        Err(error) => ErrorResponse(error).into_response(),
    }
}

fn check(
    config: &Config,
    headers: &HeaderMap,
    uri: &Uri,
    local: Option<IpAddr>,
) -> Result<(), Error> {
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers
            .get(header::HOST)
            .map(|host| host.to_str().unwrap_or("\u{fffd}")),
    };
    let host = host.ok_or_else(|| Error::bad_request("The request names no Host"))?;
    if !host_is_ours(config, host, local) {
        return Err(Error::forbidden(
            "This Host is not served here; the daemon's ALLOWED_HOSTS names those that are",
        ));
    }
    let origins = headers.get_all(header::ORIGIN).iter();
    for origin in origins {
        if !origin
            .to_str()
            .is_ok_and(|origin| origin_is_ours(config, origin, host))
        {
            return Err(Error::forbidden(
                "Pages of this Origin may not use the daemon; CORS_ORIGINS names those that may",
            ));
        }
    }
    Ok(())
}

fn host_is_ours(config: &Config, host: &str, local: Option<IpAddr>) -> bool {
    let name = without_port(host);
    if name.is_empty() {
        return false;
    }
    is_loopback(name)
        || name.parse::<IpAddr>().is_ok_and(|ip| Some(ip) == local)
        || config
            .allowed_hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name) || allowed.eq_ignore_ascii_case(host))
}

fn origin_is_ours(config: &Config, origin: &str, host: &str) -> bool {
    if origin.is_empty() {
        return false;
    }
    if config
        .cors_origins
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    {
        return true;
    }
    let rest = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|authority| {
        !authority.contains(['/', '@', '?', '#'])
            && (is_loopback(without_port(authority)) || authority.eq_ignore_ascii_case(host))
    })
}

fn without_port(host: &str) -> &str {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed
            .split_once(']')
            .map_or(bracketed, |(name, _)| name);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn is_loopback(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Cli;

    fn verdict(host: &str, origin: Option<&str>) -> bool {
        let config = Cli::parse_from([
            "roost",
            "--allowed-hosts",
            "roost.example,",
            "--cors-origins",
            "",
        ])
        .config;
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(
            &config,
            &headers,
            &Uri::from_static("/"),
            Some([10, 0, 0, 7].into()),
        )
        .is_ok()
    }

    #[test]
    fn lets_in_loopback_the_bound_address_and_named_hosts() {
        for host in [
            "localhost",
            "localhost:3030",
            "127.0.0.1:3030",
            "127.1.2.3",
            "[::1]:3030",
            "10.0.0.7:1",
            "roost.example",
        ] {
            assert!(verdict(host, None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.8",
            "127.0.0.1.evil.example:3030",
            "",
            "[",
        ] {
            assert!(!verdict(host, None), "{host}");
        }
    }

    #[test]
    fn lets_in_pages_of_loopback_of_itself_and_of_named_origins() {
        for origin in [
            "http://localhost:5173",
            "http://localhost:8080",
            "http://127.0.0.1:1",
            "http://[::1]:9",
            "https://roost.example",
        ] {
            assert!(verdict("roost.example", Some(origin)), "{origin}");
        }
        let foreign = [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://evil@localhost",
            "file://localhost",
            "localhost",
            "http://localhost/evil",
            "",
        ];
        for origin in foreign {
            assert!(!verdict("roost.example", Some(origin)), "{origin}");
        }
    }
}
