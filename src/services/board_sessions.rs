//! `boards/:id/sessions`: puts a session on a board.

use serde_json::Value;

use super::{Service, boards, records::Records, values::text};
use crate::{
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
    },
    error::{Error, Result},
    store::{Store, lane::Work},
};

/// Answers `create {sessionId}` with the board; one that holds the session already stays as it is.
pub struct BoardSessions {
    /// The boards.
    pub boards: Records,
    /// The sessions.
    pub sessions: Records,
}

impl Service for BoardSessions {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        let (boards, sessions) = (self.boards.clone(), self.sessions.clone());
        let board = call.parameter("id").to_owned();
        let by = call.caller.identity.clone();
        let session = call.data.get("sessionId").and_then(Value::as_str);
        let session = session.map(str::to_owned);
        Box::pin(async move {
            let session = session.ok_or_else(|| Error::bad_request("sessionId required"))?;
            let unit = async move |work: &mut Work<'_>| {
                work.by = by;
                let board = boards.read(work.tx, &board, &work.by).await?;
                let session = sessions.read(work.tx, &session, &work.by).await?;
                let (Some(id), Some(session)) =
                    (text(&board, "board_id"), session.get("session_id"))
                else {
                    return Err(Error::general("A record has no id"));
                };
                let held = board.get("sessions").and_then(Value::as_array);
                if held.is_some_and(|held| held.contains(session)) {
                    return Ok(Value::Object(board));
                }
                let session = session.as_str().unwrap_or_default();
                let draft = boards::add_session(id, session, work).await?;
                work.publish(draft);
                boards.read(work.tx, id, &work.by).await.map(Value::Object)
            };
            store.write(&call.turn, unit).await.map(Answer::from)
        })
    }
}
