//! What agents there may be.

use entities::agent_definitions::Column;
use sea_orm::{
    Order,
    sea_query::{Condition, SelectStatement},
};
use serde_json::{Value, json};

use super::rows::{DEFINITIONS, missing};
use crate::{
    core::{Record, call::Call, turn::Turn},
    error::{Error, Kind, Result},
    services::{
        reading::{Fields, Problems, page},
        slugs,
        values::as_record,
    },
    store::{Store, lane::Work, transaction::Reader},
};

/// The slug of the one that is built in: the daemon's own agent.
const DEFAULT: &str = "default";

/// Definitions that there may be.
const MOST: u64 = 1_000;

/// Characters of a name, and of what describes something; capabilities, and bytes of a configuration.
pub(super) const NAME: usize = 255;
pub(super) const TEXT: usize = 10_000;
const CAPABILITIES: usize = 100;
pub(super) const CONFIG: usize = 64 << 10;

const MISSING: &str = "Agent definition not found";

/// A page of them.
///
/// # Errors
/// `Unprocessable`, or if the database fails.
pub(super) async fn list(call: &Call, store: &Store) -> Result<Value> {
    provide(store).await?;
    let (skip, limit) = page(&call.query)?;
    let oldest = |select: &mut SelectStatement| {
        select
            .order_by(Column::CreatedAt, Order::Asc)
            .order_by(Column::Id, Order::Asc);
    };
    let mut db = store.reader();
    let (items, total) = DEFINITIONS
        .page(Condition::all(), oldest, (skip, limit), &mut db)
        .await?;
    Ok(json!({"items": items, "total": total, "skip": skip, "limit": limit}))
}

/// One, by its id or slug.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn get(id: &Value, store: &Store) -> Result<Value> {
    if id == DEFAULT {
        provide(store).await?;
    }
    let db: &mut dyn Reader = &mut store.reader();
    let found = match with_id(id, db).await {
        Err(error) if error.kind() == Kind::NotFound => {
            let slug = id.as_str().unwrap_or_default();
            let found = slugs::find(&DEFINITIONS, slug, db).await?;
            found.ok_or_else(|| Error::not_found(MISSING))
        }
        found => found,
    };
    found.map(Value::Object)
}

/// The one with an id.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn with_id(id: &Value, db: &mut dyn Reader) -> Result<Record> {
    let found = DEFINITIONS.get(db, id, Condition::all()).await;
    found.map_err(|error| missing(error, MISSING))
}

/// The one with a slug; the one that is built in is made if need be.
///
/// # Errors
/// `NotFound`, or if the database fails.
pub(super) async fn with_slug(slug: &str, work: &mut Work<'_>) -> Result<Record> {
    if slug == DEFAULT {
        return built_in(work).await;
    }
    let found = slugs::find(&DEFINITIONS, slug, work.tx).await?;
    found.ok_or_else(|| Error::not_found(MISSING))
}

/// Makes one.
///
/// # Errors
/// `Unprocessable`, `Conflict` where the slug is taken or there are too many, or if the database fails.
pub(super) async fn create(data: &Value, work: &mut Work<'_>) -> Result<Value> {
    let object = as_record(data.clone());
    let mut problems = Problems::default();
    let mut fields = Fields::new(&object, Vec::new(), &mut problems);
    let (name, slug) = (fields.name("name", NAME), slugs::read(&mut fields));
    let row = json!({
        "name": name,
        "description": fields.text("description", TEXT),
        "agent_type": fields.text("agent_type", NAME),
        "capabilities": fields.texts("capabilities", CAPABILITIES, NAME),
        "config": fields.small_object("config", CONFIG),
    });
    problems.refuse()?;
    // Its slug is taken.
    built_in(work).await?;
    if DEFINITIONS.count(work.tx, Condition::all()).await? >= MOST {
        let text = format!("There are {MOST} agent definitions, as many as there may be");
        return Err(Error::conflict(text));
    }
    let what = (name.as_str(), "definition");
    let slug = slugs::choose(&DEFINITIONS, slug, what, work).await?;
    store_one(&slug, row, work).await.map(Value::Object)
}

/// Has the one that is built in be there.
async fn provide(store: &Store) -> Result<()> {
    let known = slugs::find(&DEFINITIONS, DEFAULT, &mut store.reader()).await?;
    if known.is_none() {
        let unit = async move |work: &mut Work<'_>| built_in(work).await;
        store.write(&Turn::default(), unit).await?;
    }
    Ok(())
}

/// The one that is built in, which is made if need be.
async fn built_in(work: &mut Work<'_>) -> Result<Record> {
    if let Some(known) = slugs::find(&DEFINITIONS, DEFAULT, work.tx).await? {
        return Ok(known);
    }
    let row = json!({
        "name": "Default Agent",
        "description": "The daemon's own agent, which runs prompts",
        "agent_type": "roost",
        "capabilities": [],
        "config": {},
    });
    store_one(DEFAULT, row, work).await
}

async fn store_one(slug: &str, row: Value, work: &mut Work<'_>) -> Result<Record> {
    let mut row = as_record(row);
    let now = json!(work.now.to_string());
    let more = json!({
        "id": work.clock.random_id(),
        "slug": slug,
        "created_at": now,
        "updated_at": now,
    });
    row.extend(as_record(more));
    DEFINITIONS.insert(work.tx, &row).await
}
