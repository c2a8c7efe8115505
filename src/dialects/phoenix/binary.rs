//! Version 2's binary frames: a kind, a byte for each part's length, the parts, the data.
//!
//! ```text
//! client's push    00 | join_ref ref topic event
//! server's push    00 | join_ref topic event
//! server's reply   01 | join_ref ref topic status
//! broadcast        02 | topic event
//! ```

use bytes::Bytes;

use super::{
    message::{Body, Incoming, Name, Ref},
    serializer::{Outgoing, Unwritable},
};

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

/// Reads a client's push.
pub(super) fn read(bytes: &Bytes) -> Option<Incoming> {
    let (&[kind, join_ref, reference, topic, event], mut rest) = bytes.split_first_chunk::<5>()?;
    let mut part = |length: u8| {
        let (part, after) = rest.split_at_checked(length.into())?;
        rest = after;
        std::str::from_utf8(part).ok()
    };
    let (join_ref, reference) = (part(join_ref)?, part(reference)?);
    let (topic, event) = (part(topic)?, part(event)?);
    (kind == PUSH).then(|| Incoming {
        join_ref: Ref::text(join_ref),
        reference: Ref::text(reference),
        topic: Name::Text(topic.into()),
        event: Name::Text(event.into()),
        body: Body::Binary(bytes.slice_ref(rest)),
        size: bytes.len(),
    })
}

/// Writes what the server says.
pub(super) fn write(outgoing: &Outgoing<'_>, data: &[u8]) -> Result<Bytes, Unwritable> {
    let topic = outgoing.topic.text().ok_or(Unwritable)?;
    let (join_ref, reference) = (outgoing.join_ref.bytes(), outgoing.reference.bytes());
    match outgoing.status {
        Some(status) => frame(REPLY, &[&join_ref, &reference, topic, status], data),
        None if outgoing.join_ref.is_null() => frame(BROADCAST, &[topic, outgoing.event], data),
        None => frame(PUSH, &[&join_ref, topic, outgoing.event], data),
    }
}

fn frame(kind: u8, parts: &[&str], data: &[u8]) -> Result<Bytes, Unwritable> {
    let lengths = parts.iter().map(|part| u8::try_from(part.len()));
    let mut bytes = vec![kind];
    for length in lengths {
        bytes.push(length.map_err(|_| Unwritable)?);
    }
    for part in parts {
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(data);
    Ok(bytes.into())
}
