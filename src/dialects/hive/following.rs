//! Where a subscription's events come from, and how it gives way to another: whole, up to where that begins.

use std::sync::{Arc, OnceLock};

use tokio::sync::oneshot;

use super::{PROTOCOL, conversation::Guest, filter::Filter};
use crate::{
    core::{
        feed::{self, Feed, Item},
        stamp::{Seq, Since},
        subscription::Subscription,
    },
    dialects::ws::{Close, Source},
    error::Result,
};

/// The client did not read what it was sent.
const TOO_SLOW: Close = Close(1013, "slow consumer");

/// Where a subscription's events come from.
pub(super) enum Story {
    /// What comes from now on.
    Live(Subscription),
    /// What the log has, then what comes.
    Log(Box<Feed>),
}

/// A subscription.
pub(super) struct Following {
    pub(super) story: Story,
    pub(super) filter: Arc<Filter>,
    pub(super) guest: Arc<OnceLock<Guest>>,
}

/// A subscription that is to replace another.
pub(super) struct Follow {
    pub(super) following: Following,
    /// What was published up to there is still the other's.
    pub(super) after: Seq,
    /// The answer, before the first event.
    pub(super) told: String,
    /// Dropped when the other has given way.
    pub(super) taken_up: oneshot::Sender<()>,
}

/// What a subscription gives.
#[derive(Debug)]
pub(super) enum Given {
    /// The next item.
    Item(Item),
    /// It gave all up to where another begins.
    All,
}

impl Story {
    /// The story since a place, and up to where one that it replaces is still told.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub(super) async fn since(story: feed::Story, since: &Since) -> Result<(Self, Seq)> {
        let read = story.hub.head();
        let feed = Feed::open(story, since, PROTOCOL).await?;
        // What is published before the feed begins is the other's, or it would be nobody's.
        let after = read.max(feed.place());
        Ok((Self::Log(Box::new(feed)), after))
    }
}

impl Following {
    /// What it gives next; nothing after `limit`, where another begins.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub(super) async fn next(&mut self, limit: Option<Seq>) -> Result<Given, Close> {
        if let Some(given) = self.take(limit) {
            return Ok(given);
        }
        let item = match &mut self.story {
            Story::Live(live) => live.next().await.map(Item::Event).ok_or(TOO_SLOW),
            Story::Log(feed) => Source::next(feed.as_mut()).await,
        };
        item.map(Given::Item)
    }

    /// As [`next`](Self::next), if it is at hand.
    pub(super) fn take(&mut self, limit: Option<Seq>) -> Option<Given> {
        match &mut self.story {
            Story::Live(live) => {
                // One that has lost an event gives way to nobody: it gives what waits, and ends.
                let limit = limit.filter(|_| !live.ended());
                match (live.take(), limit) {
                    (Some(event), Some(limit)) if event.seq > limit => Some(Given::All),
                    (Some(event), _) => Some(Given::Item(Item::Event(event))),
                    (None, limit) => limit.map(|_| Given::All),
                }
            }
            Story::Log(feed) => {
                if limit.is_some_and(|limit| feed.has_given(limit)) {
                    return Some(Given::All);
                }
                feed.take().map(Given::Item)
            }
        }
    }
}

#[cfg(test)]
mod tests;
