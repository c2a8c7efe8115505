//! As much of WebSocket as a client needs that costs next to nothing; no library is this cheap.
//!
//! Source: RFC 6455, section 5.2. A server's frames are not masked; a client's are, here with zeroes,
//! which leave the bytes as they are and cost the server what any mask costs.

use std::net::SocketAddr;

use crate::Result;

/// Engine.IO's ping, and its answer.
pub(crate) const PING: &[u8] = b"2";
pub(crate) const PONG: &[u8] = &[TEXT, 0x81, 0, 0, 0, 0, b'3'];

/// How Socket.IO's answer to [`connect`] begins.
pub(crate) const CONNECTED: &[u8] = b"40";

/// The first byte of a whole text frame.
const TEXT: u8 = 0x81;

/// The request for a WebSocket, without polling first.
pub(crate) fn upgrade(address: SocketAddr) -> String {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The length of the answer to [`upgrade`], once it is there.
///
/// # Errors
/// If the server refused.
pub(crate) fn upgraded(answer: &[u8]) -> Result<Option<usize>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|bytes| bytes == END);
    if end.is_some() && !answer.starts_with(b"HTTP/1.1 101") {
        return Err(format!("no upgrade: {}", String::from_utf8_lossy(answer)).into());
    }
    Ok(end.map(|end| end + END.len()))
}

/// Socket.IO's request for the default namespace, with what the client says of itself, as JSON, or
/// nothing.
///
/// # Errors
/// If that is longer than a bench needs.
pub(crate) fn connect(auth: &str) -> Result<Vec<u8>> {
    frame(&format!("40{auth}"))
}

/// As [`connect`], for a namespace.
///
/// # Errors
/// If its name is longer than a bench needs.
pub(crate) fn join(namespace: &str) -> Result<Vec<u8>> {
    frame(&format!("40{namespace},"))
}

/// A text in a client's frame.
///
/// # Errors
/// If it is longer than a bench needs.
pub(crate) fn frame(text: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(text.len())?.to_be_bytes();
    let mut frame = match length {
        [0, length @ ..=125] => vec![TEXT, 0x80 | length],
        [high, low] => vec![TEXT, 0x80 | 126, high, low],
    };
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    Ok(frame)
}

/// Where a server's frame's text starts and how long it is, once its header is complete.
///
/// # Errors
/// If the frame is no text.
pub(crate) fn text(frame: &[u8]) -> Result<Option<(usize, usize)>> {
    if frame.first().is_some_and(|first| *first != TEXT) {
        return Err("a frame that is no text: the connection ends".into());
    }
    Ok(match frame {
        [_, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([*high, *low])))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            Some((10, usize::try_from(length).unwrap_or(usize::MAX)))
        }
        [_, length @ ..=125, ..] => Some((2, usize::from(*length))),
        _ => None,
    })
}
