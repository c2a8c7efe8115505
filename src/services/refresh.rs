//! `authentication/refresh`: a new access token for a refresh token, which is good once.
//!
//! Each use gives out the next one of its family. One that comes a second time was stolen, by whoever
//! came first or second: the whole family ends.

use std::sync::Arc;

use entities::refresh_tokens::{self, Column as Field};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use serde_json::{Value, json};

use super::{Service, door::Door, records::Records, values::text};
use crate::{
    auth::keys::{self, REFRESH_TOKEN},
    core::{
        BoxFuture,
        call::{Answer, Call, Method},
        clock::Timestamp,
        identity::Identity,
    },
    error::{Error, Result},
    store::{Store, columns::Column, lane::Work, transaction::Reader},
};

/// How long a refresh token is good.
const LIFETIME_MILLIS: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Answers `create {refreshToken}` with `{accessToken, refreshToken, user}`.
pub struct Refresh {
    /// The door.
    pub door: Arc<Door>,
    /// The users.
    pub users: Records,
}

impl Service for Refresh {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let refused = || Error::not_authenticated("Invalid or expired refresh token");
            let given = call.data["refreshToken"].as_str().ok_or_else(refused)?;
            let digest = keys::digest(given);
            let unit = async move |work: &mut Work<'_>| rotate(&digest, work).await;
            let (user, next) = store.write(&call.turn, unit).await?.ok_or_else(refused)?;
            let tokens = &self.door.settings.tokens;
            let clock = store.clock();
            let token = tokens.sign(&tokens.claims(&user, clock.now(), clock.random_id()))?;
            let user = self
                .users
                .read(&mut store.reader(), &user, &Identity::System)
                .await?;
            let named = ["user_id", "email", "name", "emoji", "role"].into_iter();
            let user: Value = named
                .filter_map(|name| Some((name.to_owned(), user.get(name)?.clone())))
                .collect::<serde_json::Map<_, _>>()
                .into();
            Ok(json!({"accessToken": token, "refreshToken": next, "user": user}).into())
        })
    }
}

/// Gives out the first token of a family.
///
/// # Errors
/// If the database fails.
pub(super) async fn begin(user: &str, call: &Call, store: &Store) -> Result<String> {
    let user = user.to_owned();
    let unit = async move |work: &mut Work<'_>| {
        forget_ended(work).await?;
        let family = work.clock.random_id().to_string();
        give(&family, &user, work).await
    };
    store.write(&call.turn, unit).await
}

/// Ends every login of a user.
///
/// # Errors
/// If the database fails.
pub(super) async fn end_all(user: &str, work: &mut Work<'_>) -> Result<()> {
    delete(Expr::col(Field::UserId).eq(user), work).await
}

/// Takes a token and gives the next one; `None` if it is not good (any more).
async fn rotate(digest: &str, work: &mut Work<'_>) -> Result<Option<(String, String)>> {
    let columns = Column::all::<refresh_tokens::Entity>();
    let mut select = Query::select();
    select
        .columns(columns.iter().map(Column::iden))
        .from(refresh_tokens::Entity)
        .and_where(Expr::col(Field::Digest).eq(digest));
    let db: &mut dyn Reader = &mut *work.tx;
    let Some(row) = db.select(&select, &columns).await?.pop() else {
        return Ok(None);
    };
    let [family, user, ends] =
        ["family", "user_id", "ends_at"].map(|name| text(&row, name).unwrap_or_default());
    let now = work.now.to_string();
    if row["used"] == true || *ends < *now {
        delete(Expr::col(Field::Family).eq(family), work).await?;
        return Ok(None);
    }
    let mut update = Query::update();
    update
        .table(refresh_tokens::Entity)
        .value(Field::Used, true)
        .and_where(Expr::col(Field::Digest).eq(digest));
    work.tx.execute(work.tx.backend().build(&update)).await?;
    let next = give(family, user, work).await?;
    Ok(Some((user.to_owned(), next)))
}

async fn give(family: &str, user: &str, work: &mut Work<'_>) -> Result<String> {
    let token = keys::random(REFRESH_TOKEN);
    let ends = Timestamp::from_millis(work.now.millis().saturating_add(LIFETIME_MILLIS));
    let mut insert = Query::insert();
    insert
        .into_table(refresh_tokens::Entity)
        .columns([
            Field::Digest,
            Field::Family,
            Field::UserId,
            Field::EndsAt,
            Field::Used,
        ])
        .values_panic([
            keys::digest(&token).into(),
            family.into(),
            user.into(),
            ends.unwrap_or(work.now).to_string().into(),
            false.into(),
        ]);
    work.tx.execute(work.tx.backend().build(&insert)).await?;
    Ok(token)
}

/// Tokens that ended serve nobody.
async fn forget_ended(work: &mut Work<'_>) -> Result<()> {
    let now = work.now.to_string();
    delete(Expr::col(Field::EndsAt).lt(now), work).await
}

async fn delete(condition: Expr, work: &mut Work<'_>) -> Result<()> {
    let mut delete = Query::delete();
    delete
        .from_table(refresh_tokens::Entity)
        .and_where(condition);
    work.tx
        .execute(work.tx.backend().build(&delete))
        .await
        .map(drop)
}
