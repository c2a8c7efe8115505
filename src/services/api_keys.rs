//! `api-keys`: what programs come in with, in a user's name. A key is told once, when it is made; what
//! is kept of it is a digest.
//!
//! Source: docs/protocols/feathers.md, "API keys".

use std::sync::LazyLock;

use entities::{agents, api_key_digests, api_keys, users};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, ready},
};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};
use serde_json::{Value, json};

use super::{
    hooks::{Context, Hook, Next},
    records::Records,
    rules::{Change, Rules, Scope},
    users::may_give,
    values::{fill, text},
};
use crate::{
    auth::keys,
    core::{
        BoxFuture, Record,
        access::{AccessChange, sees_all},
        call::Method,
        clock::Timestamp,
        event::Draft,
        identity::{Identity, KeyScope, Role},
        scope::Audience,
        turn::Turn,
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work, query, table::Table, transaction::Reader},
};

/// Characters of a key's name at most.
const LONGEST_NAME: usize = 200;

/// Milliseconds for which a use is as good as a later one: not every call becomes a write.
const USED_MILLIS: i64 = 60_000;

/// The field that takes a new key's digest to where it is kept.
const DIGEST: &str = "digest";

static KEYS: LazyLock<Table> = LazyLock::new(|| Table::of::<api_keys::Entity>("id"));
static AGENTS: LazyLock<Table> = LazyLock::new(|| Table::of::<agents::Entity>("id"));
static USERS: LazyLock<Table> = LazyLock::new(|| Table::of::<users::Entity>("user_id"));

/// The service; it needs [`Issue`] around it.
pub fn service() -> Records {
    Records::of::<api_keys::Entity>("id")
        .publishing_as("api-keys")
        .paginate(100, 1_000)
        .in_order_of("created_at")
        .rules(Keys)
        .build()
}

struct Keys;

impl Rules for Keys {
    fn create<'a>(
        &'a self,
        key: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            needs_whole_login(&work.by)?;
            check_name(key.get("name"))?;
            fill(key, "scopes", || json!([KeyScope::Write.as_str()]));
            if scope(key).is_none() {
                let words = KeyScope::ALL.map(KeyScope::as_str).join(", ");
                let text = format!("`scopes` must be a list of one or more of {words}");
                return Err(Error::bad_request(text));
            }
            check_end(key, work.now)?;
            match key.get("agent_id").filter(|agent| !agent.is_null()) {
                Some(agent) => {
                    let agent = AGENTS.get(work.tx, agent, Condition::all()).await;
                    let agent = agent.map_err(|error| unknown(error, "agent_id", "an agent"))?;
                    let owner = agent.get("user_id").cloned().unwrap_or_default();
                    if owner != Value::Null || work.by.role() < Some(Role::Admin) {
                        may_make_for(&owner, work).await?;
                    }
                    key.insert("user_id".to_owned(), owner);
                }
                None => {
                    let own = work.by.user_id().map(str::to_owned);
                    fill(key, "user_id", || json!(own));
                    let user = key.get("user_id").filter(|user| !user.is_null());
                    let missing =
                        || Error::bad_request("`user_id` is required: it says whose key it is");
                    may_make_for(user.ok_or_else(missing)?, work).await?;
                }
            }
            key.insert("id".to_owned(), json!(work.clock.random_id()));
            key.insert("created_at".to_owned(), json!(work.now.to_string()));
            key.remove("last_used_at");
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, _work: &Work<'_>) -> Result<()> {
        let differs = |name: &&String| *name != "name" && changes.get(*name) != current.get(*name);
        let known = |name: &&String| KEYS.columns().iter().any(|column| column.name == **name);
        if let Some(name) = changes.keys().filter(known).find(differs) {
            return Err(Error::bad_request(format!(
                "`{name}` of a key does not change; make another key and remove this one"
            )));
        }
        changes.retain(|name, _| name == "name");
        changes
            .get("name")
            .map_or(Ok(()), |name| check_name(Some(name)))
    }

    fn permit<'a>(
        &'a self,
        _change: Change,
        _key: &'a Record,
        _given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        ready(needs_whole_login(&work.by)).boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        key: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            if let Some(digest) = text(given, DIGEST).filter(|_| change == Change::Created) {
                store_digest(text(key, "id").unwrap_or_default(), digest, work).await?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn visible(&self, by: &Identity) -> Option<Condition> {
        if sees_all(by) {
            return None;
        }
        let own = Expr::col(api_keys::Column::UserId).eq(by.user_id().unwrap_or_default());
        Some(Condition::all().add(own))
    }

    fn access(
        &self,
        change: Change,
        key: &Record,
        _given: &Record,
        _by: &Identity,
    ) -> Vec<AccessChange> {
        match (change, text(key, "id")) {
            (Change::Removed, Some(id)) => vec![AccessChange::NoKey(id.to_owned())],
            _ => Vec::new(),
        }
    }

    fn scope(&self, key: &Record) -> Option<Scope> {
        let user = text(key, "user_id");
        let mut scope = Scope::everyone([("user", user)]);
        scope.audience = Audience::Identities(user.map(str::to_owned).into_iter().collect());
        Some(scope)
    }
}

/// Makes the key of a record that is created, and tells it with the answer, this once.
pub struct Issue;

