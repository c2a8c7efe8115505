//! The stream that a task's run is told in, where one is named: Hive's clients watch it.
//!
//! Source: docs/protocols/hive.md, "Streams".

use std::{collections::HashMap, sync::LazyLock};

use entities::tasks::{Column as C, Entity};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use serde_json::Value;

use crate::{
    core::scope::Topic,
    error::Result,
    services::{
        rules::Scope,
        values::{short, text},
    },
    store::{
        columns::Column,
        transaction::{Reader, Spelled},
    },
};

/// Characters of a stream's id.
const LONGEST: usize = 255;

static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns = Column::all::<Entity>();
    columns.retain(|column| ["task_id", "session_id", "stream_id"].contains(&column.name));
    columns
});

/// The stream that somebody names, if any.
///
/// # Errors
/// `BadRequest` for what is no text of 1 to 255 characters without NUL.
pub(in crate::services) fn named(given: Option<&Value>) -> Result<Option<String>> {
    let given = given.filter(|given| !given.is_null());
    given
        .map(|given| short(given, "stream_id", LONGEST))
        .transpose()
}

/// Adds to scopes the streams that are named by the tasks they are about; a task of another session says
/// nothing.
///
/// # Errors
/// If the database fails.
pub(in crate::services) async fn follow_streams(
    db: &mut dyn Reader,
    scopes: &mut [Option<Scope>],
) -> Result<()> {
    static OF_ONE: Spelled = Spelled::new();
    let of = |scope: &Scope, kind: &str| {
        let id = scope.topics.iter().find_map(|topic| topic.id_of(kind));
        id.map(str::to_owned)
    };
    let mut ids: Vec<_> = scopes
        .iter()
        .flatten()
        .filter_map(|scope| of(scope, "task"))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let task = || Expr::col(C::TaskId);
    let tasks = match ids.as_slice() {
        [] => return Ok(()),
        // Once for each message of a run.
        [one] => {
            let spell = || select(task().eq(one.as_str()));
            db.ask(&OF_ONE, spell, [one.as_str().into()], &COLUMNS)
                .await?
        }
        several => {
            let several = task().is_in(several.iter().map(String::as_str));
            db.select(&select(several), &COLUMNS).await?
        }
    };
    let known: HashMap<_, _> = tasks
        .iter()
        .filter_map(|task| {
            let of = [text(task, "task_id")?, text(task, "session_id")?];
            Some((of.map(str::to_owned), text(task, "stream_id")?))
        })
        .collect();
    for scope in scopes.iter_mut().flatten() {
        if let (Some(task), Some(session)) = (of(scope, "task"), of(scope, "session"))
            && let Some(stream) = known.get(&[task, session])
        {
            scope.topics.push(Topic::new("stream", stream));
        }
    }
    Ok(())
}

fn select(which: Expr) -> SelectStatement {
    let mut select = Query::select();
    select
        .columns(COLUMNS.iter().map(Column::iden))
        .from(Entity)
        .and_where(which);
    select
}
