//! `users`: people who log in. Passwords go in and never come out.

use std::sync::Arc;

use entities::{credentials, users};
use futures_util::{FutureExt, future::LocalBoxFuture};
use sea_orm::sea_query::{Condition, Expr, ExprTrait, IntoCondition, OnConflict, Query};
use serde_json::{Value, json};

use super::{
    agents,
    door::{self, Door},
    hooks::{Context, Hook, Next},
    records::Records,
    refresh,
    rules::{Change, Rules, Scope},
    shapes::objects,
    values::{fill, keep, plain_id, text},
};
use crate::{
    core::{
        BoxFuture, Record,
        access::AccessChange,
        call::{Call, Method},
        event::Draft,
        identity::{Identity, KeyScope, Role, User},
    },
    error::{Error, Result},
    store::{Store, lane::Work, table::Table},
};

/// Characters of an email address at most.
const LONGEST_EMAIL: usize = 254;

/// The service.
pub fn service() -> Records {
    Records::of::<users::Entity>("user_id")
        .paginate(1_000, 10_000)
        .rules(Users {
            table: Table::of::<users::Entity>("user_id"),
        })
        .build()
}

struct Users {
    table: Table,
}

impl Rules for Users {
    fn create<'a>(
        &'a self,
        user: &'a mut Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            plain_id(user, "user_id")?;
            check(user)?;
            if text(user, "email").is_none() {
                return Err(Error::bad_request("email is required when creating a user"));
            }
            // Whoever comes first looks after the daemon.
            let first = self.table.count(work.tx, Condition::all()).await? == 0;
            let role = if first { Role::Admin } else { Role::Member };
            if !first && work.by.role() < Some(Role::Admin) {
                return Err(needs_admin(&work.by));
            }
            fill(user, "role", || json!(role.as_str()));
            if !first {
                may_give(user, &work.by)?;
            }
            let now = json!(work.now.to_string());
            fill(user, "user_id", || json!(work.clock.random_id()));
            fill(user, "preferences", || json!({}));
            fill(user, "onboarding_completed", || json!(false));
            user.insert("created_at".to_owned(), now.clone());
            user.insert("updated_at".to_owned(), now);
            Ok(())
        }
        .boxed_local()
    }

    fn change(&self, current: &Record, changes: &mut Record, work: &Work<'_>) -> Result<()> {
        keep(changes, &["created_at"]);
        check(changes)?;
        // A key that is less than a login must not change what one logs in with.
        let own = work
            .by
            .user_id()
            .filter(|_| work.by.scope() == KeyScope::Admin);
        let themselves = own.is_some_and(|id| text(current, "user_id") == Some(id));
        let admin = work.by.role() >= Some(Role::Admin);
        if !(themselves || admin) {
            return Err(needs_admin(&work.by));
        }
        if !themselves {
            // Who changes a password or an address may log in with it.
            may_give(current, &work.by)?;
        }
        if changes
            .get("role")
            .is_some_and(|role| Some(role) != current.get("role"))
        {
            if !admin {
                return Err(Error::forbidden("You need admin access to change a role"));
            }
            may_give(changes, &work.by)?;
            may_give(current, &work.by)?;
        }
        changes.insert("updated_at".to_owned(), json!(work.now.to_string()));
        Ok(())
    }

    fn permit<'a>(
        &'a self,
        change: Change,
        user: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<()>> {
        async move {
            let role = |user| text(user, "role").and_then(Role::parse);
            let stays_admin = match change {
                Change::Removed => {
                    may_give(user, &work.by)?;
                    false
                }
                _ => role(given).is_none_or(|role| role >= Role::Admin),
            };
            if stays_admin || role(user) < Some(Role::Admin) || work.by == Identity::Owner {
                return Ok(());
            }
            let admins = [Role::Admin, Role::Owner].map(Role::as_str);
            let admins = Expr::col(users::Column::Role).is_in(admins);
            match self.table.count(work.tx, admins.into_condition()).await? {
                // Whoever comes first to a daemon without users looks after it.
                0 | 1 => Err(Error::conflict(
                    "This is the last admin; make somebody else one first",
                )),
                _ => Ok(()),
            }
        }
        .boxed_local()
    }

    fn stored<'a>(
        &'a self,
        change: Change,
        user: &'a Record,
        given: &'a Record,
        work: &'a mut Work<'_>,
    ) -> LocalBoxFuture<'a, Result<Vec<Draft>>> {
        async move {
            let id = text(user, "user_id").unwrap_or_default();
            if let Some(hash) = text(given, "password") {
                store_hash(id, hash, work).await?;
                refresh::end_all(id, work).await?;
            }
            if change == Change::Removed {
                agents::leave_with(id, work).await?;
            }
            Ok(Vec::new())
        }
        .boxed_local()
    }

    fn access(
        &self,
        change: Change,
        user: &Record,
        given: &Record,
        _by: &Identity,
    ) -> Vec<AccessChange> {
        let User { id, role, .. } = door::user(user);
        if change == Change::Changed && !given.contains_key("role") {
            return Vec::new();
        }
        let role = match change {
            // One of this id may have been removed before.
            Change::Created | Change::Changed => Some(role),
            Change::Removed => None,
        };
        vec![AccessChange::Role { user: id, role }]
    }

    fn update_replaces(&self) -> bool {
        false
    }

    fn leaves_out_nulls(&self) -> bool {
        true
    }

    fn scope(&self, user: &Record) -> Option<Scope> {
        Some(Scope::everyone([("user", text(user, "user_id"))]))
    }
}

