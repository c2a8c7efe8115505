//! Cursors on boards: raw events, as Agor's user interface sends them.
//!
//! Source: docs/protocols/feathers.md, "Cursors". A cursor that is on its board already moves where
//! frames are read. Whatever takes longer, or wants an answer, waits among the socket's calls.

use serde::Deserialize;
use serde_json::Number;

use super::login::SocketLogin;
use crate::{
    App,
    error::{Error, Result},
    services::presence::{self, FAR},
};

const MOVE: &str = "cursor-move";
const LEAVE: &str = "cursor-leave";

/// The last millisecond that JavaScript's `Date` knows.
const LAST: f64 = 8.64e15;

/// What a client does with its cursor.
pub(super) enum Gesture {
    Move(Move),
    Leave(Leave),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Move {
    board_id: String,
    x: Number,
    y: Number,
    timestamp: Option<Number>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leave {
    board_id: String,
}

impl Move {
    fn timestamp(&self, login: &SocketLogin) -> Number {
        let now = || Number::from(login.now());
        self.timestamp.clone().unwrap_or_else(now)
    }
}

impl Gesture {
    /// Whether an event's JSON is one.
    pub(super) fn is(text: &str) -> bool {
        [MOVE, LEAVE].iter().any(|name| {
            let rest = text.strip_prefix("[\"");
            rest.and_then(|rest| rest.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with('"'))
        })
    }

    /// Does at once what needs neither the database nor an answer; whether nothing is left to do.
    pub(super) fn is_done(text: &str, login: &SocketLogin) -> bool {
        match Self::read(text) {
            // Nobody is told what is wrong.
            Err(_) => true,
            Ok(_) if !login.hears() => true,
            Ok(Self::Move(to)) => {
                let at = to.timestamp(login);
                login.move_cursor(&to.board_id, &to.x, &to.y, &at)
            }
            Ok(Self::Leave(from)) => login.take_cursor(&from.board_id),
        }
    }

    /// Reads an event's JSON.
    ///
    /// # Errors
    /// `BadRequest` that says what would be right.
    pub(super) fn read(text: &str) -> Result<Self> {
        let leaves = text.get(2..).is_some_and(|rest| rest.starts_with(LEAVE));
        let gesture = if leaves {
            let read = serde_json::from_str::<(String, Leave)>(text);
            read.map(|(_, leave)| Self::Leave(leave)).ok()
        } else {
            let read = serde_json::from_str::<(String, Move)>(text);
            let read = read.ok().map(|(_, to)| to);
            let is_near = |at: &Number| at.as_f64().is_some_and(|at| at.abs() <= FAR);
            let is_time = |at: &Number| at.as_f64().is_some_and(|at| (0.0..=LAST).contains(&at));
            let read = read.filter(|to| is_near(&to.x) && is_near(&to.y));
            let read = read.filter(|to| to.timestamp.as_ref().is_none_or(is_time));
            read.map(Self::Move)
        };
        gesture.ok_or_else(|| {
            Error::bad_request(
                "A cursor is {boardId, x, y, timestamp}: a text, two numbers between -1e9 and 1e9, and \
                 milliseconds since 1970; one that leaves is {boardId}",
            )
        })
    }

    /// Does it, once it is known that the board is there for whoever is.
    ///
    /// # Errors
    /// `NotAuthenticated`, `NotFound`, or if the database fails.
    pub(super) async fn perform(self, app: &App, login: &SocketLogin) -> Result<()> {
        if !login.hears() {
            return Err(Error::not_authenticated("Not authenticated"));
        }
        match self {
            Self::Leave(from) => {
                login.take_cursor(&from.board_id);
                Ok(())
            }
            Self::Move(to) => {
                let board = presence::board(&to.board_id, &login.identity(), &app.store).await?;
                let missing = || Error::not_found(format!("No record found for id '{board}'"));
                // Cursors name boards in full: the others there would not know a short id.
                if board != to.board_id {
                    return Err(missing());
                }
                let at = to.timestamp(login);
                let is_there = login.bring_cursor(&board, &to.x, &to.y, &at);
                is_there.then_some(()).ok_or_else(missing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn knows_its_own_events() {
        for (text, is) in [
            (r#"["cursor-move",{}]"#, true),
            (r#"["cursor-leave"]"#, true),
            (r#"["cursor-moved",{}]"#, false),
            (r#"["create","cursor-move"]"#, false),
            ("", false),
        ] {
            assert_eq!(Gesture::is(text), is, "{text}");
        }
    }

    #[test]
    fn takes_places_that_are_numbers_only() {
        let read = |place: &str| {
            Gesture::read(&format!(
                r#"["cursor-move",{{"boardId":"b","timestamp":5,{place}}}]"#
            ))
        };
        assert!(read(r#""x":-1.5,"y":1e9"#).is_ok());
        for place in [
            r#""x":1"#,
            r#""x":1,"y":null"#,
            r#""x":1,"y":"2""#,
            r#""x":1,"y":1e400"#,
            r#""x":1,"y":-1000000001"#,
        ] {
            assert!(read(place).is_err(), "{place}");
        }
    }

    proptest! {
        #[test]
        fn reads_whatever_comes_or_refuses_it(text in r#"\["cursor-(move|leave)",[\[\]{}",:a-z0-9é\\u.e+-]{0,60}"#) {
            if let Err(error) = Gesture::read(&text) {
                prop_assert_eq!(error.kind().status(), 400);
            }
        }
    }
}
