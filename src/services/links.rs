//! Which sessions are on which boards, in the boards' order.

use std::sync::LazyLock;

use entities::board_sessions::{Column as Of, Entity};
use sea_orm::{
    Order,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement},
};
use serde_json::Value;

use super::visibility;
use crate::{
    core::Record,
    error::{Error, Result},
    store::{
        columns::Column,
        lane::Work,
        numbering::Numbering,
        transaction::{Reader, Spelled},
    },
};

static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(Column::all::<Entity>);

/// A session's place on its board.
static POSITION: Numbering = Numbering::new("board_sessions", "position", "board_id");

/// Pairs of board and session: what is on these boards.
///
/// # Errors
/// If the database fails.
pub async fn on_boards(db: &mut dyn Reader, boards: &[&str]) -> Result<Vec<(String, String)>> {
    let boards = Expr::col(Of::BoardId).is_in(boards.iter().copied());
    Ok(pairs(db.select(&select(boards), &COLUMNS).await?))
}

/// Pairs of board and session: where these sessions are.
///
/// # Errors
/// If the database fails.
pub async fn of_sessions(db: &mut dyn Reader, sessions: &[&str]) -> Result<Vec<(String, String)>> {
    static OF_ONE: Spelled = Spelled::new();
    let session = || Expr::col(Of::SessionId);
    let rows = match sessions {
        // Once for each message that is created.
        [one] => {
            let spell = || select(session().eq(*one));
            db.ask(&OF_ONE, spell, [(*one).into()], &COLUMNS).await?
        }
        several => {
            let several = session().is_in(several.iter().copied());
            db.select(&select(several), &COLUMNS).await?
        }
    };
    Ok(pairs(rows))
}

/// Adds sessions at a board's end, those that it lacks.
///
/// # Errors
/// `BadRequest` if a session is not there for whom the unit works, or if the database fails.
pub async fn add(board: &str, sessions: &[&str], work: &mut Work<'_>) -> Result<()> {
    for session in sessions {
        visibility::check_session(session, work).await?;
    }
    insert(board, sessions, work).await
}

async fn insert(board: &str, sessions: &[&str], work: &mut Work<'_>) -> Result<()> {
    let end = POSITION.next(work.tx, board).await?;
    for (session, position) in sessions.iter().zip(end..) {
        let mut insert = Query::insert();
        insert
            .into_table(Entity)
            .columns([Of::BoardId, Of::SessionId, Of::Position])
            .values_panic([board.into(), (*session).into(), position.into()])
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        work.tx.execute(work.tx.backend().build(&insert)).await?;
    }
    Ok(())
}

/// Puts these sessions on a board, in this order, and no others.
///
/// # Errors
/// As [`add`], and `BadRequest` if it is no list of ids.
pub async fn replace(board: &str, sessions: &Value, work: &mut Work<'_>) -> Result<()> {
    let refused = || Error::bad_request("`sessions` must be a list of session ids");
    let ids = sessions.as_array().ok_or_else(refused)?;
    let ids = ids
        .iter()
        .map(|id| id.as_str().ok_or_else(refused))
        .collect::<Result<Vec<_>>>()?;
    // As long as the board's own links still say who sees them.
    for session in &ids {
        visibility::check_session(session, work).await?;
    }
    delete(Expr::col(Of::BoardId).eq(board), work).await?;
    insert(board, &ids, work).await
}

/// Takes a session from every board; returns those that held it.
///
/// # Errors
/// If the database fails.
pub async fn forget(session: &str, work: &mut Work<'_>) -> Result<Vec<String>> {
    let held = of_sessions(work.tx, &[session]).await?;
    if !held.is_empty() {
        delete(Expr::col(Of::SessionId).eq(session), work).await?;
    }
    Ok(held.into_iter().map(|(board, _)| board).collect())
}

async fn delete(condition: Expr, work: &mut Work<'_>) -> Result<()> {
    let mut delete = Query::delete();
    delete.from_table(Entity).and_where(condition);
    let delete = work.tx.backend().build(&delete);
    work.tx.execute(delete).await.map(drop)
}

fn select(condition: Expr) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns(COLUMNS.iter().map(Column::iden))
        .from(Entity)
        .and_where(condition)
        .order_by(Of::Position, Order::Asc);
    select
}

fn pairs(rows: Vec<Record>) -> Vec<(String, String)> {
    let pair = |mut row: Record| match (row.remove("board_id"), row.remove("session_id")) {
        (Some(Value::String(board)), Some(Value::String(session))) => Some((board, session)),
        _ => None,
    };
    rows.into_iter().filter_map(pair).collect()
}
