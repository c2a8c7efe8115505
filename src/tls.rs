//! Encryption for HTTP clients: it is chosen once a process, before the first of them is made.

/// Chooses, unless somebody has.
pub fn prepare() {
    drop(rustls::crypto::ring::default_provider().install_default());
}
