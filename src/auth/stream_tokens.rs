//! Tokens for watching streams: JSON Web Tokens as Hive's guide makes them with `PyJWT`, signed with HS256:
//! `{user_id, streams, exp}`, and no audience.
//!
//! Source: docs/protocols/hive.md, "Authentication". No access token passes for one of these, nor one of these
//! for an access token: those say in their header that they are (`typ: access`), and have an audience.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::tokens;
use crate::{
    core::clock::Timestamp,
    error::{Error, Result},
};

/// What somebody is told whose token has ended.
pub const EXPIRED: &str = "Token expired";

/// What somebody is told whose token is not good.
pub const INVALID: &str = "Invalid token";

/// Stands for every stream.
pub const ANY: &str = "*";

/// What a token says. Times are in seconds; `PyJWT` may write them with fractions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamClaims {
    /// Who watches: a user's id.
    pub user_id: String,
    /// What they may watch; [`ANY`] for everything.
    pub streams: Vec<String>,
    /// When it ends; never, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<f64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<f64>,
    /// Before when it is not good.
    #[serde(default, skip_serializing)]
    pub nbf: Option<f64>,
}

/// Makes and reads such tokens.
pub struct StreamTokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl StreamTokens {
    /// Tokens signed with a secret.
    pub fn new(secret: &str) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
        }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign(&self, claims: &StreamClaims) -> Result<String> {
        let failed = |error| Error::general("The token cannot be signed").caused_by(error);
        encode(&Header::new(Algorithm::HS256), claims, &self.encoding).map_err(failed)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `NotAuthenticated`, with [`EXPIRED`] or [`INVALID`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<StreamClaims> {
        let mut validation = Validation::new(Algorithm::HS256);
        // The daemon's own clock says what is over; a token with an audience is refused.
        validation.validate_exp = false;
        validation.set_required_spec_claims::<&str>(&[]);
        let invalid = || Error::not_authenticated(INVALID);
        let read = decode::<StreamClaims>(token, &self.decoding, &validation);
        let read = read.map_err(|_| invalid())?;
        if read.header.typ.as_deref() == Some(tokens::TYPE) {
            return Err(invalid());
        }
        let (claims, now) = (read.claims, seconds(now));
        if claims.exp.is_some_and(|end| end <= now) {
            return Err(Error::not_authenticated(EXPIRED));
        }
        let later = |time: Option<f64>| time.is_some_and(|time| time > now);
        if later(claims.nbf) || later(claims.iat) {
            return Err(invalid());
        }
        Ok(claims)
    }
}

/// A moment as tokens write it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a date is far from 2^53 milliseconds"
)]
fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1_000.0
}

/// The moment that a token means; `None` if it is beyond all calendars.
#[expect(
    clippy::cast_possible_truncation,
    reason = "too large a number becomes the largest"
)]
pub fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_millis((seconds * 1_000.0) as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::{tokens::Tokens, *};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000).unwrap()
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn verdict(token: &str) -> String {
        let read = StreamTokens::new(SECRET).verify(token, at(100));
        read.map_or_else(|error| error.message().to_owned(), |claims| claims.user_id)
    }

    #[test]
    fn reads_what_it_signed_and_what_others_sign() {
        let tokens = StreamTokens::new(SECRET);
        let claims = StreamClaims {
            user_id: "ann".to_owned(),
            streams: vec![ANY.to_owned()],
            exp: Some(200.0),
            iat: Some(100.0),
            nbf: None,
        };
        let token = tokens.sign(&claims).unwrap();
        assert_eq!(tokens.verify(&token, at(199)).unwrap(), claims);
        assert_eq!(
            tokens.verify(&token, at(200)).unwrap_err().message(),
            EXPIRED
        );
        for claims in [
            json!({"user_id": "ann", "streams": [], "exp": 100.5}),
            json!({"user_id": "ann", "streams": ["a", "b"], "more": 1}),
        ] {
            assert_eq!(verdict(&signed(Algorithm::HS256, SECRET, &claims)), "ann");
        }
    }

    #[test]
    fn refuses_what_is_not_good() {
        let good = json!({"user_id": "ann", "streams": ["*"], "exp": 200});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            signed(Algorithm::HS256, SECRET, &claims)
        };
        let without = |name: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            signed(Algorithm::HS256, SECRET, &claims)
        };
        let none =
            "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ1c2VyX2lkIjoiYW5uIiwic3RyZWFtcyI6WyIqIl19.";
        for token in [
            String::new(),
            "rubbish".to_owned(),
            none.to_owned(),
            signed(Algorithm::HS512, SECRET, &good),
            signed(
                Algorithm::HS256,
                "another-secret-of-thirty-two-chars",
                &good,
            ),
            without("user_id"),
            without("streams"),
            with("user_id", json!(7)),
            with("streams", json!("*")),
            with("exp", json!("200")),
            with("aud", json!("roost")),
            with("nbf", json!(101)),
            with("iat", json!(101)),
        ] {
            assert_eq!(verdict(&token), INVALID, "{token}");
        }
        assert_eq!(verdict(&with("exp", json!(100))), EXPIRED);
    }

    #[test]
    fn neither_kind_of_token_passes_for_the_other() {
        let access = Tokens::new(SECRET, "roost", "roost", 60);
        let token = access
            .sign(&access.claims("ann", at(100), Uuid::nil()))
            .unwrap();
        assert_eq!(verdict(&token), INVALID);
        // Even one that says all that the other does.
        let both = json!({
            "user_id": "ann", "streams": ["*"], "exp": 200, "iat": 100, "aud": "roost", "iss": "roost",
            "sub": "ann", "jti": "1",
        });
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(tokens::TYPE.to_owned());
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        assert_eq!(verdict(&encode(&header, &both, &key).unwrap()), INVALID);
        let plain = signed(Algorithm::HS256, SECRET, &both);
        assert!(access.verify(&plain, at(100)).is_err());
        assert_eq!(verdict(&plain), INVALID);
    }
}