impl Hook for Issue {
    fn run<'a>(
        &'a self,
        context: &'a mut Context<'_>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        if context.call.method != Method::Create {
            return next.run(context);
        }
        let Value::Object(record) = &mut context.call.data else {
            return next.run(context);
        };
        let key = issue(record);
        Box::pin(async move {
            next.run(&mut *context).await?;
            let answer = context.result.as_mut().map(|answer| &mut answer.data);
            if let Some(Value::Object(record)) = answer {
                record.insert("key".to_owned(), json!(key));
            }
            Ok(())
        })
    }
}

/// Makes the key of a new record, which takes its digest to where it is kept.
pub(super) fn issue(record: &mut Record) -> String {
    let key = keys::random(keys::API_KEY);
    record.insert("prefix".to_owned(), json!(keys::hint(&key)));
    record.insert(DIGEST.to_owned(), json!(keys::digest(&key)));
    key
}

/// The record of the key with a digest.
///
/// # Errors
/// If the database fails.
pub(super) async fn by_digest(digest: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    use api_key_digests::{Column, Entity};
    let mut id = Query::select();
    id.column(Column::Id)
        .from(Entity)
        .and_where(Expr::col(Column::Digest).eq(digest));
    let is_it = Expr::col(api_keys::Column::Id).in_subquery(id);
    let query = query::Query {
        condition: Condition::all().add(is_it),
        ..query::Query::default()
    };
    Ok(KEYS.find(db, &query, Some(1)).await?.pop())
}

/// The record of the key with an id.
///
/// # Errors
/// If the database fails.
pub(super) async fn by_id(id: &str, db: &mut dyn Reader) -> Result<Option<Record>> {
    let query = query::Query {
        condition: Condition::all().add(Expr::col(api_keys::Column::Id).eq(id)),
        ..query::Query::default()
    };
    Ok(KEYS.find(db, &query, Some(1)).await?.pop())
}

/// What a key lets its user do; `None` if its scopes are no list of scopes.
pub(super) fn scope(key: &Record) -> Option<KeyScope> {
    let words = key.get("scopes")?.as_array()?;
    let scopes: Option<Vec<_>> = words
        .iter()
        .map(|word| KeyScope::parse(word.as_str()?))
        .collect();
    scopes?.into_iter().max()
}

/// When a key ends; `None` if it does not.
pub(super) fn ends(key: &Record) -> Option<Timestamp> {
    text(key, "expires_at").and_then(Timestamp::parse)
}

/// Notes that a key was used, unless that was noted a moment ago. Nobody waits for it.
pub(super) fn note_use(key: &Record, store: &Store) {
    let now = store.clock().now();
    let last = text(key, "last_used_at").and_then(Timestamp::parse);
    let is_old = |last: Timestamp| now.millis().saturating_sub(last.millis()) >= USED_MILLIS;
    let Some(id) = text(key, "id").filter(|_| last.is_none_or(is_old)) else {
        return;
    };
    let mut update = Query::update();
    update
        .table(api_keys::Entity)
        .value(api_keys::Column::LastUsedAt, now.to_string())
        .and_where(Expr::col(api_keys::Column::Id).eq(id));
    let unit = async move |work: &mut Work<'_>| {
        let statement = work.tx.backend().build(&update);
        work.tx.execute(statement).await.map(drop)
    };
    // Once it has entered the lane it needs nobody; if the lane is full, a later use is noted.
    drop(store.write(&Turn::default(), unit).now_or_never());
}

async fn store_digest(id: &str, digest: &str, work: &mut Work<'_>) -> Result<()> {
    use api_key_digests::{Column, Entity};
    let mut insert = Query::insert();
    insert
        .into_table(Entity)
        .columns([Column::Digest, Column::Id])
        .values_panic([digest.into(), id.into()]);
    let statement = work.tx.backend().build(&insert);
    work.tx.execute(statement).await.map(drop)
}

/// Whoever came in with less than a login's powers must not get them by making a key.
///
/// # Errors
/// `Forbidden`.
pub(super) fn needs_whole_login(by: &Identity) -> Result<()> {
    match by.scope() {
        KeyScope::Admin => Ok(()),
        _ => Err(Error::forbidden(
            "An API key needs the scope `admin` to manage keys",
        )),
    }
}

/// Users make their own keys; admins make everybody's but those of people above them.
pub(super) async fn may_make_for(user: &Value, work: &mut Work<'_>) -> Result<()> {
    let by = work.by.clone();
    if user.as_str() != by.user_id() && by.role() < Some(Role::Admin) {
        return Err(Error::forbidden(
            "You need admin access to make keys for others",
        ));
    }
    let user = USERS.get(work.tx, user, Condition::all()).await;
    let user = user.map_err(|error| unknown(error, "user_id", "a user"))?;
    may_give(&user, &by)
}

/// A reference to a record that is not there is bad input.
fn unknown(error: Error, name: &str, what: &str) -> Error {
    match error.kind() {
        Kind::NotFound => Error::bad_request(format!("`{name}` must be the id of {what}")),
        _ => error,
    }
}

fn check_name(name: Option<&Value>) -> Result<()> {
    let name = name.and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        let text = format!("`name` must have 1 to {LONGEST_NAME} characters");
        return Err(Error::bad_request(text));
    }
    Ok(())
}

fn check_end(key: &Record, now: Timestamp) -> Result<()> {
    match key.get("expires_at") {
        None | Some(Value::Null) => Ok(()),
        Some(_) if ends(key).is_some_and(|ends| ends > now) => Ok(()),
        Some(_) => Err(Error::bad_request(
            "`expires_at` must be a time to come, such as 2027-11-21T00:39:58.239Z",
        )),
    }
}
