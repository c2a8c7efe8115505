//! `roost swarm events`: what happened, and, with `--follow`, what happens.

use std::{future::pending, io, time::Duration};

use clap::ValueEnum;
use serde_json::Value;
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::sleep,
};

use super::{
    super::{
        Outcome,
        daemon::{Daemon, Trouble},
        output::{note, tell as print, text},
    },
    items, paint,
};
use crate::config::swarms::SwarmEvents;

/// Events that are asked for at a time.
const PAGE: usize = 1_000;

/// Time after which it is asked for more.
const PAUSE: Duration = Duration::from_millis(250);

/// Before every event's id.
const START: &str = "0";

/// Prints events, oldest first.
///
/// # Errors
/// A sentence for who called.
pub(super) async fn tell(events: &SwarmEvents, daemon: &Daemon) -> Outcome {
    let wanted = Wanted::new(events, daemon);
    // Before it is looked: what comes after it is told by following.
    let newest = match events.follow {
        true => Some(wanted.newest().await?),
        false => None,
    };
    let mut goes_on = true;
    if events.limit > 0 {
        let limit = ("limit", events.limit.to_string());
        let found = wanted.find(vec![limit]).await?;
        let was = |event: &&Value| {
            newest
                .as_deref()
                .is_none_or(|newest| text(event, "id") <= newest)
        };
        for event in items(&found).iter().rev().take_while(was) {
            goes_on = goes_on && show(event, events.reach.json)?;
        }
    }
    let Some(newest) = newest.filter(|_| goes_on) else {
        return Ok(());
    };
    tokio::select! {
        followed = wanted.follow(newest, events.reach.json) => followed,
        () = nobody_reads() => Ok(()),
    }
}

/// Done when nobody reads any more what is printed; never where that cannot be known, as of a file.
async fn nobody_reads() {
    #[expect(
        deprecated,
        reason = "the standard output stays open, and what replaces it is unsafe"
    )]
    let output = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    match output {
        Ok(output) => drop(output.ready(Interest::ERROR).await),
        Err(_) => pending().await,
    }
}

/// Prints an event; whether anybody reads on.
fn show(event: &Value, json: bool) -> Outcome<bool> {
    if json {
        return print(io::stdout(), event);
    }
    paint::event(event)
}

/// What is looked for, and where.
struct Wanted<'a> {
    daemon: &'a Daemon,
    path: Vec<&'a str>,
    filters: Vec<(&'static str, String)>,
}

impl<'a> Wanted<'a> {
    fn new(events: &'a SwarmEvents, daemon: &'a Daemon) -> Self {
        let word = |value: Option<&dyn ToString>| value.map(ToString::to_string);
        let level = events.level.and_then(|level| level.to_possible_value());
        let category = events.category.and_then(|word| word.to_possible_value());
        let filters = [
            ("level", level.map(|level| level.get_name().to_owned())),
            ("category", category.map(|word| word.get_name().to_owned())),
            (
                "event_type",
                word(events.event_type.as_ref().map(|text| text as _)),
            ),
            ("agent", word(events.agent.as_ref().map(|text| text as _))),
        ];
        let swarm = events.name.as_deref();
        Self {
            daemon,
            path: ["swarms"]
                .into_iter()
                .chain(swarm)
                .chain(["events"])
                .collect(),
            filters: filters
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value)))
                .collect(),
        }
    }

    /// The id of the newest event, whatever it is.
    async fn newest(&self) -> Result<String, Trouble> {
        let path = self.path.iter().copied();
        let found = self.daemon.look(path, &[("limit", "1".to_owned())]).await?;
        let newest = items(&found).first();
        Ok(newest.map_or(START, |event| text(event, "id")).to_owned())
    }

    async fn find(&self, more: Vec<(&'static str, String)>) -> Result<Value, Trouble> {
        let query = [self.filters.clone(), more].concat();
        self.daemon.look(self.path.iter().copied(), &query).await
    }

    /// Prints what comes after an event, until nobody reads it. The daemon may be away for a while: it is asked
    /// for what came after the last event that was printed.
    async fn follow(&self, mut last: String, json: bool) -> Outcome {
        let mut is_away = false;
        loop {
            let behind = vec![("after", last.clone()), ("limit", PAGE.to_string())];
            let found = match self.find(behind).await {
                Err(Trouble::Away(why)) => {
                    if !is_away {
                        note(format_args!("roost: {why} Waiting for it."));
                    }
                    is_away = true;
                    sleep(PAUSE).await;
                    continue;
                }
                found => found?,
            };
            if is_away {
                note(format_args!("roost: {} answers again.", self.daemon.url()));
                is_away = false;
            }
            for event in items(&found) {
                if !show(event, json)? {
                    return Ok(());
                }
                last = text(event, "id").to_owned();
            }
            if items(&found).len() < PAGE {
                sleep(PAUSE).await;
            }
        }
    }
}
