//! API keys and refresh tokens: random texts of which only a digest is kept.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::core::login::Credential;

/// What an API key starts with.
pub const API_KEY: &str = "ap_";

/// What a refresh token starts with.
pub const REFRESH_TOKEN: &str = "rt_";

/// A new text that nobody guesses: the prefix and 256 random bits.
pub fn random(prefix: &str) -> String {
    // Two random UUIDs hold 244 random bits, from the system's generator.
    let bits = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(uuid::Uuid::into_bytes);
    format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bits.concat()))
}

/// What is kept of such a text: its SHA-256, in hexadecimal. The text has enough randomness that
/// nothing slower is needed.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What somebody shows: an API key or an access token, told apart by how they start.
pub fn credential(text: &str) -> Credential {
    if text.starts_with(API_KEY) {
        Credential::Key(text.to_owned())
    } else {
        Credential::Token(text.to_owned())
    }
}

/// The start of a key, by which people tell theirs apart.
pub fn hint(key: &str) -> String {
    key.chars().take(API_KEY.len() + 6).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_their_digests_tell_nothing() {
        let (one, other) = (random(API_KEY), random(API_KEY));
        assert_ne!(one, other);
        assert_eq!(one.len(), 46, "{one}");
        assert_eq!(
            digest("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(!digest(&one).contains(&one[3..]));
    }
}
