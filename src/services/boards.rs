//! `boards`: what a team looks at together. Their sessions are kept in a link table.

use std::{collections::HashMap, sync::LazyLock};

use entities::{board_sessions, boards, private_boards, sessions};
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, IntoCondition, OnConflict, Query},
};
use serde_json::{Value, json};

use super::{
    board_members,
    records::Records,
    rules::{Change, Rules, Scope},
    shapes::objects,
    values::{fill, keep, leave_out_nulls, one_of, plain_id, text},
    visibility,
};
use crate::{
    core::{
        BoxFuture, Record, access::AccessChange, event::Draft, identity::Identity, scope::Audience,
    },
    error::{Error, Result},
    store::{columns::Column, lane::Work, table::Table, transaction::Reader},
};

/// Where `sessions` stands on the wire, when all fields before it are there.
const SESSIONS_AFTER: [&str; 6] = [
    "board_id",
    "name",
    "slug",
    "created_at",
    "last_updated",
    "description",
];

/// The service.
pub fn service() -> Records {
    Records::of::<boards::Entity>("board_id")
        .paginate(50, 100)
        .in_order_of("created_at")
        .short_ids("Board")
        .alias("updated_at", "last_updated")
        .rules(Boards)
        .build()
}

/// Who sees a board: everybody, or its members.
const VISIBILITIES: [&str; 2] = ["public", PRIVATE];
const PRIVATE: &str = "private";

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<boards::Entity>("board_id"));
static LINKS: LazyLock<Table> = LazyLock::new(|| Table::of::<board_sessions::Entity>("session_id"));

struct Boards;

impl Rules for Boards {
    fn create<'a>(
        &'a self,
        board: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(board, "board_id")?;
            objects(board, ["objects", "custom_context"])?;
            fill(board, "board_id", || json!(work.clock.random_id()));
            fill(board, "name", || json!("Untitled Board"));
            fill(board, "visibility", || json!("public"));
            one_of(board, "visibility", &VISIBILITIES)?;
            fill(board, "created_at", || json!(work.now.to_string()));
            board.insert("last_updated".to_owned(), json!(work.now.to_string()));
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["created_at"]);
        changes.insert("last_updated".to_owned(), json!(work.now.to_string()));
        act(current, changes)?;
        one_of(changes, "visibility", &VISIBILITIES)?;
        objects(changes, ["objects", "custom_context"])
    }

    fn permit<'a>(
        &'a self,
        change: Change,
        board: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let id = text(board, "board_id").unwrap_or_default();
            let private = text(board, "visibility") == Some(PRIVATE);
            match change {
                Change::Changed if given.contains_key("visibility") => {
                    board_members::may_manage(id, work).await
                }
                Change::Removed if private => {
                    board_members::may_manage(id, work).await?;
                    refuse_sessions(id, work).await
                }
                _ => Ok(()),
            }
        }
        .boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        board: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            let id = text(board, "board_id").unwrap_or_default();
            let private = text(board, "visibility") == Some(PRIVATE);
            match change {
                Change::Created => {
                    if let Some(user) = work.by.user_id().map(str::to_owned) {
                        board_members::add_owner(id, &user, work).await?;
                    }
                    keep_private(id, private, work).await?;
                }
                Change::Changed if given.contains_key("visibility") => {
                    keep_private(id, private, work).await?;
                }
                _ => {}
            }
            if let Some(sessions) = given.get("sessions").filter(|_| change != Change::Removed) {
                replace_sessions(id, sessions, work).await?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        visibility::boards(by)
    }

    fn access(&self, change: Change, board: &Record, by: &Identity) -> Vec<AccessChange> {
        let id = text(board, "board_id").unwrap_or_default().to_owned();
        let mut changes = Vec::new();
        if let (Change::Created, Some(user)) = (change, by.user_id()) {
            changes.push(AccessChange::Member {
                board: id.clone(),
                user: user.to_owned(),
            });
        }
        match (change, text(board, "visibility")) {
            // Who saw it sees that it is gone.
            (Change::Removed, _) => {}
            (_, Some(PRIVATE)) => changes.push(AccessChange::Private(id)),
            (_, _) => changes.push(AccessChange::Public(id)),
        }
        changes
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn render<'a>(
        &'a self,
        db: &'a mut dyn Reader,
        boards: &'a mut [Record],
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(render(db, boards))
    }

    fn scope(&self, board: &Record) -> Option<Scope> {
        text(board, "board_id").map(scope)
    }
}