/// Keeps a password's hash.
///
/// # Errors
/// If the database fails.
pub(super) async fn store_hash(user: &str, hash: &str, work: &mut Work<'_>) -> Result<()> {
    use credentials::Column::{PasswordHash, UserId};
    let mut insert = Query::insert();
    insert
        .into_table(credentials::Entity)
        .columns([UserId, PasswordHash])
        .values_panic([user.into(), hash.into()])
        .on_conflict(
            OnConflict::column(UserId)
                .update_column(PasswordHash)
                .to_owned(),
        );
    work.tx
        .execute(work.tx.backend().build(&insert))
        .await
        .map(drop)
}

/// The users that have this email, by their ids, and their passwords' hashes.
pub(super) fn by_email(email: &str) -> sea_orm::sea_query::SelectStatement {
    let mut select = Query::select();
    select
        .column((users::Entity, users::Column::UserId))
        .column((credentials::Entity, credentials::Column::PasswordHash))
        .from(users::Entity)
        .inner_join(
            credentials::Entity,
            Expr::col((users::Entity, users::Column::UserId))
                .equals((credentials::Entity, credentials::Column::UserId)),
        )
        .and_where(Expr::col((users::Entity, users::Column::Email)).eq(email));
    select
}

/// Checks the fields that are there, and spells the email as it is looked up.
fn check(user: &Record) -> Result<()> {
    objects(user, ["preferences"])?;
    let known = |role: &Value| role.as_str().and_then(Role::parse).is_some();
    if user.get("role").is_some_and(|role| !known(role)) {
        return Err(Error::bad_request(
            "`role` must be one of viewer, member, admin, owner",
        ));
    }
    match user.get("email") {
        None => Ok(()),
        Some(Value::String(email)) if is_email(email) => Ok(()),
        Some(_) => Err(Error::bad_request(
            "`email` must be an email address in lower case",
        )),
    }
}

fn is_email(email: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !c.is_ascii_uppercase() || !c.is_ascii();
    email.len() <= LONGEST_EMAIL
        && email.chars().all(plain)
        && email
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

/// Nobody makes or unmakes somebody who may do more than themselves.
///
/// # Errors
/// `Forbidden`.
pub(super) fn may_give(user: &Record, by: &Identity) -> Result<()> {
    let role = text(user, "role").and_then(Role::parse);
    if by.role() >= role {
        return Ok(());
    }
    let role = role.map(Role::as_str).unwrap_or_default();
    Err(Error::forbidden(format!(
        "You need {role} access for this user's role"
    )))
}

fn needs_admin(by: &Identity) -> Error {
    match by.role() {
        None => Error::not_authenticated("Not authenticated"),
        Some(_) => Error::forbidden("You need admin access to manage users"),
    }
}

/// Turns passwords into hashes before the call enters the write lane, and emails into lower case.
pub struct HashPasswords(pub Arc<Door>);

/// Refuses early who may not set a password: a hash takes long, and few are made at a time.
async fn may_set_password(call: &Call, store: &Store) -> Result<()> {
    let by = &call.caller.identity;
    let is_own = by.user_id().is_some() && call.id.as_ref().and_then(Value::as_str) == by.user_id();
    if by.role() >= Some(Role::Admin) || is_own {
        return Ok(());
    }
    let users = Table::of::<users::Entity>("user_id");
    let is_first = call.method == Method::Create
        && users.count(&mut store.reader(), Condition::all()).await? == 0;
    if is_first {
        Ok(())
    } else {
        Err(needs_admin(by))
    }
}

impl Hook for HashPasswords {
    fn run<'a>(
        &'a self,
        context: &'a mut Context<'_>,
        next: Next<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let data = &mut context.call.data;
            if let Some(Value::String(email)) = data.get_mut("email") {
                *email = email.trim().to_lowercase();
            }
            match data.get("password").cloned() {
                None => {}
                Some(Value::String(password)) => {
                    may_set_password(&context.call, context.store).await?;
                    let hash = self.0.hash(password).await?;
                    context.call.data["password"] = Value::String(hash);
                }
                Some(_) => return Err(Error::bad_request("`password` must be a string")),
            }
            next.run(context).await
        })
    }
}
