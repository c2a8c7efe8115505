//! Who may see which board, and what is on it: sessions, tasks and messages follow their boards.
//!
//! A session is seen by whoever sees one of its boards, and by everybody if it is on none.

use std::collections::HashMap;

use entities::{board_members, board_sessions, events, private_boards, sessions, tasks};
use sea_orm::{
    DbBackend,
    sea_query::{
        Alias, BinOper, Condition, Expr, ExprTrait, Func, LikeExpr, Query, SelectStatement,
    },
};

use super::{links, rules::Scope, values::text};
use crate::{
    core::{
        Record,
        access::sees_all,
        identity::Identity,
        scope::{Audience, Topic},
    },
    error::{Error, Result},
    store::{columns::Column, lane::Work, transaction::Reader},
};

/// The boards that somebody sees; `None` if all of them.
pub fn boards(by: &Identity) -> Option<Condition> {
    let board = || Expr::col(board_sessions::Column::BoardId);
    (!sees_all(by)).then(|| is_seen(board, by))
}

/// What is on a board that somebody sees, or on none; `None` if that is everything.
pub fn on_board(by: &Identity, board: impl Fn() -> Expr) -> Option<Condition> {
    let on_none = Expr::is_null(board());
    (!sees_all(by)).then(|| Condition::any().add(on_none).add(is_seen(board, by)))
}

/// Whether a board is public or somebody is its member.
fn is_seen(board: impl Fn() -> Expr, by: &Identity) -> Condition {
    let mut private = Query::select();
    private
        .column(private_boards::Column::BoardId)
        .from(private_boards::Entity);
    let mut visible = Condition::any().add(board().not_in_subquery(private));
    if let Some(user) = by.user_id() {
        let mut own = Query::select();
        own.column(board_members::Column::BoardId)
            .from(board_members::Entity)
            .and_where(Expr::col(board_members::Column::UserId).eq(user));
        visible = visible.add(board().in_subquery(own));
    }
    visible
}

/// The events of the log that somebody is given: what [`Audience::admits`] says, in SQL.
pub fn events(by: &Identity, backend: DbBackend) -> Condition {
    let audience = || Expr::col(events::Column::Audience);
    let like = |pattern| audience().like(LikeExpr::new(pattern));
    let none = Condition::any().add(Expr::val(1).eq(0));
    match by {
        Identity::Nobody => return none,
        Identity::Agent(agent) => {
            let own = within(".identities", &is(&agent.id), backend);
            return Condition::all().add(audience().ne("\"nobody\"")).add(own);
        }
        Identity::Owner | Identity::System => {
            let one = like("[%").not().and(audience().ne("\"nobody\""));
            let one_of_several = [like("%{%"), like("%\"everyone\"%")];
            return one_of_several
                .into_iter()
                .fold(Condition::any().add(one), Condition::add);
        }
        _ => {}
    }
    let mut narrow = Condition::any().add(within("", &is("everyone"), backend));
    narrow = if sees_all(by) {
        narrow.add(like("%{\"boards\":%"))
    } else {
        narrow.add(within(
            ".boards",
            &|part| is_seen(|| part.clone(), by),
            backend,
        ))
    };
    if let Some(id) = by.id() {
        narrow = narrow.add(within(".identities", &is(id), backend));
    }
    Condition::any().add(audience().eq("\"everyone\"")).add(
        Condition::all()
            .add(audience().ne("\"nobody\""))
            .add(narrow),
    )
}

/// Whether one of the texts in an event's audience, or in one part of it, fits.
fn within(what: &'static str, fits: &dyn Fn(Expr) -> Condition, backend: DbBackend) -> Expr {
    let (mut parts, part) = parts(what, backend);
    Expr::exists(parts.cond_where(fits(part)).to_owned())
}

fn is(text: &str) -> impl Fn(Expr) -> Condition {
    move |part| Condition::all().add(part.eq(text))
}

/// The texts in an event's audience, or in one part of its audiences, as rows; and such a text.
fn parts(what: &str, backend: DbBackend) -> (SelectStatement, Expr) {
    let part = Alias::new("part");
    let audience = Expr::col((events::Entity, events::Column::Audience));
    let mut parts = Query::select();
    parts.expr(Expr::val(1));
    if backend == DbBackend::Postgres {
        let path = if what.is_empty() {
            "$[*]".to_owned()
        } else {
            format!("$[*]{what}[*]")
        };
        let query = Func::cust("jsonb_path_query")
            .arg(audience.cast_as("jsonb"))
            .arg(Expr::val(path).cast_as("jsonpath"));
        parts.from_function(query, part.clone());
        let text = Expr::col(part).binary(BinOper::Custom("#>>"), Expr::cust("'{}'"));
        return (parts, text);
    }
    parts.from_function(Func::cust("json_tree").arg(audience), part.clone());
    let path = || Expr::col((part.clone(), Alias::new("path")));
    if what.is_empty() {
        parts.and_where(path().eq("$"));
    } else {
        parts.and_where(path().like(LikeExpr::new(format!("%{what}"))));
    }
    (parts, Expr::col((part, Alias::new("atom"))))
}

