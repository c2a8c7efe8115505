//! What is told of swarms: pushes as they happen, and the events that are kept.
//!
//! Source: docs/swarms.md, "Events".

use entities::swarm_events::{Column as Of, Entity};
use sea_orm::{
    Order,
    sea_query::{Condition, Expr, ExprTrait, Query as Sql},
};
use serde_json::{Value, json, value::to_raw_value};

use super::{
    Swarms,
    rows::{EVENTS, Member, Swarm, as_record, of},
};
use crate::{
    core::{
        Record,
        event::{Draft, Level},
    },
    error::{Error, Result},
    services::values::text,
    store::{lane::Work, transaction::Reader},
};

/// The service under whose name pushes are published.
pub const SOURCE: &str = "swarms";

/// The push that tells that nothing is left of a swarm.
pub const PURGED: &str = "swarm_purged";

/// The service under whose name what is kept is published.
pub const LOGS: &str = "swarm_logs";

/// Events that are kept of a swarm; there are more until the next look.
const KEPT: u64 = 10_000;

/// Events after which it is looked whether some are to go.
const EVERY: u64 = 200;

/// An event that is kept.
pub(super) struct Entry<'a> {
    pub(super) category: &'static str,
    pub(super) event_type: &'static str,
    /// `debug`, `info`, `warning` or `error`.
    pub(super) level: &'static str,
    /// The agent, by name.
    pub(super) agent: Option<&'a str>,
    pub(super) message: String,
    pub(super) metadata: Value,
    /// Things beside the swarm that it is about.
    pub(super) topics: Vec<(&'static str, Option<&'a str>)>,
}

impl<'a> Entry<'a> {
    /// An event of an agent: `agent <name> <event with spaces>`.
    pub(super) fn of_agent(event_type: &'static str, member: &'a Member, metadata: Value) -> Self {
        let name = member.name();
        Self {
            category: "agent",
            event_type,
            level: "info",
            agent: Some(name),
            message: format!("agent {name} {}", event_type.replace('_', " ")),
            metadata,
            topics: vec![("session", Some(member.session()))],
        }
    }

    /// An event of a swarm: `swarm <name> <what>`.
    pub(super) fn of_swarm(event_type: &'static str, swarm: &Swarm, metadata: Value) -> Self {
        let what = event_type.strip_prefix("swarm_").unwrap_or(event_type);
        Self {
            category: "swarm",
            event_type,
            level: "info",
            agent: None,
            message: format!("swarm {} {}", swarm.name(), what.replace('_', " ")),
            metadata,
            topics: Vec::new(),
        }
    }

    pub(super) const fn level(mut self, level: &'static str) -> Self {
        self.level = level;
        self
    }

    pub(super) fn saying(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    pub(super) fn about(mut self, kind: &'static str, id: Option<&'a str>) -> Self {
        self.topics.push((kind, id));
        self
    }
}

/// Tells a push, as channels send it.
pub(super) fn push(
    swarm: &Swarm,
    name: &'static str,
    data: &Value,
    topics: &[(&str, Option<&str>)],
    work: &mut Work<'_>,
) -> Result<()> {
    let mut draft = draft(swarm, SOURCE, name, data)?;
    draft.topics = swarm.topics(topics);
    work.publish(draft);
    Ok(())
}

/// Changes an agent's state, if it is another, and tells it.
pub(super) async fn enter(
    swarm: &Swarm,
    member: &mut Member,
    state: &'static str,
    work: &mut Work<'_>,
) -> Result<()> {
    if member.state() == state {
        return Ok(());
    }
    let now = work.now.to_string();
    member
        .change(json!({"state": state, "last_activity": now}), work)
        .await?;
    let data = json!({"agent": member.name(), "state": state});
    let topics = [("session", Some(member.session()))];
    push(swarm, "agent_status", &data, &topics, work)
}

fn draft(swarm: &Swarm, source: &'static str, name: &'static str, data: &Value) -> Result<Draft> {
    let unwritable = |error| Error::general("An event cannot be written").caused_by(error);
    let data = to_raw_value(data).map_err(unwritable)?;
    Ok(Draft::new(source, name, swarm.audience(), data.into()))
}

impl Swarms {
    /// Keeps an event and tells it.
    pub(super) async fn log(
        &self,
        swarm: &Swarm,
        entry: Entry<'_>,
        work: &mut Work<'_>,
    ) -> Result<()> {
        let event = json!({
            "id": work.clock.ordered_id(),
            "timestamp": work.now.to_string(),
            "level": entry.level,
            "category": entry.category,
            "swarm": swarm.name(),
            "agent": entry.agent,
            "event_type": entry.event_type,
            "message": entry.message,
            "metadata": entry.metadata,
        });
        let mut draft = draft(swarm, LOGS, entry.event_type, &event)?;
        draft.topics = swarm.topics(&entry.topics);
        draft.level = match entry.level {
            "warning" => Level::Warn,
            level => Level::parse(level).unwrap_or_default(),
        };
        draft.message = Some(entry.message);
        let mut row = as_record(event);
        let at = row.get("timestamp").cloned().unwrap_or_default();
        row.insert("at".to_owned(), at);
        EVENTS.insert(work.tx, &row).await?;
        work.publish(draft);
        if self.is_due(swarm.name()) {
            prune(swarm.name(), work).await?;
        }
        Ok(())
    }

