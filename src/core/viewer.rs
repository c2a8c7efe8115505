//! A connection that looks at boards, as services see it: others there see who looks, and a
//! connection may hear of its boards only.

use super::Record;

/// A connection that can be on boards. It leaves them all when it ends.
pub trait Viewer: Send + Sync {
    /// By what name others see who is there: a user's id, or one that only this connection has;
    /// `None` for somebody who is not let in.
    fn name(&self) -> Option<String>;

    /// Is on a board from now on, without showing itself; whether that is allowed.
    fn look_at(&self, board: &str) -> bool;

    /// Shows something on a board in place of what it showed there; whether that is allowed.
    fn show(&self, board: &str, data: Record) -> bool;

    /// What it shows on a board.
    fn shown(&self, board: &str) -> Option<Record>;

    /// The boards on which it shows itself.
    fn shows_on(&self) -> Vec<String>;

    /// Leaves a board; whether it was there.
    fn leave(&self, board: &str) -> bool;

    /// Is told a session's deltas from now on; whether it can follow one more.
    fn follow(&self, session: &str) -> bool;

    /// Is not told them any more; whether it was.
    fn unfollow(&self, session: &str) -> bool;
}