/// What belongs to sessions that somebody sees; `None` if everything.
pub fn sessions(by: &Identity) -> Option<Condition> {
    let session = || Expr::col(board_sessions::Column::SessionId);
    if let Identity::Agent(agent) = by {
        return Some(of_agent(session, &agent.id));
    }
    let boards = boards(by)?;
    let linked = || -> SelectStatement {
        let mut linked = Query::select();
        linked
            .column(board_sessions::Column::SessionId)
            .from(board_sessions::Entity);
        linked
    };
    let visible = Condition::any()
        .add(session().not_in_subquery(linked()))
        .add(session().in_subquery(linked().cond_where(boards).to_owned()));
    Some(visible)
}

/// What names a session that somebody sees, or none; `None` if that is everything.
pub fn of_session(by: &Identity, session: impl Fn() -> Expr) -> Option<Condition> {
    use entities::sessions::{Column as S, Entity};
    let mut seen = Query::select();
    seen.column(S::SessionId)
        .from(Entity)
        .cond_where(sessions(by)?);
    let on_none = session().is_null();
    Some(
        Condition::any()
            .add(on_none)
            .add(session().in_subquery(seen)),
    )
}

/// Whether a session is an agent's: it made it, or works in it, or has somebody work in it.
fn of_agent(session: impl Fn() -> Expr, agent: &str) -> Condition {
    use entities::{sessions::Column as S, tasks::Column as T};
    let mut worked = Query::select();
    let own = [T::ProviderAgentId, T::ClientAgentId].map(|column| Expr::col(column).eq(agent));
    worked
        .column(T::SessionId)
        .from(tasks::Entity)
        .cond_where(own.into_iter().fold(Condition::any(), Condition::add));
    let mut made = Query::select();
    made.column(S::SessionId)
        .from(sessions::Entity)
        .and_where(Expr::col(S::CreatedBy).eq(agent));
    Condition::any()
        .add(session().in_subquery(worked))
        .add(session().in_subquery(made))
}

/// Refuses what belongs to a session that somebody does not see, as if it were not there.
///
/// # Errors
/// `BadRequest`, or if the database fails.
pub async fn check_session(session: &str, work: &mut Work<'_>) -> Result<()> {
    let Some(visible) = sessions(&work.by) else {
        return Ok(());
    };
    let mut hidden = Query::select();
    if work.by.agent_id().is_some() {
        use entities::sessions::{Column as S, Entity};
        hidden
            .column(S::SessionId)
            .from(Entity)
            .and_where(Expr::col(S::SessionId).eq(session));
    } else {
        use board_sessions::{Column as B, Entity};
        hidden
            .column(B::SessionId)
            .from(Entity)
            .and_where(Expr::col(B::SessionId).eq(session));
    }
    hidden.cond_where(visible.not()).limit(1);
    let columns = [Column::all::<board_sessions::Entity>()[1].clone()];
    let db: &mut dyn Reader = &mut *work.tx;
    if db.select(&hidden, &columns).await?.is_empty() {
        return Ok(());
    }
    Err(Error::bad_request(
        "The record refers to another that does not exist",
    ))
}

/// Refuses a board that somebody does not see, as if it were not there.
///
/// # Errors
/// `BadRequest`, or if the database fails.
pub async fn check_board(board: &str, work: &mut Work<'_>) -> Result<()> {
    if sees_all(&work.by) {
        return Ok(());
    }
    let columns = Column::all::<private_boards::Entity>();
    let mut private = Query::select();
    private
        .column(private_boards::Column::BoardId)
        .from(private_boards::Entity)
        .and_where(Expr::col(private_boards::Column::BoardId).eq(board));
    let db: &mut dyn Reader = &mut *work.tx;
    let private = !db.select(&private, &columns).await?.is_empty();
    if private && role_on(board, work).await?.is_none() {
        return Err(Error::bad_request(
            "The record refers to another that does not exist",
        ));
    }
    Ok(())
}

/// What whom the unit works for is on a board, if a member.
///
/// # Errors
/// If the database fails.
pub async fn role_on(board: &str, work: &mut Work<'_>) -> Result<Option<String>> {
    let Some(user) = work.by.user_id().map(str::to_owned) else {
        return Ok(None);
    };
    let columns = Column::all::<board_members::Entity>();
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(board_members::Entity)
        .and_where(Expr::col(board_members::Column::UserId).eq(user))
        .and_where(Expr::col(board_members::Column::BoardId).eq(board));
    let db: &mut dyn Reader = &mut *work.tx;
    let member = db.select(&select, &columns).await?.pop();
    Ok(member.and_then(|member| text(&member, "role").map(str::to_owned)))
}

/// Adds to scopes the boards of the records' sessions: their members are the audience.
///
/// # Errors
/// If the database fails.
pub async fn follow_boards(
    db: &mut dyn Reader,
    records: &[Record],
    mut scopes: Vec<Option<Scope>>,
) -> Result<Vec<Option<Scope>>> {
    let mut ids: Vec<&str> = records
        .iter()
        .filter_map(|record| text(record, "session_id"))
        .collect();
    ids.dedup();
    let mut boards: HashMap<String, Vec<String>> = HashMap::new();
    for (board, session) in links::of_sessions(db, &ids).await? {
        boards.entry(session).or_default().push(board);
    }
    for (record, scope) in records.iter().zip(&mut scopes) {
        let boards = text(record, "session_id").and_then(|session| boards.get(session));
        if let (Some(boards), Some(scope)) = (boards, scope) {
            scope.audience = Audience::Boards(boards.clone());
            scope
                .topics
                .extend(boards.iter().map(|board| Topic::new("board", board)));
        }
    }
    Ok(scopes)
}
