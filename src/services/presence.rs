//! `presence`: who views which board, and what they do there. It is no table: it lasts as long as
//! the connections do.
//!
//! Source: docs/protocols/feathers.md, "Presence".

use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::{
    Service, boards,
    hooks::{Hook, after},
    records::Records,
    values,
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        identity::Identity,
        login::Login,
        presence::Presence,
    },
    error::{Error, Result},
    store::Store,
};

/// People in an answer, if nothing is said; more on demand.
const PAGE: usize = 1_000;

/// The largest coordinate, in either direction.
pub const FAR: f64 = 1e9;

/// The longest id of a session, in bytes.
const LONGEST_ID: usize = 128;

/// What viewers say of themselves.
const SAID: [&str; 3] = ["cursorPosition", "selectedSessionId", "typing"];

/// Answers with `{userId, boardId, cursorPosition?, selectedSessionId?, typing?, lastActive}`.
pub struct Viewers {
    /// Who views what: places are boards, keys are users.
    pub viewers: Presence,
}

static BOARDS: LazyLock<Records> = LazyLock::new(boards::service);

/// The id of a board that somebody may see, by its id or the start of it.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub async fn board(id: &str, by: &Identity, store: &Store) -> Result<String> {
    let board = BOARDS.read(&mut store.reader(), id, by).await?;
    Ok(values::text(&board, "board_id").unwrap_or(id).to_owned())
}

/// Notes that a connection reads a board: it is on it from then on.
pub fn on_reading() -> impl Hook {
    after([Method::Get], |call, answer| {
        let read = answer.data.get("board_id").and_then(Value::as_str);
        let asked = call.id.as_ref().and_then(Value::as_str);
        if let (Some(connection), Some(board)) = (&call.caller.connection, read.or(asked)) {
            connection.viewer().look_at(board);
        }
        Ok(())
    })
}

impl Service for Viewers {
    fn methods(&self) -> Vec<Method> {
        vec![
            Method::Find,
            Method::Create,
            Method::Update,
            Method::Patch,
            Method::Remove,
        ]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match call.method {
                Method::Find => self.find(call, store).await?,
                Method::Create => {
                    let board = text(&call.data, "boardId")?;
                    let board = board.ok_or_else(|| Error::bad_request("boardId required"))?;
                    let board = board_of(board, call, store).await?;
                    show(&board, Record::new(), call, store)?
                }
                Method::Remove => self.leave(call, store).await?,
                _ => {
                    let board = self.own(call, store).await?;
                    let connection = connection(call)?;
                    let shown = connection.viewer().shown(&board);
                    let shown = shown.ok_or_else(|| not_there(&board))?;
                    let kept = if call.method == Method::Patch {
                        shown
                    } else {
                        Record::new()
                    };
                    show(&board, kept, call, store)?
                }
            };
            Ok(answer.into())
        })
    }
}

impl Viewers {
    /// The roster: each user once, on the boards that the caller may see.
    async fn find(&self, call: &Call, store: &Store) -> Result<Value> {
        let known = ["boardId", "userId", "$limit", "$skip"];
        if let Some(name) = call
            .query
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            return Err(Error::bad_request(format!(
                "Presence is found by boardId and userId, not by `{name}`"
            )));
        }
        let query = Value::Object(call.query.clone());
        let user = text(&query, "userId")?;
        let boards = match text(&query, "boardId")? {
            Some(board) => vec![board_of(board, call, store).await?.into()],
            None => self.visible(call, store),
        };
        let (limit, skip) = (
            count(&query, "$limit")?.unwrap_or(PAGE),
            count(&query, "$skip")?.unwrap_or(0),
        );
        let mut present = Vec::new();
        for board in boards {
            self.viewers.look(&board, |keys| {
                let keys = keys
                    .iter()
                    .filter(|(key, _)| user.is_none_or(|user| user == *key));
                let newest = keys.filter_map(|(_, metas)| metas.last());
                present.extend(newest.map(|meta| Value::Object(meta.data.clone())));
            });
        }
        let total = present.len();
        let data: Vec<_> = present.into_iter().skip(skip).take(limit).collect();
        Ok(json!({"total": total, "limit": limit, "skip": skip, "data": data}))
    }

    /// The boards where anybody is that the caller may see.
    fn visible(&self, call: &Call, store: &Store) -> Vec<Arc<str>> {
        let access = store.story().hub.access();
        let mut boards = self.viewers.places();
        boards.retain(|board| access.sees(&call.caller.identity, &[board.to_string()]));
        boards.sort_unstable();
        boards
    }

    /// Leaves the board that the call names, or the only one.
    async fn leave(&self, call: &Call, store: &Store) -> Result<Value> {
        let viewer = connection(call)?.viewer();
        let board = self.own(call, store).await?;
        let shown = viewer.shown(&board);
        if !viewer.leave(&board) {
            return Err(not_there(&board));
        }
        let left = || present(viewer.name().as_deref(), &board, Record::new(), store);
        Ok(Value::Object(shown.unwrap_or_else(left)))
    }

    /// The board that a call means: by its id, its data, or its query; else the only one that the
    /// connection views.
    async fn own(&self, call: &Call, store: &Store) -> Result<String> {
        let query = Value::Object(call.query.clone());
        let id = match &call.id {
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err(Error::bad_request("The id of presence is its board's")),
            None => text(&call.data, "boardId")?.or(text(&query, "boardId")?),
        };
        let viewer = connection(call)?.viewer();
        let mut viewed = viewer.shows_on();
        match id {
            // The board may be gone, or known by the start of its id.
            Some(id) if viewed.iter().any(|board| board == id) => Ok(id.to_owned()),
            Some(id) => board_of(id, call, store).await,
            None if viewed.len() == 1 => Ok(viewed.remove(0)),
            None if viewed.is_empty() => Err(Error::not_found("This connection views no board")),
            None => Err(Error::bad_request(
                "This connection views several boards: name one as the id",
            )),
        }
    }
}

