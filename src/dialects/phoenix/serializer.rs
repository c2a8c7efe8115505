//! How messages are written: version 1, JSON objects; version 2, JSON arrays and binary frames. Arrays
//! are read on version 1, too.
//!
//! Source: docs/protocols/phoenix.md, "Frames".

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    binary,
    message::{Body, Incoming, Name, Payload, Ref},
};

/// A ref is echoed, and a join's is kept: longer ones are refused.
const MAX_REF: usize = 1_024;

/// Which frames a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// JSON objects.
    One,
    /// JSON arrays, and binary frames.
    Two,
}

/// The frame cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The payload cannot be written: bytes on version 1, or with names too long for a binary frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unwritable;

impl Version {
    /// The version that a client asked for: 1.0.x or 2.0.x.
    pub(super) fn negotiate(vsn: &str) -> Option<Self> {
        let mut parts = vsn.split('.');
        let (major, minor, patch) = (parts.next()?, parts.next()?, parts.next()?);
        let is_patch = !patch.is_empty()
            && patch.bytes().all(|byte| byte.is_ascii_digit())
            && (patch == "0" || !patch.starts_with('0'));
        match (major, minor, is_patch, parts.next()) {
            ("1", "0", true, None) => Some(Self::One),
            ("2", "0", true, None) => Some(Self::Two),
            _ => None,
        }
    }

    /// Reads a text frame.
    pub(super) fn read(self, text: &Utf8Bytes) -> Result<Incoming, Malformed> {
        let incoming = match self {
            // A struct would be read from any array; one of five elements is as good as an object.
            Self::One if text.trim_start().starts_with('{') => {
                serde_json::from_str::<Object<'_>>(text).map(|frame| {
                    let join_ref = frame.join_ref.map_or_else(Ref::null, Ref::json);
                    incoming(
                        text,
                        (join_ref, Ref::json(frame.reference)),
                        frame.topic,
                        frame.event,
                        frame.payload,
                    )
                })
            }
            Self::One | Self::Two => serde_json::from_str::<Array<'_>>(text).map(|Array(frame)| {
                let [join_ref, reference, topic, event, payload] = frame;
                incoming(
                    text,
                    (Ref::json(join_ref), Ref::json(reference)),
                    topic,
                    event,
                    payload,
                )
            }),
        };
        let incoming = incoming.map_err(|_| Malformed)?;
        let long = |reference: &Ref| reference.get().len() > MAX_REF;
        if long(&incoming.join_ref) || long(&incoming.reference) {
            return Err(Malformed);
        }
        Ok(incoming)
    }

    /// Reads a binary frame, which version 1 has none of.
    pub(super) fn read_binary(self, bytes: &Bytes) -> Result<Incoming, Malformed> {
        match self {
            Self::One => Err(Malformed),
            Self::Two => binary::read(bytes).ok_or(Malformed),
        }
    }

    /// A reply, or whatever else the server says to one connection.
    pub(super) fn write(self, outgoing: &Outgoing<'_>) -> Result<Message, Unwritable> {
        if let Payload::Binary(bytes) = outgoing.payload {
            return match self {
                Self::One => Err(Unwritable),
                Self::Two => binary::write(outgoing, bytes).map(Message::Binary),
            };
        }
        let json = match (self, outgoing.status) {
            (Self::One, None) => object(outgoing, outgoing.payload),
            (Self::One, Some(status)) => object(outgoing, &response(outgoing, status)),
            (Self::Two, None) => array(outgoing, outgoing.payload),
            (Self::Two, Some(status)) => array(outgoing, &response(outgoing, status)),
        };
        json.map(Message::text).map_err(|_| Unwritable)
    }
}

/// What the server says.
pub(super) struct Outgoing<'a> {
    /// The ref of the join that it belongs to; null for broadcasts.
    pub(super) join_ref: &'a Ref,
    /// The ref of the message that it answers; null for others.
    pub(super) reference: &'a Ref,
    /// The topic.
    pub(super) topic: &'a Name,
    /// The event: `phx_reply` for replies.
    pub(super) event: &'a str,
    /// A reply's status.
    pub(super) status: Option<&'a str>,
    /// What comes with it.
    pub(super) payload: &'a Payload,
}

/// A reply's payload around its response.
#[derive(Serialize)]
struct Response<'a> {
    response: &'a Payload,
    status: &'a str,
}

const fn response<'a>(outgoing: &Outgoing<'a>, status: &'a str) -> Response<'a> {
    Response {
        response: outgoing.payload,
        status,
    }
}

fn array(outgoing: &Outgoing<'_>, payload: &impl Serialize) -> serde_json::Result<String> {
    let Outgoing {
        join_ref,
        reference,
        topic,
        event,
        ..
    } = outgoing;
    serde_json::to_string(&(join_ref, reference, topic, event, payload))
}

fn object(outgoing: &Outgoing<'_>, payload: &impl Serialize) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Frame<'a, P> {
        event: &'a str,
        payload: &'a P,
        r#ref: &'a Ref,
        topic: &'a Name,
    }
    serde_json::to_string(&Frame {
        event: outgoing.event,
        payload,
        r#ref: outgoing.reference,
        topic: outgoing.topic,
    })
}

fn incoming(
    text: &Utf8Bytes,
    (join_ref, reference): (Ref, Ref),
    topic: &RawValue,
    event: &RawValue,
    payload: &RawValue,
) -> Incoming {
    // The payload stays where it is in the frame; nothing is copied.
    let bytes = Bytes::from(text.clone());
    Incoming {
        join_ref,
        reference,
        topic: name(topic),
        event: name(event),
        size: text.len(),
        body: Body::Json(bytes.slice_ref(payload.get().as_bytes())),
    }
}

fn name(raw: &RawValue) -> Name {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => Name::Text(text.into()),
        Err(_) => Name::Other(Ref::json(raw)),
    }
}

/// A version 1 frame from a client. All keys but `join_ref` have to be there.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    topic: &'a RawValue,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow, rename = "ref")]
    reference: &'a RawValue,
    #[serde(borrow, default)]
    join_ref: Option<&'a RawValue>,
}

/// A version 2 frame from a client: five elements; more are passed over.
struct Array<'a>([&'a RawValue; 5]);

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Five)
    }
}

struct Five;

impl<'de> Visitor<'de> for Five {
    type Value = Array<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[join_ref, ref, topic, event, payload]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Array<'de>, A::Error> {
        let mut next = |n| {
            let element = seq.next_element::<&RawValue>()?;
            element.ok_or_else(|| serde::de::Error::invalid_length(n, &self))
        };
        let frame = Array([next(0)?, next(1)?, next(2)?, next(3)?, next(4)?]);
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(frame)
    }
}
