//! Signatures of what webhooks are told: HMAC-SHA256 with a key of each webhook's own.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// Makes webhooks' keys from one secret, so that none of them needs to be stored.
#[derive(Clone)]
pub struct Signer(SecretString);

impl Signer {
    /// With the daemon's secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The key of a webhook, as its owner is told it: the same for ever, as long as the secret is.
    pub fn key(&self, webhook: &str) -> String {
        sign(
            self.0.expose_secret(),
            format!("webhook:{webhook}").as_bytes(),
        )
    }
}

/// The signature of a body with a key, in base64; the key is used as it is written.
pub fn sign(key: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_others_do() {
        // RFC 4231, test case 2.
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
        );
    }

    #[test]
    fn each_webhook_has_a_key_of_its_own() {
        let signer = Signer::new("0123456789abcdef0123456789abcdef");
        assert_eq!(signer.key("a"), signer.key("a"));
        assert_ne!(signer.key("a"), signer.key("b"));
        assert_ne!(signer.key("a"), Signer::new("another").key("a"));
    }
}
