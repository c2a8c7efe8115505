//! `boards`: what a team looks at together. Their sessions are kept in a link table.

use std::{collections::HashMap, sync::LazyLock};

use entities::{boards, private_boards, sessions};
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, OnConflict, Query};
use serde_json::{Value, json};

use super::{
    board_members, links,
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
    store::{lane::Work, table::Table, transaction::Reader},
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
            if let Some(given) = text(board, "board_id") {
                refuse_private(given, work).await?;
            }
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
                links::replace(id, sessions, work).await?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        visibility::boards(by)
    }

    fn access(
        &self,
        change: Change,
        board: &Record,
        given: &Record,
        by: &Identity,
    ) -> Vec<AccessChange> {
        let id = text(board, "board_id").unwrap_or_default().to_owned();
        let mut changes = Vec::new();
        if let (Change::Created, Some(user)) = (change, by.user_id()) {
            changes.push(AccessChange::Member {
                board: id.clone(),
                user: user.to_owned(),
            });
        }
        match (change, text(board, "visibility")) {
            (Change::Removed, _) => changes.push(AccessChange::Gone(id)),
            // Most changes are to other things; a new board is public if nothing is said.
            (Change::Changed, _) if !given.contains_key("visibility") => {}
            (_, Some(PRIVATE)) => changes.push(AccessChange::Private(id)),
            (Change::Changed, _) => changes.push(AccessChange::Public(id)),
            (Change::Created, _) => {}
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

/// Refuses the id of a private board, also of one that was removed: the log still tells its story, and
/// who had a board of this id would be told.
async fn refuse_private(board: &str, work: &mut Work<'_>) -> Result<()> {
    let private = Table::of::<private_boards::Entity>("board_id");
    let of_board = Expr::col(private_boards::Column::BoardId).eq(board);
    match private.count(work.tx, of_board.into_condition()).await? {
        0 => Ok(()),
        _ => Err(Error::conflict(
            "A record with this id or unique value already exists",
        )),
    }
}

/// Refuses to remove a private board with sessions on it: on no board, everybody would see them.
async fn refuse_sessions(board: &str, work: &mut Work<'_>) -> Result<()> {
    if links::on_boards(work.tx, &[board]).await?.is_empty() {
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
    for (board, _) in links::of_sessions(work.tx, &[other]).await? {
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
    links::add(board, &[session], work).await?;
    patched(board, work).await
}

/// Takes a session from every board that holds it; returns their `patched`.
///
/// # Errors
/// If the database fails.
pub async fn forget_session(session: &str, work: &mut Work<'_>) -> Result<Vec<Draft>> {
    let mut drafts = Vec::new();
    for board in links::forget(session, work).await? {
        drafts.push(patched(&board, work).await?);
    }
    Ok(drafts)
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
        .collect();
    let mut sessions: HashMap<String, Vec<Value>> = HashMap::new();
    for (board, session) in links::on_boards(db, &ids).await? {
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
