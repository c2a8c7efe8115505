//! `board-members`: who sees a private board. A board's owners, and admins, say who.

use std::sync::LazyLock;

use entities::board_members;
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::sea_query::Condition;
use serde_json::json;

use super::{
    records::Records,
    rules::{Change, Rules, Scope},
    values::{fill, keep, one_of, text},
    visibility,
};
use crate::{
    core::{
        Record,
        access::{AccessChange, sees_all},
        identity::Identity,
        scope::Audience,
    },
    error::{Error, Result},
    store::{lane::Work, table::Table},
};

const ROLES: [&str; 2] = ["member", "owner"];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<board_members::Entity>("member_id"));

/// The service.
pub fn service() -> Records {
    Records::of::<board_members::Entity>("member_id")
        .publishing_as("board-members")
        .paginate(100, 10_000)
        .in_order_of("created_at")
        .rules(Members)
        .build()
}

struct Members;

impl Rules for Members {
    fn create<'a>(
        &'a self,
        member: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            for name in ["board_id", "user_id"] {
                if text(member, name).is_none() {
                    return Err(Error::bad_request(format!(
                        "{name} is required when adding a member"
                    )));
                }
            }
            fill(member, "role", || json!("member"));
            one_of(member, "role", &ROLES)?;
            may_manage(text(member, "board_id").unwrap_or_default(), work).await?;
            member.insert("member_id".to_owned(), json!(work.clock.random_id()));
            member.insert("created_at".to_owned(), json!(work.now.to_string()));
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, _current: &Record, changes: &mut Record, _work: &Work<'_>) -> Result<()> {
        keep(changes, &["board_id", "user_id", "created_at"]);
        one_of(changes, "role", &ROLES)
    }

    fn permit<'a>(
        &'a self,
        change: Change,
        member: &'a Record,
        _given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let user = work.by.user_id();
            // Whoever is on a board may leave it.
            if change == Change::Removed
                && user.is_some_and(|id| text(member, "user_id") == Some(id))
            {
                return Ok(());
            }
            may_manage(text(member, "board_id").unwrap_or_default(), work).await
        }
        .boxed_local()
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        visibility::boards(by)
    }

    fn access(
        &self,
        change: Change,
        member: &Record,
        _given: &Record,
        _by: &Identity,
    ) -> Vec<AccessChange> {
        let field = |name| text(member, name).unwrap_or_default().to_owned();
        let (board, user) = (field("board_id"), field("user_id"));
        match change {
            Change::Created => vec![AccessChange::Member { board, user }],
            Change::Removed => vec![AccessChange::NoMember { board, user }],
            Change::Changed => Vec::new(),
        }
    }

    fn scope(&self, member: &Record) -> Option<Scope> {
        let board = text(member, "board_id")?;
        let mut scope =
            Scope::everyone([("board", Some(board)), ("user", text(member, "user_id"))]);
        scope.audience = Audience::Boards(vec![board.to_owned()]);
        Some(scope)
    }
}

/// Makes somebody a board's first owner.
///
/// # Errors
/// If the database fails.
pub(super) async fn add_owner(board: &str, user: &str, work: &mut Work<'_>) -> Result<()> {
    let member = json!({
        "member_id": work.clock.random_id(),
        "board_id": board,
        "user_id": user,
        "role": "owner",
        "created_at": work.now.to_string(),
    });
    match member.as_object() {
        Some(member) => TABLE.insert(work.tx, member).await.map(drop),
        None => Ok(()),
    }
}

/// Refuses who neither owns a board nor looks after the daemon.
///
/// # Errors
/// As for a board that does not exist, or `Forbidden`.
pub(super) async fn may_manage(board: &str, work: &mut Work<'_>) -> Result<()> {
    if sees_all(&work.by) {
        return Ok(());
    }
    visibility::check_board(board, work).await?;
    match visibility::role_on(board, work).await?.as_deref() {
        Some("owner") => Ok(()),
        _ => Err(Error::forbidden("Only the board's owners say who sees it")),
    }
}
