//! `GET …/events/feed?since&limit`: a swarm's events as they come, each once, oldest first.
//!
//! `seq` is a place in the daemon's log, so that it goes on after a restart; who sends it back as `since` is told
//! what came after it.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{
    Asked, Outcome,
    answers::{items, ok},
    dashboard::unseen,
};
use crate::{
    core::{clock::Timestamp, stamp::Seq},
    error::{Error, Kind, Result},
    services::swarms::LOGS,
};

/// Events that are told at once, if nothing is said and at most.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

pub(super) async fn read(Path(name): Path<String>, asked: Asked) -> Outcome {
    asked.one(&["swarms"], &name).await.map_err(unseen)?;
    let born = born(&name, &asked).await.map_err(unseen)?;
    let since = Seq(i64::try_from(number(&asked, "since", 0)?).unwrap_or(i64::MAX));
    let limit = number(&asked, "limit", USUAL)?.min(MOST);
    // Before it is looked: what comes meanwhile is told now or the next time.
    let head = asked.app.store.story().hub.head();
    let mut page = match after(&name, since, limit, &asked).await {
        // What came next is pruned: all that is kept is told.
        Err(error) if error.kind() == Kind::Gone => after(&name, Seq(0), limit, &asked).await?,
        page => page?,
    };
    let total = page["total"].as_u64().unwrap_or_default();
    let told = items(page["data"].take());
    let last = told.last().and_then(place).unwrap_or(since);
    let seq = if told.len() as u64 == total {
        last.max(head)
    } else {
        last
    };
    // Not what was told of another that had the name, and was purged.
    let is_own = |event: &Value| {
        let at = event["timestamp"].as_str().and_then(Timestamp::parse);
        at.is_none_or(|at| at >= born)
    };
    let events: Vec<_> = told
        .into_iter()
        .map(|mut event| event["data"].take())
        .filter(is_own)
        .collect();
    ok(json!({"events": events, "seq": seq.0, "source": "feed"}))
}

/// When the swarm was made.
async fn born(name: &str, asked: &Asked) -> Result<Timestamp> {
    let missing = || Error::not_found("There are no swarms");
    let swarms = asked.app.services.swarms.as_ref().ok_or_else(missing)?;
    let by = asked.caller.identity.clone();
    swarms.born(name, &by, &asked.app.store).await
}

/// A swarm's events after a place in the log.
async fn after(swarm: &str, place: Seq, limit: u64, asked: &Asked) -> Result<Value> {
    let mut query = json!({
        "source": LOGS,
        "swarm": swarm,
        "$select": ["seq", "data"],
        "$sort": {"seq": 1},
        "$limit": limit,
    });
    if place > Seq(0) {
        query["since"] = json!(asked.app.store.story().log.id().stamp(place));
    }
    asked.find(&["events"], query).await
}

/// Where in the log an event is, by its stamp.
fn place(event: &Value) -> Option<Seq> {
    let (_, seq) = event["seq"].as_str()?.rsplit_once('-')?;
    seq.parse().ok().map(Seq)
}

fn number(asked: &Asked, name: &str, usual: u64) -> Result<u64> {
    let Some(text) = asked.parameter(name) else {
        return Ok(usual);
    };
    text.parse()
        .map_err(|_| Error::bad_request(format!("`{name}` must be a whole number from 0")))
}
