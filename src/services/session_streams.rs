//! `session-streams`: a connection asks for the deltas of one session, the words of its agent as they
//! come. With STREAMS=everybody it is told them anyway, unless it listens to its boards only.

use serde_json::{Value, json};

use super::{Service, records::Records, values::text};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Kind, Result},
    store::Store,
};

/// Answers `create {session_id}` and `remove <session id>` with `{session_id}`.
pub struct SessionStreams(pub Records);

impl Service for SessionStreams {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create, Method::Remove]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            call.turn.pass();
            let connection = call.caller.connection.as_ref();
            let connection = connection.ok_or_else(|| {
                Error::bad_request("A session is followed over a socket, such as Socket.IO's")
            })?;
            let given = call.id.as_ref().or_else(|| call.data.get("session_id"));
            let id = given.and_then(Value::as_str);
            let id = id.ok_or_else(|| Error::bad_request("session_id is required"))?;
            let viewer = connection.viewer();
            if call.method == Method::Remove && viewer.unfollow(id) {
                return Ok(json!({"session_id": id}).into());
            }
            let by = &call.caller.identity;
            let session = self.0.read(&mut store.reader(), id, by).await?;
            let id = text(&session, "session_id").unwrap_or(id);
            if call.method == Method::Remove {
                let missing = || Error::not_found(format!("No record found for id '{id}'"));
                viewer.unfollow(id).then_some(()).ok_or_else(missing)?;
                return Ok(json!({"session_id": id}).into());
            }
            if !viewer.follow(id) {
                let text = "This connection follows too many sessions, or hears nothing";
                return Err(Error::new(Kind::Conflict, text));
            }
            Ok(json!({"session_id": id}).into())
        })
    }
}
