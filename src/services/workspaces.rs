//! `workspaces`: where workflows, and what else MGX knows, belong to. There is one at least, `default`, which
//! is made when it is first needed.
//!
//! | path | method | answer |
//! |---|---|---|
//! | `workspaces` | `find ?skip&limit` | `{items, total, skip, limit}`, the oldest first |
//! | | `get(id)` | `{id, name, slug, metadata, created_at, updated_at}` |
//! | | `create {name, slug?, metadata?}` | the same; 409 where the slug is taken |
//! | `workspaces/current` | `find ?workspace_id` or `?workspace_slug` | the workspace that is meant; `default` if nothing is said |

use std::sync::LazyLock;

use entities::workspaces;
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, SelectStatement},
};
use serde_json::{Value, json};

use super::{
    Service, Services,
    reading::{Fields, Problems, page},
    slugs,
    values::{as_record, text},
};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        turn::Turn,
    },
    error::{Error, Kind, Result},
    store::{Store, lane::Work, table::Table, transaction::Reader},
};

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::of::<workspaces::Entity>("id"));

/// The slug of the one that is meant where nothing is said.
const DEFAULT: &str = "default";

/// Characters of a name.
const NAME: usize = 255;

/// Registers the services.
pub fn register(services: &mut Services) {
    services.add("workspaces", Workspaces);
    services.add("workspaces/current", Current);
}

struct Workspaces;

impl Service for Workspaces {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Get, Method::Create]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let answer = match call.method {
                Method::Find => list(call, store).await?,
                Method::Get => {
                    let id = call.id.as_ref().unwrap_or(&Value::Null);
                    Value::Object(get(&mut store.reader(), id).await?)
                }
                _ => {
                    let (data, by) = (call.data.clone(), call.caller.identity.clone());
                    let unit = async move |work: &mut Work<'_>| {
                        work.by = by;
                        create(&data, work).await
                    };
                    store.write(&call.turn, unit).await?
                }
            };
            Ok(answer.into())
        })
    }
}

struct Current;

impl Service for Current {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let query = Value::Object(call.query.clone());
            if let Some(found) = known(&query, &mut store.reader()).await? {
                return Ok(Value::Object(found).into());
            }
            let unit = async move |work: &mut Work<'_>| of(&query, work).await;
            let made = store.write(&Turn::default(), unit).await?;
            Ok(Value::Object(made).into())
        })
    }
}

/// The workspace that `workspace_id` or `workspace_slug` of something names; the default one, which is made
/// if need be, if neither is there.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn of(asked: &Value, work: &mut Work<'_>) -> Result<Record> {
    if let Some(found) = known(asked, work.tx).await? {
        return Ok(found);
    }
    let now = work.now.to_string();
    let row = json!({
        "id": work.clock.random_id(),
        "name": "Default Workspace",
        "slug": DEFAULT,
        "metadata": {},
        "created_at": now,
        "updated_at": now,
    });
    TABLE.insert(work.tx, &as_record(row)).await
}

/// Those with these ids.
///
/// # Errors
/// If the database fails.
pub(super) async fn several(ids: &[&str], db: &mut dyn Reader) -> Result<Vec<Record>> {
    let these = Expr::col(workspaces::Column::Id).is_in(ids.iter().copied());
    db.select(&TABLE.select(these.into()), TABLE.columns())
        .await
}

/// The default one, if it is there yet.
///
/// # Errors
/// If the database fails.
pub(super) async fn default(db: &mut dyn Reader) -> Result<Option<Record>> {
    slugs::find(&TABLE, DEFAULT, db).await
}

/// As [`of`], but that the default one may not be there yet.
async fn known(asked: &Value, db: &mut dyn Reader) -> Result<Option<Record>> {
    let said = |name: &str| asked[name].as_str().filter(|text| !text.is_empty());
    if let Some(id) = said("workspace_id") {
        return get(db, &json!(id)).await.map(Some);
    }
    let slug = said("workspace_slug");
    let found = slugs::find(&TABLE, slug.unwrap_or(DEFAULT), db).await?;
    if found.is_none() && slug.is_some_and(|slug| slug != DEFAULT) {
        return Err(Error::not_found("Workspace not found"));
    }
    Ok(found)
}

async fn get(db: &mut dyn Reader, id: &Value) -> Result<Record> {
    let found = TABLE.get(db, id, Condition::all()).await;
    found.map_err(|error| match error.kind() {
        Kind::NotFound => Error::not_found("Workspace not found"),
        _ => error,
    })
}

async fn list(call: &Call, store: &Store) -> Result<Value> {
    let (skip, limit) = page(&call.query)?;
    let db: &mut dyn Reader = &mut store.reader();
    let oldest = |select: &mut SelectStatement| {
        select
            .order_by(workspaces::Column::CreatedAt, Order::Asc)
            .order_by(workspaces::Column::Id, Order::Asc);
    };
    let (items, total) = TABLE
        .page(Condition::all(), oldest, (skip, limit), db)
        .await?;
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

async fn create(data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let object = as_record(data.clone());
    let mut problems = Problems::default();
    let mut fields = Fields::new(&object, Vec::new(), &mut problems);
    let name = fields.name("name", NAME);
    let slug = slugs::read(&mut fields);
    let metadata = fields.object("metadata");
    problems.refuse()?;
    let slug = slugs::choose(&TABLE, slug, (&name, "workspace"), work).await?;
    let now = work.now.to_string();
    let row = json!({
        "id": work.clock.random_id(),
        "name": name,
        "slug": slug,
        "metadata": metadata,
        "created_at": now,
        "updated_at": now,
    });
    let row = TABLE.insert(work.tx, &as_record(row)).await?;
    debug_assert!(text(&row, "slug").is_some());
    Ok(Value::Object(row))
}