/// Does what a patch's `_action` says to the things that are drawn on a board, by their ids:
/// `upsertObject {objectId, objectData}`, `batchUpsertObjects {objects}`, `removeObject {objectId}`
/// and `deleteZone {objectId}`.
fn act(current: &Record, changes: &mut Record) -> Result<()> {
    let Some(action) = changes.shift_remove("_action") else {
        return Ok(());
    };
    let missing = |name: &str| Error::bad_request(format!("This `_action` needs `{name}`"));
    let drawn = current.get("objects").and_then(Value::as_object);
    let mut drawn = drawn.cloned().unwrap_or_default();
    let id = || text(changes, "objectId").ok_or_else(|| missing("objectId"));
    match action.as_str() {
        Some("upsertObject") => {
            let object = changes.get("objectData").filter(|data| data.is_object());
            let object = object.ok_or_else(|| missing("objectData"))?;
            drawn.insert(id()?.to_owned(), object.clone());
        }
        Some("batchUpsertObjects") => {
            let more = changes.get("objects").and_then(Value::as_object);
            let more = more.filter(|more| more.values().all(Value::is_object));
            drawn.extend(more.ok_or_else(|| missing("objects"))?.clone());
        }
        Some("removeObject" | "deleteZone") => drop(drawn.shift_remove(id()?)),
        _ => {
            return Err(Error::bad_request(
                "`_action` must be one of upsertObject, batchUpsertObjects, removeObject, deleteZone",
            ));
        }
    }
    changes.insert("objects".to_owned(), Value::Object(drawn));
    Ok(())
}

/// Who hears of a board: those who see it.
fn scope(board: &str) -> Scope {
    let mut scope = Scope::everyone([("board", Some(board))]);
    scope.audience = Audience::Boards(vec![board.to_owned()]);
    scope
}

/// Notes whether a board is private.
async fn keep_private(board: &str, private: bool, work: &mut Work<'_>) -> Result<()> {
    use private_boards::{Column::BoardId, Entity};
    let statement = if private {
        let mut insert = Query::insert();
        insert
            .into_table(Entity)
            .columns([BoardId])
            .values_panic([board.into()])
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        work.tx.backend().build(&insert)
    } else {
        let mut delete = Query::delete();
        delete
            .from_table(Entity)
            .and_where(Expr::col(BoardId).eq(board));
        work.tx.backend().build(&delete)
    };
    work.tx.execute(statement).await.map(drop)
}

/// Refuses to remove a private board with sessions on it: on no board, everybody would see them.
async fn refuse_sessions(board: &str, work: &mut Work<'_>) -> Result<()> {
    let of_board = Expr::col(board_sessions::Column::BoardId).eq(board);
    if links(work.tx, of_board).await?.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(
        "This private board holds sessions, which everybody would see without it; remove them first",
    ))
}

/// Creates a board if there are neither boards nor sessions.
///
/// # Errors
/// If the database fails.
pub async fn seed(work: &mut Work<'_>) -> Result<()> {
    let sessions = Table::of::<sessions::Entity>("session_id");
    let all = Condition::all;
    if TABLE.count(work.tx, all()).await? > 0 || sessions.count(work.tx, all()).await? > 0 {
        return Ok(());
    }
    let board = json!({
        "name": "Default",
        "slug": "default",
        "description": "Default board for all sessions",
        "color": "#1677ff",
        "icon": "star",
    });
    service().create(board, work).await.map(drop)
}

/// Puts a session on the boards that hold another; returns their `patched`.
///
/// # Errors
/// If the database fails.
pub async fn add_beside(other: &str, session: &str, work: &mut Work<'_>) -> Result<Vec<Draft>> {
    let mut drafts = Vec::new();
    for (board, _) in links(work.tx, of_session(other)).await? {
        drafts.push(add_session(&board, session, work).await?);
    }
    Ok(drafts)
}

/// Puts a session on a board; returns the board's `patched`.
///
/// # Errors
/// `BadRequest` if there is no such board.
pub async fn add_session(board: &str, session: &str, work: &mut Work<'_>) -> Result<Draft> {
    visibility::check_board(board, work).await?;
    link(board, &[session], work).await?;
    patched(board, work).await
}

