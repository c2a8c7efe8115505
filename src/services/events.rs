//! `events`: the log itself, to be looked up. Nobody writes here: what is done elsewhere writes the log.
//!
//! Source: docs/protocols/events.md. A caller finds what the same caller, listening, would be given.

use std::sync::Arc;

use sea_orm::sea_query::Condition;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Service, visibility};
use crate::{
    core::{
        BoxFuture, Record,
        call::{Answer, Call, Method},
        event::Event,
        identity::Identity,
        stamp::{LogId, Seq, Since},
        told::Told,
    },
    error::{Error, Result},
    store::{
        Store,
        history::{self, Page},
        query::Query,
        table::not_found,
    },
};

/// Events in a page when the client says nothing, and at most.
const PAGE: u64 = 100;
const LARGEST_PAGE: u64 = 1_000;

/// The name of the parameter that says after which place to look.
const SINCE: &str = "since";

/// The service.
pub struct Events;

impl Service for Events {
    fn methods(&self) -> Vec<Method> {
        vec![Method::Find, Method::Get]
    }

    fn call<'a>(&'a self, call: &'a Call, store: &'a Store) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let mut asked = call.query.clone();
            let since = match call.method {
                Method::Find => asked.shift_remove(SINCE),
                _ => None,
            };
            let after = match since {
                Some(since) => begin(&place(&since)?, store).await?,
                None => None,
            };
            let view = View::new(&asked, &call.caller.identity, store)?;
            let answer = match call.method {
                Method::Get => view.get(call.id.as_ref(), store).await?,
                _ => view.find(after, store).await?,
            };
            // What was pruned meanwhile may be missing from it.
            if let Some(seq) = after {
                begin(&Since::After(view.log, seq), store).await?;
            }
            Ok(answer.into())
        })
    }
}

/// Where a client wants to begin.
fn place(since: &Value) -> Result<Since> {
    match since {
        Value::String(text) => Since::parse(text),
        other => Since::parse(&other.to_string()),
    }
}

/// The place after which a client is told; `None` for all that the log has.
///
/// # Errors
/// `Gone` if events after the place are.
async fn begin(since: &Since, store: &Store) -> Result<Option<Seq>> {
    let story = store.story();
    if *since == Since::Start {
        return Ok(None);
    }
    match story.place(since).await? {
        Ok(seq) => Ok(Some(seq)),
        Err(reset) => {
            let what = "The log does not go on from there; read the records anew";
            Err(Error::gone(what).with_data(reset.told(&story.log.id())))
        }
    }
}

/// The log as one caller sees it, and what of it the caller wants.
struct View {
    by: Identity,
    log: LogId,
    /// No condition but the client's.
    query: Query,
    with_data: bool,
}

impl View {
    fn new(asked: &Record, by: &Identity, store: &Store) -> Result<Self> {
        let story = store.story();
        let log = story.log.id();
        let query = Query::parse(asked, &history::fields(log.clone()), store.backend())?;
        let selects = |select: &Vec<String>| select.iter().any(|name| name == "data");
        Ok(Self {
            by: story.hub.access().current(by),
            log,
            with_data: query.select.as_ref().is_none_or(selects),
            query,
        })
    }

    /// The query with what must hold beside it: the caller may see it, and it was published.
    fn narrowed(&self, condition: Condition, store: &Store) -> Query {
        let mut query = self.query.clone();
        query.condition = query
            .condition
            .add(condition)
            .add(history::up_to(store.story().hub.head()))
            .add(visibility::events(&self.by, store.backend()));
        query
    }

    async fn find(&self, after: Option<Seq>, store: &Store) -> Result<Value> {
        let db = &mut store.searcher();
        let limit = self.query.limit.unwrap_or(PAGE).min(LARGEST_PAGE);
        let skip = self.query.skip;
        let after = after.map_or_else(Condition::all, history::after);
        let query = self.narrowed(after, store);
        let page = match limit {
            0 => Page {
                events: Vec::new(),
                is_full: true,
            },
            _ => history::page(db, &query, limit, self.with_data).await?,
        };
        // A page that is not full says by itself how many there are.
        let total = if page.is_full || skip > 0 {
            history::count(db, query.condition).await?
        } else {
            page.events.len() as u64
        };
        let data: Vec<_> = page
            .events
            .iter()
            .filter_map(|event| self.told(event, store).transpose())
            .collect::<Result<_>>()?;
        Ok(json!({"total": total, "limit": limit, "skip": skip, "data": data}))
    }

    /// The event with an id or a stamp.
    async fn get(&self, id: Option<&Value>, store: &Store) -> Result<Value> {
        let missing = || not_found(id.unwrap_or(&json!("undefined")));
        let text = id.and_then(Value::as_str).ok_or_else(missing)?;
        let condition = match (Uuid::parse_str(text), Since::parse(text)) {
            (Ok(id), _) => history::with_id(&id.to_string()),
            (_, Ok(Since::After(log, seq))) if log == self.log => history::at(seq),
            _ => return Err(missing()),
        };
        let query = self.narrowed(condition, store);
        let page = history::page(&mut store.searcher(), &query, 1, self.with_data).await?;
        let event = page.events.first().ok_or_else(missing)?;
        self.told(event, store)?.ok_or_else(missing)
    }

    /// An event as the caller is told it; `None` if it is hidden by now.
    fn told(&self, event: &Event, store: &Store) -> Result<Option<Value>> {
        let access = store.story().hub.access();
        let Some(data) = event.view(&self.by, access).map(Arc::clone) else {
            return Ok(None);
        };
        let unreadable = |error| Error::general("An event cannot be read").caused_by(error);
        let told = serde_json::to_value(Told::new(event, &data, &self.log)).map_err(unreadable)?;
        let Value::Object(mut told) = told else {
            return Ok(None);
        };
        self.query.pick(&mut told, "id");
        Ok(Some(Value::Object(told)))
    }
}