    /// Whether it is to be looked whether some of a swarm's events are to go; so the first time.
    fn is_due(&self, swarm: &str) -> bool {
        let mut counts = self.counts();
        let count = counts.entry(swarm.to_owned()).or_insert(0);
        *count += 1;
        *count % EVERY == 1
    }
}

/// Deletes a swarm's events but the newest.
async fn prune(swarm: &str, work: &mut Work<'_>) -> Result<()> {
    let own = || Expr::col(Of::Swarm).eq(swarm);
    let mut oldest = Sql::select();
    oldest
        .column(Of::Id)
        .from(Entity)
        .and_where(own())
        .order_by(Of::Id, Order::Desc)
        .offset(KEPT)
        .limit(1);
    let mut delete = Sql::delete();
    delete
        .from_table(Entity)
        .and_where(own())
        .and_where(Expr::col(Of::Id).lte(Expr::SubQuery(None, Box::new(oldest.into()))));
    let delete = work.tx.backend().build(&delete);
    work.tx.execute(delete).await.map(drop)
}

/// What is looked for among a swarm's events.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Columns and what they must hold.
    pub(super) fields: Vec<(Of, String)>,
    /// Since when.
    pub(super) since: Option<String>,
    /// After which id: then they come oldest first, else newest first.
    pub(super) after: Option<String>,
    pub(super) limit: u64,
}

impl Wanted {
    /// Reads a query: `level, category, event_type, agent, minutes, limit, after`; other fields are ignored.
    ///
    /// # Errors
    /// `BadRequest` for a value that does not fit.
    pub(super) fn read(query: &Record, now: crate::core::clock::Timestamp) -> Result<Self> {
        let number = |name: &str| match query.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let given = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                given.map(Some).ok_or_else(|| {
                    Error::bad_request(format!("`{name}` must be a whole number from 0"))
                })
            }
        };
        let mut wanted = Self {
            limit: Ord::min(number("limit")?.unwrap_or(100), 1_000),
            after: text(query, "after").map(str::to_owned),
            ..Self::default()
        };
        for (name, column) in [
            ("level", Of::Level),
            ("category", Of::Category),
            ("event_type", Of::EventType),
            ("agent", Of::Agent),
            ("swarm", Of::Swarm),
        ] {
            match query.get(name) {
                None | Some(Value::Null) => {}
                Some(Value::String(value)) => wanted.fields.push((column, value.clone())),
                Some(_) => return Err(Error::bad_request(format!("`{name}` must be a text"))),
            }
        }
        if let Some(minutes) = number("minutes")? {
            let age = std::time::Duration::from_secs(minutes.saturating_mul(60));
            wanted.since = now.before(age).map(|since| since.to_string());
        }
        Ok(wanted)
    }
}

/// Events that fit, each `{id, timestamp, level, category, swarm, agent, event_type, message, metadata}`.
pub(super) async fn events(
    wanted: &Wanted,
    among: Condition,
    db: &mut dyn Reader,
) -> Result<Vec<Value>> {
    let mut fits = among;
    for (column, value) in &wanted.fields {
        fits = fits.add(Expr::col(*column).eq(value.as_str()));
    }
    if let Some(since) = &wanted.since {
        fits = fits.add(Expr::col(Of::At).gte(since.as_str()));
    }
    if let Some(after) = &wanted.after {
        fits = fits.add(Expr::col(Of::Id).gt(after.as_str()));
    }
    let mut select = of(&EVENTS, fits);
    let order = if wanted.after.is_some() {
        Order::Asc
    } else {
        Order::Desc
    };
    select.order_by(Of::Id, order).limit(wanted.limit);
    let rows = db.select(&select, EVENTS.columns()).await?;
    Ok(rows.iter().map(shown).collect())
}

fn shown(row: &Record) -> Value {
    let at = |name: &str| row.get(name).unwrap_or(&Value::Null);
    json!({
        "id": at("id"),
        "timestamp": at("at"),
        "level": at("level"),
        "category": at("category"),
        "swarm": at("swarm"),
        "agent": at("agent"),
        "event_type": at("event_type"),
        "message": at("message"),
        "metadata": at("metadata"),
    })
}