/// Takes a session from every board that holds it; returns their `patched`.
///
/// # Errors
/// If the database fails.
pub async fn forget_session(session: &str, work: &mut Work<'_>) -> Result<Vec<Draft>> {
    let links = links(work.tx, of_session(session)).await?;
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let mut delete = Query::delete();
    delete
        .from_table(board_sessions::Entity)
        .and_where(of_session(session));
    work.tx.execute(work.tx.backend().build(&delete)).await?;
    let mut drafts = Vec::new();
    for (board, _) in links {
        drafts.push(patched(&board, work).await?);
    }
    Ok(drafts)
}

async fn replace_sessions(board: &str, sessions: &Value, work: &mut Work<'_>) -> Result<()> {
    let refused = || Error::bad_request("`sessions` must be a list of session ids");
    let ids = sessions.as_array().ok_or_else(refused)?;
    let ids = ids
        .iter()
        .map(|id| id.as_str().ok_or_else(refused))
        .collect::<Result<Vec<_>>>()?;
    let mut delete = Query::delete();
    delete
        .from_table(board_sessions::Entity)
        .and_where(Expr::col(board_sessions::Column::BoardId).eq(board));
    work.tx.execute(work.tx.backend().build(&delete)).await?;
    link(board, &ids, work).await
}

/// Adds sessions at a board's end, those that it lacks.
async fn link(board: &str, sessions: &[&str], work: &mut Work<'_>) -> Result<()> {
    let of_board = Expr::col(board_sessions::Column::BoardId)
        .eq(board)
        .into_condition();
    let end = LINKS.next(work.tx, "position", of_board).await?;
    for (session, position) in sessions.iter().zip(end..) {
        visibility::check_session(session, work).await?;
        let mut insert = Query::insert();
        insert
            .into_table(board_sessions::Entity)
            .columns([
                board_sessions::Column::BoardId,
                board_sessions::Column::SessionId,
                board_sessions::Column::Position,
            ])
            .values_panic([board.into(), (*session).into(), position.into()])
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        work.tx.execute(work.tx.backend().build(&insert)).await?;
    }
    Ok(())
}

/// The event that tells everybody what a board holds now.
async fn patched(board: &str, work: &mut Work<'_>) -> Result<Draft> {
    let mut changes = Record::new();
    changes.insert("last_updated".to_owned(), json!(work.now.to_string()));
    TABLE.change(work.tx, &json!(board), &changes).await?;
    let mut boards = [TABLE.get(work.tx, &json!(board), Condition::all()).await?];
    leave_out_nulls(&mut boards);
    render(work.tx, &mut boards).await?;
    let [record] = boards;
    scope(board).draft("boards", "patched", &Value::Object(record))
}

async fn render(db: &mut dyn Reader, boards: &mut [Record]) -> Result<()> {
    let ids: Vec<_> = boards
        .iter()
        .filter_map(|board| text(board, "board_id"))
        .map(str::to_owned)
        .collect();
    let mut sessions: HashMap<String, Vec<Value>> = HashMap::new();
    for (board, session) in links(db, Expr::col(board_sessions::Column::BoardId).is_in(ids)).await?
    {
        sessions
            .entry(board)
            .or_default()
            .push(Value::String(session));
    }
    for board in boards {
        let held = text(board, "board_id")
            .and_then(|id| sessions.remove(id))
            .unwrap_or_default();
        let place = board
            .keys()
            .take_while(|name| SESSIONS_AFTER.contains(&name.as_str()))
            .count();
        board.shift_insert(place, "sessions".to_owned(), Value::Array(held));
    }
    Ok(())
}

fn of_session(session: &str) -> Expr {
    Expr::col(board_sessions::Column::SessionId).eq(session)
}

/// Pairs of board and session, in the boards' order.
async fn links(db: &mut dyn Reader, condition: Expr) -> Result<Vec<(String, String)>> {
    let columns = Column::all::<board_sessions::Entity>();
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(board_sessions::Entity)
        .and_where(condition)
        .order_by(board_sessions::Column::Position, Order::Asc);
    let rows = db.select(&select, &columns).await?;
    let pair = |row: &Record| {
        Some((
            text(row, "board_id")?.to_owned(),
            text(row, "session_id")?.to_owned(),
        ))
    };
    Ok(rows.iter().filter_map(pair).collect())
}
