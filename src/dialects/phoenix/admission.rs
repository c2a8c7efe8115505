//! Who is let in, on every transport: the version, the `authToken`, the program's decision.

use std::net::SocketAddr;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;

use super::{
    crash::{Crashed, caught_later},
    endpoint::Mount,
    params,
    serializer::Version,
    socket::{Attempt, Refused, Socket},
};
use crate::core::Record;

/// The subprotocol that a server which takes tokens answers with.
pub(super) const SUBPROTOCOL: &str = "phoenix";

/// What comes before the token in its subprotocol.
const TOKEN: &str = "base64url.bearer.phx.";

/// What a client that names no version speaks.
const FIRST_VERSION: &str = "1.0.0";

/// Somebody who was let in.
pub(super) struct Admitted {
    pub(super) version: Version,
    pub(super) socket: Box<dyn Socket>,
    /// The socket's id.
    pub(super) id: Option<String>,
}

/// Decides on a request with this query; the status if it is refused.
pub(super) async fn admit(
    mount: &Mount,
    query: &str,
    headers: HeaderMap,
    auth_token: Option<SecretString>,
    peer: Option<SocketAddr>,
) -> Result<Admitted, StatusCode> {
    let params = params::parse(query);
    let version = version(&params).ok_or(StatusCode::FORBIDDEN)?;
    let attempt = Attempt {
        params,
        headers,
        auth_token,
        peer,
    };
    let decision = caught_later(async {
        let socket = mount.connect.connect(&attempt).await?;
        Ok(Admitted {
            version,
            id: socket.id(),
            socket,
        })
    });
    match decision.await {
        Ok(decided) => decided.map_err(|Refused(status)| status),
        Err(Crashed) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn version(params: &Record) -> Option<Version> {
    let vsn = match params.get("vsn") {
        None => FIRST_VERSION,
        Some(Value::String(vsn)) => vsn,
        Some(_) => return None,
    };
    Version::negotiate(vsn)
}

/// The token among the subprotocols that a client offers.
///
/// # Errors
/// 403 if it cannot be read, or if other subprotocols are offered only.
pub(super) fn offered_token(headers: &HeaderMap) -> Result<Option<SecretString>, StatusCode> {
    let offered: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("\u{fffd}").split(','))
        .map(str::trim)
        .collect();
    match offered.iter().find_map(|offer| offer.strip_prefix(TOKEN)) {
        Some(token) => decode(token).map(Some).ok_or(StatusCode::FORBIDDEN),
        None if offered.is_empty() || offered.contains(&SUBPROTOCOL) => Ok(None),
        None => Err(StatusCode::FORBIDDEN),
    }
}

/// Clients use the standard alphabet without padding, and the name says the other one: both will do.
fn decode(token: &str) -> Option<SecretString> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engines = [&STANDARD, &URL_SAFE].map(|alphabet| GeneralPurpose::new(alphabet, LENIENT));
    let bytes = engines
        .iter()
        .find_map(|engine| engine.decode(token).ok())?;
    String::from_utf8(bytes).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn offer(protocols: &'static str) -> Result<Option<String>, StatusCode> {
        let mut headers = HeaderMap::new();
        if !protocols.is_empty() {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocols.parse().unwrap());
        }
        offered_token(&headers).map(|token| token.map(|token| token.expose_secret().to_owned()))
    }

    #[test]
    fn reads_tokens_in_both_alphabets() {
        assert_eq!(offer(""), Ok(None));
        assert_eq!(offer("phoenix"), Ok(None));
        let both = [
            "phoenix, base64url.bearer.phx.fn5+Pz8/",
            "phoenix,base64url.bearer.phx.fn5-Pz8_",
        ];
        for protocols in both {
            assert_eq!(
                offer(protocols),
                Ok(Some("~~~???".to_owned())),
                "{protocols}"
            );
        }
        for bad in [
            "foo",
            "phoenix, base64url.bearer.phx.!!!!",
            "base64url.bearer.phx._w",
        ] {
            assert_eq!(offer(bad), Err(StatusCode::FORBIDDEN), "{bad}");
        }
    }
}
