//! What the protocol itself says: replies, refusals, the ends of channels.

use serde_json::json;

use super::{
    message::{Name, Payload, Ref},
    outbox::Outbox,
    serializer::{Outgoing, Unwritable},
};

/// `{"reason": …}`.
pub(in crate::dialects) fn reason(reason: &str) -> Payload {
    json!({"reason": reason}).into()
}

/// Answers a message.
pub(super) fn reply(
    outbox: &Outbox,
    refs: (&Ref, &Ref),
    topic: &Name,
    status: &str,
    payload: &Payload,
) -> Result<(), Unwritable> {
    outbox.say(&Outgoing {
        join_ref: refs.0,
        reference: refs.1,
        topic,
        event: "phx_reply",
        status: Some(status),
        payload,
    })
}

/// Refuses a join.
pub(super) fn refuse(outbox: &Outbox, refs: (&Ref, &Ref), topic: &Name, why: &str) {
    // JSON can always be written.
    drop(reply(outbox, refs, topic, "error", &reason(why)));
}

/// Answers a message to a topic that is not joined.
pub(super) fn unmatched(outbox: &Outbox, reference: &Ref, topic: &Name) {
    refuse(outbox, (&Ref::null(), reference), topic, "unmatched topic");
}

/// Answers with `ok` and nothing else.
pub(super) fn ok(outbox: &Outbox, refs: (&Ref, &Ref), topic: &Name) {
    drop(reply(outbox, refs, topic, "ok", &Payload::empty()));
}

/// Says that a channel has ended: `phx_close` or `phx_error`.
pub(super) fn end(outbox: &Outbox, join_ref: &Ref, topic: &Name, event: &str) {
    let outgoing = Outgoing {
        join_ref,
        reference: join_ref,
        topic,
        event,
        status: None,
        payload: &Payload::empty(),
    };
    drop(outbox.say(&outgoing));
}
