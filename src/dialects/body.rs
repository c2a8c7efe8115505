//! The body of a request, as a whole.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use tokio::time::timeout;

use crate::{
    App,
    error::{Error, Kind, Result},
};

/// Time that a body has to arrive.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Reads a body.
///
/// # Errors
/// `PayloadTooLarge` for more than `MAX_MESSAGE` bytes, `Timeout` for what does not come.
pub(super) async fn read(body: Body, app: &App) -> Result<Bytes> {
    let limit = app.config.max_message as usize;
    let slow = |_| Error::new(Kind::Timeout, "The body did not come in time");
    let too_large = |_| Error::payload_too_large(format!("The body is larger than {limit} bytes"));
    timeout(TIMEOUT, to_bytes(body, limit))
        .await
        .map_err(slow)?
        .map_err(too_large)
}
