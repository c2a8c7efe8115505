//! Passwords, tokens and keys: pure. Who they belong to is looked up by services.

pub mod keys;
pub mod passwords;
pub mod secret;
pub mod signatures;
pub mod stream_tokens;
pub mod tokens;