/// The id of a board that the caller may see.
async fn board_of(id: &str, call: &Call, store: &Store) -> Result<String> {
    board(id, &call.caller.identity, store).await
}

/// Shows what a call says on a board, on top of what is kept.
fn show(board: &str, kept: Record, call: &Call, store: &Store) -> Result<Value> {
    let viewer = connection(call)?.viewer();
    let name = viewer.name();
    check(&call.data, name.as_deref())?;
    let mut said = kept;
    for field in SAID {
        match call.data.get(field) {
            None => {}
            Some(Value::Null) => drop(said.shift_remove(field)),
            Some(value) => drop(said.insert(field.to_owned(), value.clone())),
        }
    }
    let data = present(name.as_deref(), board, said, store);
    if viewer.show(board, data.clone()) {
        Ok(Value::Object(data))
    } else {
        Err(Error::not_found(format!(
            "No record found for id '{board}'"
        )))
    }
}

/// Somebody's presence, its fields in order.
fn present(name: Option<&str>, board: &str, mut said: Record, store: &Store) -> Record {
    let mut data = Record::new();
    data.insert("userId".to_owned(), json!(name));
    data.insert("boardId".to_owned(), json!(board));
    for field in SAID {
        if let Some(value) = said.shift_remove(field) {
            data.insert(field.to_owned(), value);
        }
    }
    let now = store.clock().now().to_string();
    data.insert("lastActive".to_owned(), now.into());
    data
}

/// Checks what a viewer says of itself.
fn check(data: &Value, name: Option<&str>) -> Result<()> {
    if !data.is_object() && !data.is_null() {
        return Err(Error::bad_request("Presence is an object"));
    }
    if text(data, "userId")?.is_some_and(|user| Some(user) != name) {
        return Err(Error::forbidden("Nobody is present for somebody else"));
    }
    match data.get("cursorPosition") {
        None | Some(Value::Null) => {}
        Some(position) => {
            let is_near = |value: &Value| value.as_f64().is_some_and(|at| at.abs() <= FAR);
            let point = position.as_object().filter(|point| point.len() == 2);
            let inside = point.is_some_and(|_| is_near(&position["x"]) && is_near(&position["y"]));
            if !inside {
                return Err(Error::bad_request(
                    "`cursorPosition` must be {x, y}, two numbers between -1e9 and 1e9",
                ));
            }
        }
    }
    if text(data, "selectedSessionId")?.is_some_and(|id| id.is_empty() || id.len() > LONGEST_ID) {
        return Err(Error::bad_request(
            "`selectedSessionId` must have 1 to 128 characters",
        ));
    }
    match data.get("typing") {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(_) => Err(Error::bad_request("`typing` must be true or false")),
    }
}

fn text<'a>(data: &'a Value, name: &str) -> Result<Option<&'a str>> {
    match data.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::bad_request(format!("`{name}` must be a text"))),
    }
}

/// A count, as JSON or as query strings have it.
fn count(query: &Value, name: &str) -> Result<Option<usize>> {
    let refused = || Error::bad_request(format!("`{name}` must be a number, 0 or more"));
    match query.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => text.parse().map(Some).map_err(|_| refused()),
        Some(value) => {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            count.map(Some).ok_or_else(refused)
        }
    }
}

fn connection(call: &Call) -> Result<&dyn Login> {
    call.caller.connection.as_deref().ok_or_else(|| {
        Error::bad_request("Presence lasts as long as a connection: come over Socket.IO")
    })
}

fn not_there(board: &str) -> Error {
    Error::not_found(format!("This connection does not view board '{board}'"))
}
