//! Access tokens: JSON Web Tokens as Feathers makes them, signed with HS256.
//!
//! Source: docs/protocols/feathers.md, "Authentication"; the texts of refusals are those that
//! JavaScript clients know from `jsonwebtoken`.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    core::clock::Timestamp,
    error::{Error, Result},
};

/// The kind that access tokens name in their header, so that no other token passes for one.
pub(super) const TYPE: &str = "access";

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// When it was made, in seconds.
    pub iat: i64,
    /// When it ends, in seconds.
    pub exp: i64,
    /// For whom it was made.
    pub aud: String,
    /// Who made it.
    pub iss: String,
    /// Whose it is: a user's id.
    pub sub: String,
    /// Its own id.
    pub jti: String,
}

/// Makes and reads tokens.
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    audience: String,
    issuer: String,
    lifetime_secs: i64,
}

impl Tokens {
    /// Tokens signed with a secret, for an audience, that live so many seconds.
    pub fn new(secret: &str, audience: &str, issuer: &str, lifetime_secs: i64) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            audience: audience.to_owned(),
            issuer: issuer.to_owned(),
            lifetime_secs,
        }
    }

    /// What a token for somebody would say.
    pub fn claims(&self, subject: &str, now: Timestamp, id: Uuid) -> Claims {
        let iat = now.seconds();
        Claims {
            iat,
            exp: iat.saturating_add(self.lifetime_secs),
            aud: self.audience.clone(),
            iss: self.issuer.clone(),
            sub: subject.to_owned(),
            jti: id.to_string(),
        }
    }

    /// Signs a token.
    ///
    /// # Errors
    /// If it cannot be signed.
    pub fn sign(&self, claims: &Claims) -> Result<String> {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let failed = |error| Error::general("The token cannot be signed").caused_by(error);
        encode(&header, claims, &self.encoding).map_err(failed)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `NotAuthenticated` in the words that clients know; `data` names the kind of failure.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        // The daemon's own clock says what is over.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        let read = decode::<Claims>(token, &self.decoding, &validation);
        let read = read.map_err(|error| self.refusal(error.kind()))?;
        if read.header.typ.as_deref() != Some(TYPE) {
            return Err(refused("invalid token"));
        }
        let claims = read.claims;
        if claims.exp <= now.seconds() {
            return Err(expired(claims.exp));
        }
        Ok(claims)
    }

    fn refusal(&self, kind: &ErrorKind) -> Error {
        match kind {
            ErrorKind::InvalidToken => refused("jwt malformed"),
            ErrorKind::InvalidSignature => refused("invalid signature"),
            ErrorKind::InvalidAudience => {
                refused(format!("jwt audience invalid. expected: {}", self.audience))
            }
            ErrorKind::InvalidIssuer => {
                refused(format!("jwt issuer invalid. expected: {}", self.issuer))
            }
            ErrorKind::InvalidAlgorithm => refused("invalid algorithm"),
            _ => refused("invalid token"),
        }
    }
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::not_authenticated(message).with_data(json!({"name": "JsonWebTokenError"}))
}

fn expired(at: i64) -> Error {
    let at = Timestamp::from_millis(at.saturating_mul(1_000));
    let at = at.map(|at| at.to_string());
    Error::not_authenticated("jwt expired")
        .with_data(json!({"name": "TokenExpiredError", "expiredAt": at}))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens(secret: &str, audience: &str) -> Tokens {
        Tokens::new(secret, audience, "roost", 60)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000).unwrap()
    }

    fn text(outcome: &Result<Claims>) -> String {
        outcome.as_ref().map_or_else(
            |error| serde_json::to_string(error).unwrap(),
            |claims| claims.sub.clone(),
        )
    }

    #[test]
    fn a_token_is_good_until_it_ends() {
        let tokens = tokens(SECRET, "a");
        let claims = tokens.claims("ann", at(100), Uuid::nil());
        let token = tokens.sign(&claims).unwrap();
        assert_eq!(tokens.verify(&token, at(159)).unwrap(), claims);
        assert_eq!(
            text(&tokens.verify(&token, at(160))),
            r#"{"name":"NotAuthenticated","message":"jwt expired","code":401,"className":"not-authenticated","data":{"name":"TokenExpiredError","expiredAt":"1970-01-01T00:02:40.000Z"}}"#
        );
    }

    #[test]
    fn refuses_what_it_did_not_sign() {
        let own = tokens(SECRET, "a");
        let claims = own.claims("ann", at(100), Uuid::nil());
        let other_secret = tokens("another-secret-of-thirty-two-chars", "a");
        let other_audience = tokens(SECRET, "b");
        let none =
            "eyJhbGciOiJub25lIiwidHlwIjoiYWNjZXNzIn0.eyJzdWIiOiJhbm4iLCJleHAiOjk5OTk5OTk5OTl9.";
        let plain = encode(&Header::new(Algorithm::HS256), &claims, &own.encoding).unwrap();
        let cases = [
            (other_secret.sign(&claims).unwrap(), "invalid signature"),
            (
                other_audience
                    .sign(&other_audience.claims("ann", at(100), Uuid::nil()))
                    .unwrap(),
                "jwt audience invalid. expected: a",
            ),
            (none.to_owned(), "invalid"),
            ("rubbish".to_owned(), "jwt malformed"),
            ("a.b.c".to_owned(), "invalid token"),
            (String::new(), "jwt malformed"),
            (plain, "invalid token"),
        ];
        for (token, words) in cases {
            let refusal = text(&own.verify(&token, at(100)));
            assert!(
                refusal.contains(words) && refusal.contains("JsonWebTokenError"),
                "{token}: {refusal}"
            );
        }
    }
}
